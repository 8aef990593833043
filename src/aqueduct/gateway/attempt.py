"""One call to one target, as it is recorded while it runs."""

import time

from aqueduct.domain.model import Target
from aqueduct.domain.usage import AttemptRecord, shortened
from aqueduct.errors import UpstreamError, UpstreamRejected
from aqueduct.gateway.routing.traffic import Flight
from aqueduct.providers.base import Answer, StreamReader
from aqueduct.wire.cleaning import conceal
from aqueduct.wire.request import Request


class Attempt:
    """One call to one target: its record, and what was generated, for counting where the upstream reports no usage.

    `request` is what was sent (asking again changes it), so that its input can be counted.
    """

    __slots__ = (
        "_started",
        "answer",
        "dropped",
        "flight",
        "is_sent",
        "prices",
        "reader",
        "record",
        "request",
        "target",
    )

    def __init__(self, target: Target, request: Request) -> None:
        self.target = target
        self.request = request
        self.prices = target.prices
        self.dropped: tuple[str, ...] = ()
        self.is_sent = False
        self.flight: Flight | None = None
        self.answer: Answer | None = None
        self.reader: StreamReader | None = None
        self._started = time.perf_counter()
        self.record = AttemptRecord(target=target.name, provider=target.provider.name, started_at=time.time())

    @property
    def is_answered(self) -> bool:
        """Whether a whole answer came."""
        is_whole = self.answer is not None or (self.reader is not None and self.reader.is_done)
        return is_whole and self.record.error is None

    def note_head(self, status: int, upstream_request_id: bytes | None) -> None:
        """The head of the answer is there."""
        self.record.status = status
        self.record.first_byte_ms = (time.perf_counter() - self._started) * 1000
        if upstream_request_id is not None:
            self.record.upstream_request_id = upstream_request_id.decode("latin-1")[:200]

    def end(self, error: UpstreamError | None) -> None:
        """It is over, well or not."""
        source = self.answer or self.reader
        if source is not None:
            self.record.response_model = shortened(source.response_model)
            self.record.units = source.units or {}
        if error is not None:
            self.record.error = error.code
        if isinstance(error, UpstreamRejected):
            conceal(error.rejection, self.target.provider.confidential)
        flight, self.flight = self.flight, None
        if flight is not None:
            is_whole = self.answer is not None or (self.reader is not None and self.reader.is_done)
            flight.end(error, self.record.units, is_whole=is_whole)
            if error is not None:
                flight.traffic.tell_failure(self.request.id, self.request.model, self.target, error)
        self.record.total_ms = (time.perf_counter() - self._started) * 1000

    def note_content(self) -> None:
        """The first content of a stream is there."""
        if self.flight is not None:
            self.flight.note_content()

    def uncounted_text(self) -> tuple[str, str] | None:
        """Return the input and output texts to count, or None if usage was reported or there was none.

        An attempt that ended with neither an answer nor an error was broken off by us: its input counts.
        """
        source = self.answer or self.reader
        if source is not None and source.units is not None:
            return None
        output = self._output_text()
        is_broken_off = self.record.error is None and self.is_sent
        return (self.request.input_text(), output) if output or is_broken_off else None

    def _output_text(self) -> str:
        if self.answer is not None:
            return self.answer.output_text
        return "" if self.reader is None else self.reader.output_text()
