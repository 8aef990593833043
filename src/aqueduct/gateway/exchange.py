"""One successful upstream answer on its way to the client, as blocks of bytes.

A plain answer is an exchange of one block, a stream one of many; the relay cannot tell them apart. The last block is
the one after which `is_whole` is true: it is released only when the request has been settled.
"""

from collections.abc import Sequence
from typing import Protocol

from typing_extensions import override

from aqueduct.domain.model import Target
from aqueduct.errors import UpstreamError
from aqueduct.gateway.attempt import Attempt
from aqueduct.providers.base import Answer, Event, StreamReader
from aqueduct.upstream.connection import UpstreamResponse
from aqueduct.wire.sse import DONE, encode_event

JSON_TYPE = b"application/json"
SSE_TYPE = b"text/event-stream; charset=utf-8"


class Exchange(Protocol):
    """What the relay and the settlement see of an answer."""

    target: Target
    content_type: bytes
    is_whole: bool

    async def read(self) -> bytes:
        """Return the next block; raise `UpstreamError` when the answer turns out not to be whole."""

    def close(self) -> None:
        """Record what was used and let the upstream go, at once if it is not done; safe to call twice."""

    def contents(self) -> dict[int, str]:
        """Return what a JSON schema is checked against, by choice."""

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""


class PlainExchange:
    """An answer that is whole before its first byte goes out."""

    content_type = JSON_TYPE
    is_whole = True

    def __init__(self, target: Target, answer: Answer) -> None:
        self.target = target
        self.answer = answer

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason."""
        return self.answer.finish_reason

    async def read(self) -> bytes:
        """Return the whole body."""
        return self.answer.body

    def close(self) -> None:
        """Nothing is left to let go of."""

    def contents(self) -> dict[int, str]:
        """Return the text of each choice that the schema promise covers."""
        return self.answer.contents


class ReplayExchange(PlainExchange):
    """A plain answer, checked whole, sent as a stream."""

    content_type = SSE_TYPE

    def __init__(self, target: Target, answer: Answer, payloads: Sequence[bytes]) -> None:
        super().__init__(target, answer)
        self._block = b"".join(map(encode_event, payloads)) + DONE

    @override
    async def read(self) -> bytes:
        """Return all events."""
        return self._block


class StreamExchange:
    """A stream, its events framed anew and handed on as they arrive."""

    content_type = SSE_TYPE

    def __init__(self, attempt: Attempt, response: UpstreamResponse, reader: StreamReader) -> None:
        self.target = attempt.target
        self.attempt = attempt
        self.reader = reader
        self.is_whole = False
        self._response = response
        self._held: list[Event] = []
        self._error: UpstreamError | None = None
        self._is_closed = False

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""
        return self.reader.finish_reason

    @property
    def is_drained(self) -> bool:
        """Whether it is whole and all its events have been handed on."""
        return self.is_whole and not self._held

    def contents(self) -> dict[int, str]:
        """Return the text of each choice that the schema promise covers."""
        return self.reader.contents()

    async def begin(self) -> None:
        """Read up to the first event with content, which commits; until then every error is raised and free."""
        while True:
            events = await self._next_events()
            self._held += events
            if self.is_whole or (self._held and self._held[-1].is_content):
                return
            if self._error is not None:
                raise self._error

    async def read(self) -> bytes:
        """Return the events that have arrived, framed; wait if there are none."""
        while True:
            events = await self.read_events() if not self.is_whole or self._held else []
            blocks = [encode_event(event.payload) for event in events if event.payload]
            if self.is_whole:
                blocks.append(DONE)
            if blocks:
                return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def read_events(self) -> list[Event]:
        """Return the events that have arrived, held back ones first."""
        if self._held:
            events, self._held = self._held, []
            return events
        if self._error is not None:
            raise self._error
        return await self._next_events()

    async def _next_events(self) -> list[Event]:
        """Read once and decode; an error waits until the events before it have been handed on."""
        reader = self.reader
        reader.pending = []
        try:
            data = await self._response.read()
            events = reader.feed(data) if data else reader.finish()
        except UpstreamError as error:
            self._error = error
            events = reader.pending
        if reader.is_done:
            self.is_whole = True
        return events

    def close(self) -> None:
        """Record what was used; give the connection back if the answer was whole, close it otherwise."""
        if self._is_closed:
            return
        self._is_closed = True
        if self.is_whole:
            self._response.finish()
        else:
            self._response.close()
        self.attempt.end(self._error)
