"""One connection to a Valkey server, shared by all calls of the process: sent in batches, answered in order.

redis-py makes the connection (TLS, authentication, database) and loads the scripts; then `conversation.py` takes over
the socket. One connection that is written once in a turn of the event loop costs a fraction of one borrowed from a pool
for each call, and a call that its caller gave up does not have to close it, for the answer still has a place in the
order. What breaks the order ends the connection, with every call on it.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from aqueduct.counters.calls import Call, Script
from aqueduct.counters.conversation import Conversation, ReplyError
from aqueduct.errors import ConfigurationError, CountersUnavailable
from aqueduct.telemetry.metrics import COUNTERS_ARE_AWAY

CONNECT_SECONDS = 1.0
RETRY_SECONDS = 1.0
GRACE_SECONDS = 0.005
"""How much longer a late answer may be: in a loop that was held up, it may have come and not been read yet."""

_ENDING = ("READONLY", "LOADING", "NOAUTH")
"""What a server answers that is of no use any more: it was demoted, or began anew. Its address may lead to another one
by now."""

logger = structlog.get_logger(__name__)


class Link:
    """Connects, and connects again; `run` it, and `send` calls meanwhile."""

    def __init__(self, url: str, scripts: Sequence[Script], timeout_seconds: float) -> None:
        self._pool = open_pool(url)
        self._scripts = scripts
        self._timeout_seconds = timeout_seconds
        self._outbox: list[Call] = []
        self._in_flight: deque[Call] = deque()
        self._conversation: Conversation | None = None
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tried = asyncio.Event()
        self.is_up = False

    async def first_attempt(self) -> None:
        """Wait until connecting worked or failed for the first time."""
        await self._tried.wait()

    async def run(self) -> None:
        """Keep the connection until cancelled, whatever happens to the server."""
        is_known_down = False
        while True:
            connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's own
                    for script in self._scripts:
                        await _ask(connection, "SCRIPT", "LOAD", script.source)
                conversation = self._conversation = Conversation(connection, self._hear, self._end)
                if is_known_down:
                    logger.warning("counters_are_back")
                is_known_down = False
                self._set_up(True)
                await conversation.ended
            except (RedisError, OSError, TimeoutError) as error:
                if not is_known_down:
                    logger.error("counters_are_away", reason=f"{type(error).__name__}: {error}"[:200])
                is_known_down = True
            finally:
                self._set_up(False)
                await connection.disconnect(nowait=True)
            await asyncio.sleep(RETRY_SECONDS)

    def send(self, call: Call) -> None:
        """Send a call with all others of this turn. Raises `CountersUnavailable` while there is no connection."""
        if not self.is_up:
            raise CountersUnavailable("Limits cannot be checked at the moment. Try again shortly.")
        call.sent_at = time.monotonic()
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._write)
        self._outbox.append(call)
        if self._timer is None:
            self._watch(self._timeout_seconds)

    def _set_up(self, is_up: bool) -> None:
        self.is_up = is_up
        self._tried.set()
        COUNTERS_ARE_AWAY.set(not is_up)
        if is_up:
            return
        if self._conversation is not None:
            self._conversation.leave()
            self._conversation = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lost = [*self._in_flight, *self._outbox]
        self._in_flight.clear()
        self._outbox.clear()
        for call in lost:
            call.lose()

    def _end(self, error: Exception) -> None:
        """Give the connection up, at once: who asks from now on is not to wait for it."""
        conversation = self._conversation
        self._set_up(False)
        if conversation is not None and not conversation.ended.done():
            conversation.ended.set_exception(error)

    def _write(self) -> None:
        calls, self._outbox = self._outbox, []
        if self._conversation is None or not calls:
            return
        # In flight before the first byte is: whatever happens from here on, the answers keep their order.
        self._in_flight.extend(calls)
        self._conversation.write(b"".join([part for call in calls for part in (call.head, call.rest)]))

    def _hear(self, replies: Sequence[Any]) -> None:
        """Hand on what came in one piece."""
        self._heard_at = time.monotonic()
        for reply in replies:
            if not self._in_flight:
                if self.is_up:
                    self._end(ConnectionError("an answer came to no question"))
                return
            if type(reply) is ReplyError:
                self._hear_error(str(reply))
            else:
                self._in_flight.popleft().answer(reply)

    def _hear_error(self, text: str) -> None:
        if text.startswith(_ENDING):
            self._end(ConnectionError(text))
            return
        call = self._in_flight.popleft()
        if text.startswith("NOSCRIPT"):
            call.send_whole()
            if not self._outbox:
                asyncio.get_running_loop().call_soon(self._write)
            self._outbox.append(call)
        else:
            logger.error("counters_refused_a_call", reason=text[:200])
            call.lose()

    def _watch(self, delay_seconds: float, *, is_recheck: bool = False) -> None:
        due_at = time.monotonic() + delay_seconds
        self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._check, due_at, is_recheck)

    def _check(self, due_at: float, is_recheck: bool) -> None:
        """Expire the calls that took too long; a server that said nothing meanwhile is given up."""
        self._timer = None
        now = time.monotonic()
        if now - due_at > GRACE_SECONDS and not is_recheck:
            # It is the event loop that was held up: answers may have come and not been read yet.
            self._watch(GRACE_SECONDS, is_recheck=True)
            return
        waiting = [*self._in_flight, *self._outbox]
        overdue = list(itertools.takewhile(lambda call: call.sent_at + self._timeout_seconds <= now, waiting))
        for call in overdue:
            if not call.is_overdue:
                call.is_overdue = True
                call.expire()
        if overdue and now - max(overdue[0].sent_at, self._heard_at) >= self._timeout_seconds:
            self._end(TimeoutError(f"no answer within {self._timeout_seconds * 1000:g} ms"))
        elif waiting:
            following = next((call.sent_at for call in waiting if not call.is_overdue), now)
            self._watch(max(following + self._timeout_seconds - now, GRACE_SECONDS))


def open_pool(url: str, socket_seconds: float | None = None) -> ConnectionPool:
    """Understand the URL; raise `ConfigurationError`, without showing it, when it is not one.

    `socket_seconds` is how long an answer may take.
    """
    # The same protocol by another name.
    for name, known_name in (("valkey://", "redis://"), ("valkeys://", "rediss://")):
        if url.startswith(name):
            url = known_name + url.removeprefix(name)
    try:
        return ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=socket_seconds,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=None,
            driver_info=None,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"AQUEDUCT_VALKEY_URL: {error}. Write it as redis://[user:password@]host:6379/0, or rediss:// for TLS."
        ) from None


async def _ask(connection: AbstractConnection, *words: str) -> Any:
    """Send one command and return its reply, before the connection is shared."""
    await connection.send_command(*words)
    return await connection.read_response()
