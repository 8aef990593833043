"""One successful upstream answer on its way to the client, as blocks of bytes.

A plain answer is an exchange of one block, a stream one of many; the relay cannot tell them apart. The last block is
the one after which `is_whole` is true: it is released only when the request has been settled.
"""

from collections.abc import Callable, Sequence
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


class Sink(Protocol):
    """What an exchange needs of a client: a call, or one whose blocks are noted on their way (`Tap`)."""

    @property
    def is_congested(self) -> bool:
        """Whether the client reads slower than we write: `drain` before writing more."""

    async def drain(self) -> None:
        """Wait until the client has caught up, or left."""

    def write(self, block: bytes) -> None:
        """Send a part of the body, not empty."""


class Tap:
    """A client whose blocks are noted on their way."""

    def __init__(self, sink: Sink, note: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._note = note

    @property
    def is_congested(self) -> bool:
        """Whether the client reads slower than we write."""
        return self._sink.is_congested

    async def drain(self) -> None:
        """Wait until the client has caught up, or left."""
        await self._sink.drain()

    def write(self, block: bytes) -> None:
        """Note a block and send it."""
        self._note(block)
        self._sink.write(block)


class Outgoing(Protocol):
    """What the relay sees of an answer; one that no target was asked for has none."""

    @property
    def target(self) -> Target | None:
        """Who answers."""

    @property
    def content_type(self) -> bytes:
        """What the answer is, for its header."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read."""

    async def read(self) -> bytes:
        """Return the next block; raise `UpstreamError` when the answer turns out not to be whole."""

    async def pump(self, sink: Sink) -> bytes:
        """Write all blocks but the last to the client, no faster than it reads; return the last. Raise as `read`."""

    def close(self) -> None:
        """Record what was used and let the upstream go, at once if it is not done; safe to call twice."""

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""


class Exchange(Outgoing, Protocol):
    """An answer that a target gives."""

    target: Target

    def contents(self) -> dict[int, str]:
        """Return what a JSON schema is checked against, by choice."""


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

    async def pump(self, sink: Sink) -> bytes:
        """Return the one block."""
        return await self.read()

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
        held: list[Event] = []
        while not self.is_whole and not (held and held[-1].is_content):
            held += await self.read_events()
        self._held = held

    async def read(self) -> bytes:
        """Return the events that have arrived, framed; wait if there are none."""
        while not (block := self._frame(await self.read_events())):
            pass
        return block

    async def pump(self, sink: Sink) -> bytes:
        """Write events to the client as they arrive, from the upstream socket's own callback; return the last ones."""
        last = b""

        def take(data: bytes) -> bool:
            nonlocal last
            block = self._frame(self._decode(data))
            if self.is_whole:
                last = block
            elif block:
                sink.write(block)
            return not (self.is_whole or self._error or sink.is_congested)

        while not self.is_whole:
            if self._error is not None:
                raise self._error
            if sink.is_congested:
                await sink.drain()
            try:
                has_ended = await self._response.flow(take)
            except UpstreamError as error:
                self._error = error
                raise
            if has_ended:
                take(b"")
        return last

    def _frame(self, events: list[Event]) -> bytes:
        blocks = [encode_event(event.payload) for event in events if event.payload]
        if self.is_whole:
            blocks.append(DONE)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    async def read_events(self) -> list[Event]:
        """Return the events that have arrived, held back ones first; none once it is whole."""
        if self._held or self.is_whole:
            events, self._held = self._held, []
            return events
        if self._error is not None:
            raise self._error
        try:
            data = await self._response.read()
        except UpstreamError as error:
            self._error = error
            raise
        return self._decode(data)

    def _decode(self, data: bytes) -> list[Event]:
        """Return the events that are now complete; an error waits until those before it have been handed on."""
        reader = self.reader
        try:
            events = reader.feed(data) if data else reader.finish()
        except UpstreamError as error:
            self._error = error
            events = reader.pending
        self.is_whole = reader.is_done
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
