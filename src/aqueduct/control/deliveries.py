"""The delivery loop: stores what was told, sends what is due, tries again, and looks for what is about to happen."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aqueduct.control.registry import Registry
from aqueduct.control.webhook_sender import Answer, WebhookSender
from aqueduct.domain.event import EventKind, expiry_event
from aqueduct.errors import ConfigurationError
from aqueduct.storage import outbox
from aqueduct.storage.events import Events
from aqueduct.storage.outbox import GIVE_UP_SECONDS, Claim, Outcome, Within
from aqueduct.storage.vault import CannotOpen

INTERVAL_SECONDS = 2.0
"""How often deliveries are looked for: those of other processes, and those that are tried again."""
CHORE_SECONDS = 3600.0
MAX_BACKOFF_SECONDS = 30.0
MAX_AT_ONCE = 32
MAX_AT_ONCE_EACH = 4
"""How many attempts are made at once, and to one webhook: a receiver that stalls keeps back its own messages only."""
FIRST_RETRY_SECONDS = 5.0
MAX_RETRY_SECONDS = 4 * 3600.0
UNAVAILABLE = (DBAPIError, PoolTimeoutError, OSError, ConfigurationError)

logger = structlog.get_logger(__name__)


class Deliveries:
    """Delivers events to webhooks; `run` it beside the gateway and `close` it at the end."""

    def __init__(
        self,
        registry: Registry,
        events: Events,
        sender: WebhookSender,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = registry.database
        self._secrets = registry.webhook_secrets
        self._events = events
        self._sender = sender
        self._clock = clock
        self._under_way: Counter[str] = Counter()
        self._chores_at = 0.0

    async def run(self) -> None:
        """Deliver until cancelled, whatever happens to the database; an attempt under way is made again later."""
        failures = 0
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self.turn(group)
                except UNAVAILABLE as error:
                    failures += 1
                    if failures & (failures - 1) == 0:
                        logger.error("webhooks not delivered", reason=type(error).__name__, failures=failures)
                    await asyncio.sleep(min(INTERVAL_SECONDS * 2**failures, MAX_BACKOFF_SECONDS))
                    continue
                failures = 0
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._events.noticed.wait(), INTERVAL_SECONDS)

    async def turn(self, group: asyncio.TaskGroup) -> None:
        """Store what was told, and begin an attempt at all that is due and has room."""
        now = self._clock()
        if now >= self._chores_at:
            await self.do_chores(now)
            self._chores_at = now + CHORE_SECONDS
        await self._events.flush()
        for claimed in await self._claim(self._clock()):
            self._under_way[claimed.webhook.id] += 1
            group.create_task(self._deliver(claimed))
            self._events.noticed.set()  # there may be more

    async def deliver_due(self) -> None:
        """Make one turn, and wait for the attempts it began."""
        async with asyncio.TaskGroup() as group:
            await self.turn(group)

    async def do_chores(self, now: float) -> None:
        """Tell of tokens about to expire, give up what is overdue, and remove what is old."""
        async with self._database.reading() as connection:
            api_tokens = await outbox.expiring(connection, now)
        for api_token in api_tokens:
            if (event := expiry_event(api_token, now)) is not None:
                self._events.emit(event)
        async with self._database.writing() as connection:
            buried = await outbox.bury(connection, now)
            await outbox.prune(connection, now)
        if buried:
            logger.error("webhook deliveries given up untried", deliveries=buried)

    async def close(self) -> None:
        """Store what was told last; what the database does not take now is in the log alone."""
        try:
            async with asyncio.timeout(MAX_BACKOFF_SECONDS):
                await self._events.flush()
        except (TimeoutError, *UNAVAILABLE) as error:
            logger.error("events not kept", reason=type(error).__name__)

    async def _claim(self, now: float) -> list[Claim]:
        busy_ids = [each for each, attempts in self._under_way.items() if attempts >= MAX_AT_ONCE_EACH]
        within = Within(key_ids=self._secrets.key_ids, busy_ids=busy_ids)
        room = min(MAX_AT_ONCE - self._under_way.total(), MAX_AT_ONCE_EACH)
        if room <= 0:
            return []
        async with self._database.reading() as connection:
            if not await outbox.is_due(connection, now, within):
                return []
        async with self._database.writing() as connection:
            return await outbox.claim(connection, now, within, limit=room)

    async def _deliver(self, claimed: Claim) -> None:
        try:
            answer = await self._send(claimed)
            now = self._clock()
            outcome = decide(claimed, answer, now, random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing
            log_outcome(claimed, outcome)
            async with self._database.writing() as connection:
                await outbox.settle(connection, claimed, outcome, now)
        except UNAVAILABLE as error:
            # The lease ends, and it is tried again: the receiver tells by the id that it has the message already.
            logger.error("webhook delivery not noted", webhook_id=claimed.webhook.id, reason=type(error).__name__)
        finally:
            self._under_way[claimed.webhook.id] -= 1
            self._events.noticed.set()

    async def _send(self, claimed: Claim) -> Answer:
        try:
            secret = self._secrets.open(claimed.sealed, claimed.webhook.id)
        except CannotOpen:
            return Answer(error="secret_not_readable")
        return await self._sender.send(claimed.webhook, claimed.event, secret.usable(self._clock()))


def decide(claimed: Claim, answer: Answer, now: float, jitter: float) -> Outcome:
    """Say what becomes of a delivery after an attempt: it waits twice as long each time, for a day in all."""
    if answer.is_accepted:
        return Outcome(is_delivered=True, status=answer.status)
    failed = Outcome(is_delivered=False, status=answer.status, error=answer.error)
    wait_seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(claimed.attempts - 1, 20), MAX_RETRY_SECONDS) * jitter
    next_attempt_at = now + max(wait_seconds, min(answer.retry_after_seconds, MAX_RETRY_SECONDS))
    # Whoever tries a webhook looks at what came of it, and tries again by himself.
    is_final = answer.is_final or claimed.event.kind is EventKind.TEST
    if is_final or next_attempt_at > claimed.created_at + GIVE_UP_SECONDS:
        return failed
    return Outcome(
        is_delivered=False, status=answer.status, error=answer.error, next_attempt_at=round(next_attempt_at, 6)
    )


def log_outcome(claimed: Claim, outcome: Outcome) -> None:
    """Write what became of a delivery into the log; the URL, which may hold a secret, is left out."""
    facts = {"webhook_id": claimed.webhook.id, "event_id": claimed.event.id, "attempts": claimed.attempts}
    if outcome.is_delivered:
        logger.info("webhook delivered", **facts)
    elif outcome.next_attempt_at is not None:
        logger.warning("webhook delivery failed", error=outcome.error, **facts)
    else:
        logger.error("webhook delivery given up", error=outcome.error, **facts)
