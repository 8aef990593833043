"""One socket to an upstream, and the answer that is being read from it.

A connection carries one exchange at a time, with no task of its own: whoever calls `exchange` or `read` waits on one
future, which the socket's callbacks resolve. One lazy timer a connection compares the clock with the deadline of the
wait that is on; it is seldom set anew, as deadlines mostly move into the future.
"""

import asyncio
import functools
import select
import ssl
import sys
from collections.abc import Callable
from typing import cast

from typing_extensions import override

from aqueduct.domain.http import Headers, Timeouts, UpstreamRequest
from aqueduct.errors import UpstreamError, UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable
from aqueduct.upstream.feed import ResponseFeed
from aqueduct.upstream.options import Limits

SLICE_BYTES = 65_536
LINGER_SECONDS = 1.0
"""Bodies up to this size are copied behind the head and leave in one write; larger ones leave in slices of it."""

_NEVER = float("inf")


class Connection(asyncio.Protocol):
    """A connected socket; `on_idle` and `on_close` tell the pool, each `on_close` exactly once.

    `failure` is why it is closed. `is_stale` after a failed exchange says that it was an old connection which closed
    with no byte of an answer: the one case in which a request may be sent again.
    """

    __slots__ = (
        "_deadline",
        "_is_lingering",
        "_is_sent",
        "_is_writing_paused",
        "_late",
        "_limits",
        "_loop",
        "_on_close",
        "_on_idle",
        "_pending",
        "_response",
        "_timer",
        "_timer_at",
        "_total_at",
        "_transport",
        "_waiter",
        "failure",
        "feed",
        "idle_since",
        "is_reading_paused",
        "is_reused",
        "lost",
    )

    def __init__(
        self, limits: Limits, on_idle: Callable[["Connection"], None], on_close: Callable[["Connection"], None]
    ) -> None:
        self._limits = limits
        self._on_idle = on_idle
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._pending: Callable[[], object]
        self._response: UpstreamResponse | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _NEVER
        self._deadline = _NEVER
        self._total_at = _NEVER
        self._late = ""
        self._is_sent = True
        self._is_writing_paused = False
        self._is_lingering = False
        self.feed = ResponseFeed(limits)
        self.failure: UpstreamError | None = None
        self.idle_since = 0.0
        self.is_reading_paused = False
        self.is_reused = False
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_stale(self) -> bool:
        """Whether it had served before and now closed without a byte of an answer."""
        return self.is_reused and not self.feed.has_begun and isinstance(self.failure, UpstreamUnreachable)

    def is_usable(self) -> bool:
        """Whether an idle connection may carry a request: open, and nothing waits to be read on it.

        What arrived while nobody had asked would be taken for the next answer; the event loop may not have seen it yet.
        """
        return self.failure is None and not self._pending()

    async def exchange(
        self, head: bytes, request: UpstreamRequest, timeouts: Timeouts, started_at: float
    ) -> "UpstreamResponse":
        """Send a request and return its answer as soon as the final head is there."""
        feed = self.feed
        feed.start(is_head=request.method == "HEAD")
        response = self._response = UpstreamResponse(self, timeouts.idle_seconds)
        self._total_at = started_at + timeouts.total_seconds
        body = request.body
        try:
            if self.failure is not None:
                raise self.failure
            if len(body) <= SLICE_BYTES:
                self._transport.write(head + body)
            else:
                await self._send_slices(head, body, timeouts.idle_seconds)
            deadline = self._loop.time() + timeouts.first_byte_seconds
            while not feed.status:
                if self.failure is not None:
                    raise self.failure
                await self.arrival(deadline, "no answer came in time")
        except BaseException:
            self.abort()
            raise
        if self._transport.get_write_buffer_size():
            self._is_sent = False
        response.begin(feed.status, feed.headers, deadline)
        return response

    async def _send_slices(self, head: bytes, body: bytes, idle_seconds: float) -> None:
        """Write a large body no faster than it is taken; stop where the answer comes first."""
        self._is_sent = False
        self._transport.write(head)
        view = memoryview(body)
        for start in range(0, len(view), SLICE_BYTES):
            deadline = self._loop.time() + idle_seconds
            while self._is_writing_paused and not self.feed.status and self.failure is None:
                await self.arrival(deadline, "the request was not taken in time")
            if self.feed.status or self.failure is not None:
                return
            self._transport.write(view[start : start + SLICE_BYTES])
        self._is_sent = True

    def arrival(self, deadline: float, late: str) -> asyncio.Future[None]:
        """Return a future for whatever happens next: bytes, room to write, the end, or failure at the deadline."""
        if deadline > self._total_at:
            deadline = self._total_at
            late = "the answer was not whole in time"
        self._deadline = deadline
        self._late = late
        if deadline < self._timer_at:
            self._set_timer(deadline)
        waiter = self._waiter = self._loop.create_future()
        return waiter

    def now(self) -> float:
        """Return the loop's clock."""
        return self._loop.time()

    def resume(self) -> None:
        """Read from the socket again, after a slow reader caught up."""
        self.is_reading_paused = False
        if self.failure is None:
            self._transport.resume_reading()

    def release(self) -> None:
        """End the exchange: back to the pool if nothing of it can come any more, else close."""
        self._response = None
        feed = self.feed
        if feed.is_whole and feed.keeps_alive and self._is_sent and not self.is_reading_paused and self.failure is None:
            feed.pieces.clear()
            self.is_reused = True
            self.idle_since = self._loop.time()
            self._on_idle(self)
        else:
            self.abort()

    def linger(self) -> None:
        """End the exchange as `release` does, but wait a moment for the end of the answer if only that is missing."""
        feed = self.feed
        if feed.is_whole or self.failure is not None or self.is_reading_paused:
            self.release()
            return
        self._is_lingering = True
        self._total_at = self._loop.time() + LINGER_SECONDS
        if self._total_at < self._timer_at:
            self._set_timer(self._total_at)

    def _take_last(self) -> None:
        """Drop what comes after the reader had everything; at the end the connection is free."""
        feed = self.feed
        feed.pieces.clear()
        feed.buffered = 0
        if feed.is_whole:
            self._is_lingering = False
            self.release()

    def abort(self) -> None:
        """Close the socket at once."""
        self._end(UpstreamUnreachable("the connection was closed"))

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._pending = _watch(transport.get_extra_info("socket").fileno())

    @override
    def data_received(self, data: bytes) -> None:
        feed = self.feed
        if self._response is None or feed.is_whole:
            self._end(UpstreamInvalidResponse("bytes came that nobody had asked for"))
            return
        try:
            feed.feed(data)
        except UpstreamInvalidResponse as error:
            self._end(error)
            return
        if feed.is_surplus:
            self._end(UpstreamInvalidResponse("bytes came after the answer"))
            return
        if self._is_lingering:
            self._take_last()
            return
        if self._response.sink is not None and feed.pieces and self._pour(self._response):
            return
        if feed.buffered > self._limits.buffer_bytes and not self.is_reading_paused:
            self.is_reading_paused = True
            self._transport.pause_reading()
        self._wake()

    @override
    def eof_received(self) -> None:
        if self._response is not None and _is_orderly(self._transport):
            self.feed.finish()
        self._lose()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lose()
        self.feed.drop()
        if not self.lost.done():
            self.lost.set_result(None)

    @override
    def pause_writing(self) -> None:
        self._is_writing_paused = True

    @override
    def resume_writing(self) -> None:
        self._is_writing_paused = False
        self._wake()

    def _pour(self, response: "UpstreamResponse") -> bool:
        """Hand what has arrived to the reader's sink; return whether the reader may sleep on."""
        waiter, sink = self._waiter, response.sink
        if waiter is None or waiter.done() or sink is None:  # the reader is awake, and only waits for its turn
            return False
        self._deadline = min(self._loop.time() + response.idle_seconds, self._total_at)
        try:
            goes_on = sink(self.feed.take())
        except Exception as bug:  # noqa: BLE001 -- for the one who waits to raise, not for the event loop
            waiter.set_exception(bug)
            return True
        if not goes_on:
            response.sink = None
        return goes_on and not self.feed.is_whole

    def _lose(self) -> None:
        begun = self.feed.has_begun
        self._end(UpstreamUnreachable("the connection was lost in mid-answer" if begun else "the connection was lost"))

    def _end(self, failure: UpstreamError) -> None:
        if self.failure is not None:
            return
        self.failure = failure
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        self._wake()
        self._on_close(self)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._check_clock)

    def _check_clock(self) -> None:
        """Compare the clock with the deadline of the wait that is on; a busy reader is only held to the total."""
        self._timer = None
        self._timer_at = _NEVER
        if self._response is None or self.feed.is_whole:
            return
        is_waiting = self._waiter is not None
        deadline = self._deadline if is_waiting else self._total_at
        if self._loop.time() >= deadline:
            self._end(UpstreamTimeout(self._late if is_waiting else "the answer was not read in time"))
        elif deadline < _NEVER:
            self._set_timer(deadline)


def _watch(fd: int) -> Callable[[], object]:
    """Return a function whose result is true when bytes, or the end of the file, wait at the socket."""
    if sys.platform == "win32":
        return lambda: select.select([fd], [], [], 0)[0]
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return functools.partial(poller.poll, 0)


def _is_orderly(transport: asyncio.Transport) -> bool:
    """Whether an end of file is the upstream's: over TLS anybody in between can end the socket, but not say goodbye."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


class UpstreamResponse:
    """An answer whose final head is there; its reader closes it, whatever happens."""

    __slots__ = ("_connection", "_first_byte_at", "headers", "idle_seconds", "sink", "status")

    def __init__(self, connection: Connection, idle_seconds: float) -> None:
        self._connection: Connection | None = connection
        self._first_byte_at: float | None = None
        self.idle_seconds = idle_seconds
        self.sink: Callable[[bytes], bool] | None = None
        self.status = 0
        self.headers: Headers = ()

    def begin(self, status: int, headers: Headers, first_byte_at: float) -> None:
        """Take the final head; until the body's first byte the deadline stays the same one."""
        self.status = status
        self.headers = headers
        self._first_byte_at = first_byte_at

    def header(self, name: bytes) -> bytes | None:
        """Return the value of a field by its lower-case name; the first where there are several."""
        for field, value in self.headers:
            if field == name:
                return value
        return None

    async def read(self) -> bytes:
        """Return all of the body that has arrived since the last read, waiting if there is none; `b""` once whole.

        Raise `UpstreamUnreachable`, `UpstreamInvalidResponse` or `UpstreamTimeout` once what came before is read.
        """
        connection = self._connection
        if connection is None:
            raise UpstreamUnreachable("the answer was closed")
        feed = connection.feed
        deadline = 0.0
        while True:
            if feed.pieces:
                data = feed.take()
                self._first_byte_at = None
                if connection.is_reading_paused:
                    connection.resume()
                return data
            if feed.is_whole:
                return b""
            if connection.failure is not None:
                raise connection.failure
            if not deadline:
                deadline = self._first_byte_at or connection.now() + self.idle_seconds
            await self._arrival(connection, deadline)

    async def flow(self, sink: Callable[[bytes], bool]) -> bool:
        """Hand all that arrives to `sink`, straight from the socket's callback, until `sink` returns False.

        That spares a stream waking a task for each of its events. Returns whether the body has ended; raises as `read`.
        """
        connection = self._connection
        if connection is None:
            raise UpstreamUnreachable("the answer was closed")
        feed = connection.feed
        while True:
            if feed.pieces:
                data = feed.take()
                if connection.is_reading_paused:
                    connection.resume()
                if not sink(data):
                    return False
            elif feed.is_whole:
                return True
            elif connection.failure is not None:
                raise connection.failure
            else:
                self.sink = sink
                await self._arrival(connection, connection.now() + self.idle_seconds)
                if self.sink is None:
                    return False
                self.sink = None

    async def _arrival(self, connection: Connection, deadline: float) -> None:
        """Wait for what happens next; give the connection up where nobody waits any more."""
        try:
            await connection.arrival(deadline, "the answer stalled")
        except BaseException:
            self._break_off()
            raise
        if self._connection is None:  # closed meanwhile: the connection may already serve somebody else
            raise UpstreamUnreachable("the answer was closed")

    def _break_off(self) -> None:
        """Close the socket, unless the answer was closed meanwhile: it may already serve somebody else."""
        if self._connection is not None:
            self._connection.abort()

    async def read_all(self, limit_bytes: int) -> bytes:
        """Return the whole body, or raise `UpstreamInvalidResponse` where it is larger than the limit."""
        pieces = []
        size = 0
        while data := await self.read():
            size += len(data)
            if size > limit_bytes:
                self.close()
                raise UpstreamInvalidResponse(f"the answer is over {limit_bytes} bytes")
            pieces.append(data)
        return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back if the answer was whole, else close the socket at once."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.release()

    def finish(self) -> None:
        """Let go of an answer that says everything already: only the end of its framing may still be under way."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            connection.linger()
