"""The server's side of HTTP/1.1: one client's connection, on httptools, held to our limits.

uvicorn's server owns the sockets and the shutdown; the protocol is our own, since going through ASGI took a third of
what a request costs (docs/decisions/0019). The requests of one connection are answered one after another, in order.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast
from urllib.parse import unquote

import httptools
import msgspec
import structlog
from typing_extensions import override

from aqueduct.errors import HeadersTooLarge, InvalidRequest, Overloaded, RequestError
from aqueduct.gateway.call import Call, HeaderList
from aqueduct.gateway.response_head import CLOSED, encode_head, header_lines, of_length
from aqueduct.wire.errors import render

_LINGER_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 75.0
_MAX_TRAILERS = 16
_UNREAD_BYTES = 65_536
"""How much of a body may wait to be read before the socket is left alone."""
_AHEAD_BYTES = 65_536
"""How much may be sent ahead: a socket that is left alone does not show that the client has left."""
_OFFER_FIELDS = frozenset({b"connection", b"upgrade", b"http2-settings"})

logger = structlog.get_logger(__name__)


class DownstreamLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may send: bytes and fields of a head, and how long a head or a pause in a body may take.

    The pause is one in the request's body, or in taking the answer's.
    """

    max_connections: int
    max_header_bytes: int
    max_header_count: int
    head_timeout_seconds: float
    body_timeout_seconds: float


class ServerState(Protocol):
    """What uvicorn's server keeps of all connections: it waits for them, and for their tasks, when it ends."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]


class DownstreamProtocol(asyncio.Protocol):
    """One client's connection; `answer` answers one request of it.

    `_parsing` is the request whose bytes are arriving, `_answering` the one being answered; those that a client sent
    ahead wait in `_ahead`. At most the bytes of one read are ahead, for reading pauses then.
    """

    __slots__ = (
        "_ahead",
        "_ahead_bytes",
        "_answer",
        "_answering",
        "_chunk_bytes",
        "_connections",
        "_drain_waiters",
        "_has_begun",
        "_head_bytes",
        "_headers",
        "_idle_since",
        "_is_deaf",
        "_is_in_body",
        "_is_last",
        "_is_reading_paused",
        "_limits",
        "_loop",
        "_parser",
        "_parsing",
        "_receiving_since",
        "_silent_bytes",
        "_tasks",
        "_trailers",
        "_transport",
        "_unread_answer_bytes",
        "_unread_since",
        "_url",
        "is_unread",
        "is_writing_paused",
        "on_undelivered",
    )

    def __init__(
        self, server_state: ServerState, limits: DownstreamLimits, answer: Callable[[Call], Awaitable[None]]
    ) -> None:
        self._limits = limits
        self._answer = answer
        self._connections = server_state.connections
        self._tasks = server_state.tasks
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._headers: HeaderList = []
        self._parsing: Call | None = None
        self._answering: Call | None = None
        self._ahead: deque[Call] = deque()
        self._is_last = self._is_deaf = False
        self._is_in_body = self._has_begun = False
        self._head_bytes = self._chunk_bytes = self._silent_bytes = self._trailers = 0
        self._ahead_bytes = self._unread_answer_bytes = 0
        self._receiving_since: float | None = None
        self._unread_since: float | None = None
        self._idle_since = 0.0
        self._is_reading_paused = False
        self._drain_waiters: list[asyncio.Future[None]] = []
        self.is_writing_paused = False
        self.is_unread = False
        self.on_undelivered: Callable[[], None] | None = None
        """Told when the connection ends before the client has taken the end of an answer."""

    @property
    def peer_address(self) -> str | None:
        """The address at the other end of the socket."""
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else None

    # What the event loop tells.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._receiving_since = time.monotonic()
        if len(self._connections) > self._limits.max_connections:
            self._refuse(Overloaded("The gateway has as many connections as it may. Try again shortly."))
            self._transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._ahead.clear()
        undelivered = self.on_undelivered
        self.resume_writing()
        if self._answering is not None:
            self._answering.leave()
        if undelivered is not None:
            undelivered()

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_deaf or (self._is_last and self._answering is None):
            return
        # An upper bound: a whole request may be among these bytes. The exact size is counted only where it matters.
        self._chunk_bytes = len(data)
        self._head_bytes += len(data)
        self._silent_bytes += len(data)
        if self._receiving_since is None and self._answering is None:
            # Line ends before a request begin no message, and yet a client may not send them for ever.
            self._receiving_since = time.monotonic()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._take_rubbish()
        self._check_what_arrived(len(data))

    def _check_what_arrived(self, size: int) -> None:
        """Bound what is no body: a head, chunk sizes with their extensions, trailers; and what is sent ahead."""
        limit = self._limits.max_header_bytes
        if self._is_in_body:
            if self._silent_bytes > limit:
                self._take_rubbish()
        elif self._head_bytes > limit:
            if self._has_begun:  # the bytes of this read that came before the head do not count
                self._head_bytes = self._exact_head_bytes()
            if self._head_bytes > limit:
                self._refuse(HeadersTooLarge("The request head is too large."))
        self._has_begun = False
        if self._ahead_bytes > _AHEAD_BYTES:
            self.pause_reading()
        self._ahead_bytes = self._ahead_bytes + size if self._ahead else 0  # one more read is let through

    @override
    def pause_writing(self) -> None:
        self.is_writing_paused = True
        self._unread_since = time.monotonic()
        self._unread_answer_bytes = self._transport.get_write_buffer_size()

    @override
    def resume_writing(self) -> None:
        self.is_writing_paused = False
        self._unread_since = None
        waiters, self._drain_waiters = self._drain_waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.on_undelivered = None
        self._go_on()

    def _feed(self, data: bytes) -> None:
        """Feed the parser; an offer of another protocol is not taken up, and the request is read as if without it.

        Java's client makes one with its first request, body and all, but the parser takes the body for the other
        protocol's: a parser of its own gets the same head without the offer.
        """
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                rest = data[offer.args[0] :]
            else:
                return
            method = self._parser.get_method()
            if method == b"CONNECT":
                self._take_rubbish()
                return
            fields = [field for field in self._headers if field[0] not in _OFFER_FIELDS]
            if not self._parser.should_keep_alive():
                fields.append((b"connection", b"close"))
            head = b"%b %b HTTP/%b\r\n" % (method, self._url, self._parser.get_http_version().encode())
            self._parser = httptools.HttpRequestParser(self)
            data = b"%b%b\r\n%b" % (head, header_lines(fields), rest)

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._headers = []
        self._parsing = None
        self._receiving_since = time.monotonic()
        self._is_in_body = False
        self._has_begun = True
        self._head_bytes = self._chunk_bytes
        self._silent_bytes = self._trailers = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; those after a chunked body are read past, in bounded number, and never taken for the head's."""
        if self._is_in_body:
            self._trailers += 1
            if self._trailers > _MAX_TRAILERS:
                raise ValueError("too many trailers")
            return
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin to answer, or have the request wait until those before it have been answered."""
        if self._is_last or self._parser.should_upgrade():
            return
        self._is_in_body = True
        self._silent_bytes = 0
        limits = self._limits
        if len(self._headers) > limits.max_header_count or (
            self._head_bytes > limits.max_header_bytes and self._exact_head_bytes() > limits.max_header_bytes
        ):
            self._refuse(HeadersTooLarge("The request head is too large."))
            return
        parser = self._parser
        path, query = _split_target(self._url)
        call = self._parsing = Call(self, parser.get_method().decode("ascii"), path, self._headers)
        call.query = query
        is_current = parser.get_http_version() == "1.1"
        call.is_chunkable = is_current
        call.keeps_alive = is_current and parser.should_keep_alive()
        self._is_last = not call.keeps_alive
        call.expects_continue = is_current and call.headers.get(b"expect", b"").lower() == b"100-continue"
        if self._answering is None and not self.is_writing_paused:
            self._start(call)
        else:
            self._ahead.append(call)

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on; after the answer it interests nobody, and is no reason to wait longer."""
        self._silent_bytes = 0
        call = self._parsing
        if call is not None and not call.is_answered:
            self._receiving_since = time.monotonic()
            call.feed_body(body)
            if call is self._answering and call.unread_bytes > _UNREAD_BYTES:
                self.pause_reading()

    def on_message_complete(self) -> None:
        """End a request."""
        self._receiving_since = None
        self._is_in_body = False
        self._head_bytes = 0
        if self._parsing is not None:
            self._parsing.end_body()
            if self._parsing is self._answering and not self._ahead:
                self.resume_reading()

    def _take_rubbish(self) -> None:
        """Answer what is no HTTP: as the request whose body it spoils, or by itself; in its turn."""
        self._is_last = self._is_deaf = True
        error = InvalidRequest("The request is not valid HTTP/1.1.")
        parsing = self._parsing
        if parsing is None or parsing.has_body_ended:
            self._refuse(error)
            return
        parsing.keeps_alive = False
        if not parsing.is_answered:
            parsing.end_body(error)
        elif self._answering is None:
            self._transport.close()

    # Answering.

    def _start(self, call: Call) -> None:
        self._answering = call
        task = call.task = self._loop.create_task(self._run(call))
        self._tasks.add(task)

    async def _run(self, call: Call) -> None:
        try:
            await self._answer(call)
        except Exception as error:  # the outermost edge of a request: what gets here is a bug of ours
            logger.error("bug", request_id=call.id, exc_info=error)
            if not call.is_committed:
                refusal = render(error)
                call.answer(refusal.status, header_lines(refusal.headers), refusal.body)
        finally:
            if call.task is not None:
                self._tasks.discard(call.task)
            if not call.is_answered:
                self._transport.abort()

    def finish(self, call: Call) -> None:
        """Go on to the next request, once one has been answered whole."""
        self._answering = None
        if not call.keeps_alive:
            self._is_last = True
            self._ahead.clear()
            self._hang_up(is_done=call.has_body_ended)
            return
        self._idle_since = time.monotonic()
        if self._receiving_since is not None or self._is_in_body:
            self._receiving_since = self._idle_since
        self._go_on()

    def _hang_up(self, *, is_done: bool) -> None:
        """Close once all is written; where the client is still sending, listen a moment, or it would lose the answer.

        A socket that closes with bytes unread resets the connection (RFC 9112, 9.6).
        """
        if is_done or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._is_in_body = True
        self._receiving_since = time.monotonic()
        self.resume_reading()

    def _go_on(self) -> None:
        """Answer the next request that was sent ahead; not before the client has taken the answers it has."""
        if self._answering is None and self._ahead and not self.is_writing_paused:
            self._ahead_bytes = 0
            self._start(self._ahead.popleft())
        if not self._ahead:
            self.resume_reading()

    def write(self, data: bytes) -> None:
        """Send bytes; after the client has left, nowhere."""
        transport = self._transport
        if not transport.is_closing():
            transport.write(data)

    async def drain(self) -> None:
        """Wait until what was written has been taken, or the client has left."""
        if self.is_writing_paused:
            waiter = self._loop.create_future()
            self._drain_waiters.append(waiter)
            await waiter

    def pause_reading(self) -> None:
        """Leave the socket alone for a while."""
        if not self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the socket again."""
        if self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = False
            if self._receiving_since is not None:
                self._receiving_since = time.monotonic()  # the client could not send meanwhile
            self._transport.resume_reading()

    # Closing.

    def shutdown(self) -> None:
        """Close, as soon as the request that is being answered has been (uvicorn's server asks for it when it ends)."""
        self._is_last = True
        self._ahead.clear()
        if self._answering is None:
            self._transport.close()
        else:
            self._answering.keeps_alive = False

    def close_truncated(self) -> None:
        """Close after what was written, without ending the answer; a client that does not read is cut off later."""
        self._is_last = True
        self._answering = None
        self._ahead.clear()
        self._transport.close()
        self._loop.call_later(_LINGER_SECONDS, self._transport.abort)

    def close_if_stalled(self, now: float) -> None:
        """Close the connection if the client keeps us waiting: with a head or a body (slowloris), or with reading."""
        if self.is_writing_paused or self._transport.is_closing():
            left = self._transport.get_write_buffer_size()
            if self._unread_since is None or left < self._unread_answer_bytes:  # slowly, but it reads
                self._unread_since = now
            self._unread_answer_bytes = left
        self.is_unread = _has_waited(now, self._unread_since, self._limits.body_timeout_seconds)
        if self.is_unread or self._is_silent(now):
            self._receiving_since = self._unread_since = None
            self._transport.abort()
        elif self._answering is None and self._receiving_since is None and now - self._idle_since > _KEEP_ALIVE_SECONDS:
            self._transport.close()

    def _is_silent(self, now: float) -> bool:
        """Whether the client is too slow with what we wait for: never while we do not listen, or owe it an answer."""
        if self._is_reading_paused or (self._answering is not None and self._parsing is not self._answering):
            return False
        return _has_waited(now, self._receiving_since, self._receiving_limit())

    def _receiving_limit(self) -> float:
        """Return how long the client may take over what it is sending; over the rest of an answered body, not long."""
        if not self._is_in_body:
            return self._limits.head_timeout_seconds
        return _LINGER_SECONDS if self._answering is None else self._limits.body_timeout_seconds

    def _exact_head_bytes(self) -> int:
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    def _refuse(self, error: RequestError) -> None:
        """Answer without the application and close; a request that is still being answered has its answer first."""
        self._is_last = self._is_deaf = True
        if self._answering is not None:
            self._answering.keeps_alive = False
            self._ahead.clear()
        elif not self._transport.is_closing():
            answer = render(error)
            head = encode_head(answer.status, header_lines(answer.headers), of_length(len(answer.body)) + CLOSED)
            self._transport.write(head + answer.body)
            self._hang_up(is_done=False)


def _split_target(url: bytes) -> tuple[str, bytes]:
    """Return the decoded path and the query of a request's target; raise what httptools raises for what is none."""
    if url.startswith(b"/") and b"?" not in url and b"%" not in url:
        return url.decode("latin-1"), b""
    parsed = httptools.parse_url(url)
    return unquote((parsed.path or b"/").decode("latin-1"), errors="replace"), parsed.query or b""


def _has_waited(now: float, since: float | None, limit: float) -> bool:
    return since is not None and now - since > limit
