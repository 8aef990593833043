"""What a request used, gathered while it runs and settled exactly once, into the journal."""

import asyncio
from typing import Protocol

import msgspec
import structlog

from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.model import Target
from aqueduct.domain.price import cost, sum_costs
from aqueduct.domain.principal import Principal
from aqueduct.domain.usage import Undelivered, UsageRecord, shortened, sum_units
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.cache.answer import CacheUse
from aqueduct.gateway.call import Call
from aqueduct.gateway.capture import Recorder, Recording
from aqueduct.gateway.counting import count_tokens
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.gateway.routing.traits import Traits
from aqueduct.wire.request import Request

logger = structlog.get_logger(__name__)


class Journal(Protocol):
    """Where settled requests go."""

    @property
    def is_writable(self) -> bool:
        """Whether records can be written at the moment."""

    def record(self, record: UsageRecord | Undelivered) -> "asyncio.Future[None]":
        """Take one record, at once; the future is done when it is written, within this tick of the event loop."""


class BestEffortJournal:
    """A journal that never refuses: what cannot be written is logged and served all the same (by setting)."""

    is_writable = True

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def record(self, record: UsageRecord | Undelivered) -> "asyncio.Future[None]":
        """Write the record if possible; the future never fails."""
        done = asyncio.get_running_loop().create_future()

        def conclude(written: "asyncio.Future[None]") -> None:
            if written.exception() is not None:
                logger.error("a request was served unaccounted", record=msgspec.to_builtins(record))
            if not done.done():
                done.set_result(None)

        self._journal.record(record).add_done_callback(conclude)
        return done


class Admission(Protocol):
    """What a request holds of its caller's limits (`gateway/admit.py`)."""

    def settle(self, record: UsageRecord) -> None:
        """Replace what was reserved by what was used; once, or `give_back`."""

    def give_back(self) -> None:
        """Let go of what was reserved; nothing was used."""


class Holding(Protocol):
    """What a request holds of the room for images and files (`gateway/attachments/room.py`)."""

    def release(self) -> None:
        """Let go of it; safe to call twice."""


class Entry:
    """One authenticated request in the making: who, what, and the attempts so far."""

    __slots__ = (
        "admission",
        "attempts",
        "cached",
        "call",
        "first_byte_ms",
        "holding",
        "is_judged",
        "is_settled",
        "model",
        "operation",
        "principal",
        "recording",
        "request",
        "status",
        "traffic",
        "traits",
    )

    def __init__(self, call: Call, principal: Principal, operation: str) -> None:
        self.call = call
        self.principal = principal
        self.operation = operation
        self.request: Request | None = None
        self.model: str | None = None
        self.admission: Admission | None = None
        self.recording: Recording | None = None
        self.attempts: list[Attempt] = []
        self.first_byte_ms: float | None = None
        self.status = 0
        self.is_settled = False
        self.traffic: Traffic | None = None
        self.traits: Traits | None = None
        self.is_judged = True
        """Whether its attempts say something of their targets' health."""
        self.cached: CacheUse | None = None
        self.holding: Holding | None = None

    def begin_attempt(self, target: Target, request: Request) -> Attempt:
        """Start the record of one call to `target`."""
        attempt = Attempt(target, request)
        if self.traffic is not None:
            attempt.flight = self.traffic.begin(
                target, self.traits, is_stream=request.is_stream, is_judged=self.is_judged
            )
        self.attempts.append(attempt)
        return attempt


class _Admitted:
    """What is settled as soon as the records of one turn are written: all at once, for the first warms the caches."""

    __slots__ = ("_settlements", "written")

    def __init__(self, written: "asyncio.Future[None] | None") -> None:
        self.written = written
        self._settlements: list[tuple[Admission, UsageRecord]] = []

    def add(self, admission: Admission, record: UsageRecord) -> None:
        """Settle one more."""
        self._settlements.append((admission, record))

    def settle(self, written: "asyncio.Future[None]") -> None:
        """Settle what is in the journal, give back what could not be written."""
        self.written = None
        is_lost = not written.cancelled() and written.exception() is not None
        settlements = self._settlements
        try:
            while settlements:
                admission, record = settlements.pop()
                if is_lost:
                    admission.give_back()
                else:
                    admission.settle(record)
        finally:
            if settlements:
                # One that fails is for the event loop to report; the others are settled all the same.
                written.get_loop().call_soon(self.settle, written)


class Ledger:
    """Opens an entry for every authenticated request and settles it once, whatever became of it."""

    def __init__(self, journal: Journal, recorder: Recorder) -> None:
        self._journal = journal
        self._recorder = recorder
        self._admitted = _Admitted(None)

    @property
    def is_writable(self) -> bool:
        """Whether requests can be recorded at the moment."""
        return self._journal.is_writable

    def begin_capture(self, entry: Entry, policy: CapturePolicy, body: bytes) -> None:
        """Keep what the request says, and what it will be answered."""
        entry.recording = Recording(self._recorder, policy, body)

    def open(self, call: Call, principal: Principal, operation: str) -> Entry:
        """Start the account of one request."""
        return Entry(call, principal, operation)

    def settle(
        self, entry: Entry, ending: str, *, error_code: str | None = None, finish_reason: str | None = None
    ) -> "asyncio.Future[None]":
        """Write the record of a request; it may be awaited, but is on its way already."""
        if entry.is_settled:
            raise RuntimeError("a request is settled once")
        entry.is_settled = True
        record = _record(entry)
        record.ending = ending
        record.error_code = shortened(error_code)
        record.finish_reason = shortened(finish_reason)
        written = self._journal.record(record)
        if entry.admission is not None:
            # Counters learn of nothing that is not in the journal: what they are missing when the process dies is found
            # there, what they had too much would be found nowhere. Nobody has the answer's end before that either, and
            # nobody gets it where the record cannot be written (but by setting; then nothing counts as failed).
            if self._admitted.written is not written or written.done():
                self._admitted = _Admitted(written)
                written.add_done_callback(self._admitted.settle)
            self._admitted.add(entry.admission, record)
        if entry.recording is not None:
            entry.recording.finish(record)
        return written

    def note_undelivered(self, entry: Entry) -> None:
        """Add that the last bytes of a settled request did not reach the client."""
        self._journal.record(Undelivered(undelivered=entry.call.id))


def _record(entry: Entry) -> UsageRecord:
    call, principal, request = entry.call, entry.principal, entry.request
    record = UsageRecord(
        id=call.id,
        started_at=call.started_at,
        operation=entry.operation,
        api_token_id=principal.id,
        organisation_id=principal.organisation_id,
        team_id=principal.team_id,
        user_id=principal.user_id,
        service_account_id=principal.service_account_id,
        status=entry.status,
        first_byte_ms=entry.first_byte_ms,
        total_ms=call.elapsed_ms(),
        client_request_id=call.client_request_id,
    )
    if request is not None:
        record.model = entry.model
        record.request_model = shortened(request.model)
        record.is_stream = request.is_stream
        record.end_user = shortened(request.end_user)
    add_attempts(record, entry.attempts)
    if entry.cached is not None:
        entry.cached.describe(record)
    return record


def add_attempts(record: UsageRecord, attempts: list[Attempt]) -> None:
    """Add the attempts and the sum of what they used; count what no upstream reported."""
    for attempt in attempts:
        if (texts := attempt.uncounted_text()) is not None:
            input_tokens, output_tokens = count_tokens(texts)
            attempt.record.units = {"input_tokens": input_tokens, "output_tokens": output_tokens}
            attempt.record.is_estimated = True
        if (paid := cost(attempt.record.units, attempt.prices, attempt.record.started_at)) is not None:
            attempt.record.cost_nano, attempt.record.currency = paid
    records = [attempt.record for attempt in attempts]
    record.attempts = records
    if records:
        last = records[-1]
        record.target, record.provider, record.response_model = last.target, last.provider, last.response_model
        record.units = last.units if len(records) == 1 else sum_units(each.units for each in records)
        record.is_estimated = any(each.is_estimated for each in records)
        if (total := sum_costs(records)) is not None:
            record.cost_nano, record.currency = total
