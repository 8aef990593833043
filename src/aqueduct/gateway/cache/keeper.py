"""Makes kept answers of what has passed, beside the requests: a client has its answer before that begins."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from aqueduct.cache.contract import AnswerStore
from aqueduct.domain.cache import CachePolicy
from aqueduct.domain.price import sum_costs
from aqueduct.domain.usage import sum_units
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.cache.answer import StoredAnswer, completion_of, encode, is_worth_keeping
from aqueduct.gateway.cache.flights import Lead

logger = structlog.get_logger(__name__)

_LONG_BYTES = 64 * 1024
"""From this size on an answer is put together in a thread."""


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A whole answer that has passed, with the attempts that made it; `lead` is of those who wait for it."""

    key: str
    policy: CachePolicy
    operation: str
    said: bytes
    is_stream: bool
    finish_reason: str | None
    attempts: Sequence[Attempt]
    lead: Lead[StoredAnswer] | None


class Keeper:
    """Keeps answers; `run` it beside the gateway."""

    def __init__(self, store: AnswerStore) -> None:
        self.store = store
        self._passed: asyncio.Queue[Passed] = asyncio.Queue()

    def take(self, passed: Passed) -> None:
        """Take an answer that has passed."""
        self._passed.put_nowait(passed)

    async def run(self) -> None:
        """Keep what is taken, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.store.run())
            while True:
                await self.keep(await self._passed.get())

    async def aclose(self) -> None:
        """Let go of what is kept."""
        await self.store.close()

    async def keep(self, passed: Passed) -> None:
        """Keep one answer, if it is worth it, and tell those who wait for it."""
        answer: StoredAnswer | None = None
        try:
            answer = await asyncio.to_thread(make, passed) if len(passed.said) > _LONG_BYTES else make(passed)
            if answer is not None:
                self.store.put(passed.key, encode(answer), passed.policy.ttl_seconds)
        except (ValueError, RecursionError) as error:
            # What an upstream has streamed makes up no answer.
            logger.warning("an answer was not kept", reason=type(error).__name__)
        except Exception as error:
            # One of the process's edges: a bug here must not keep others from being kept.
            logger.error("bug", exc_info=error)
        finally:
            if passed.lead is not None:
                passed.lead.land(answer)


def make(passed: Passed) -> StoredAnswer | None:
    """Return the answer as it is kept; None if it is not.

    What making it took is all that its target was asked and answered, what was asked again for a schema's sake too. The
    request has been settled by now, so that its attempts have their costs, and counts where no usage was reported.
    """
    answered = [attempt for attempt in passed.attempts if attempt.is_answered]
    if not all(attempt.reader is None or attempt.reader.is_end_said for attempt in answered):
        return None  # good enough for the client who has it, but nothing to be given again for hours
    body = passed.said
    if passed.is_stream:
        units = [attempt.reader.units for attempt in answered if attempt.reader is not None and attempt.reader.units]
        body = completion_of(body, units)
    if len(body) > passed.policy.max_bytes or not is_worth_keeping(body, passed.operation) or not answered:
        return None
    records = [attempt.record for attempt in answered]
    used = sum_units(record.units for record in records)
    paid = sum_costs(records)
    return StoredAnswer(
        body=body,
        stored_at=time.time(),
        finish_reason=passed.finish_reason,
        response_model=records[-1].response_model,
        input_tokens=used.get("input_tokens", 0),
        output_tokens=used.get("output_tokens", 0),
        is_estimated=any(record.is_estimated for record in records),
        cost_nano=None if paid is None else paid.nano,
        currency=None if paid is None else paid.currency,
        dropped=answered[-1].dropped,
    )
