"""One downstream request: its head, its body, and the one answer that goes out."""

import asyncio
import os
import time
from typing import TYPE_CHECKING

from aqueduct.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from aqueduct.gateway.in_flight import InFlight
from aqueduct.gateway.response_head import CHUNKED, CLOSED, HeaderLines, encode_head, of_length

if TYPE_CHECKING:
    from aqueduct.gateway.downstream import DownstreamProtocol

HeaderList = list[tuple[bytes, bytes]]

_CLIENT_REQUEST_IDS = (b"x-request-id", b"x-client-request-id")
_CLIENT_REQUEST_ID_MAX_CHARACTERS = 200
_JSON_TYPE = b"application/json"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGone(Exception):
    """The client closed the connection; nobody is left to answer."""


class Call:
    """One downstream request and its answer.

    `id` is our request id (UUIDv7); `started_at` is in seconds since the epoch, `started` on the monotonic clock.
    `limit_lines` are the `x-ratelimit` headers of whatever the answer will be.
    `keeps_alive` says whether the connection may serve another request after the answer, `is_chunkable` whether the
    client knows chunks (HTTP/1.0 does not), `unread_bytes` how much of the body waits to be read. The connection feeds
    the body in; the answer goes out through it.
    """

    __slots__ = (
        "_body_error",
        "_body_waiter",
        "_chunks",
        "_head",
        "_in_flight",
        "_is_chunked",
        "body_bytes",
        "connection",
        "expects_continue",
        "has_body_ended",
        "header_list",
        "headers",
        "id",
        "is_answered",
        "is_chunkable",
        "is_committed",
        "is_gone",
        "is_watched",
        "keeps_alive",
        "last_sent",
        "limit_lines",
        "method",
        "path",
        "query",
        "started",
        "started_at",
        "task",
        "unread_bytes",
    )

    def __init__(self, connection: "DownstreamProtocol", method: str, path: str, header_list: HeaderList) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.query = b""
        self.header_list = header_list
        self.headers = dict(header_list)
        self.keeps_alive = True
        self.is_chunkable = True
        self.expects_continue = False
        self.started_at = time.time()
        self.started = self.last_sent = time.perf_counter()
        self.id = new_request_id(self.started_at)
        self.task: asyncio.Task[None] | None = None
        self.is_watched = False
        self.is_gone = False
        self.is_committed = False
        self.is_answered = False
        self.has_body_ended = False
        self._chunks: list[bytes] = []
        self.unread_bytes = 0
        self._body_error: InvalidRequest | None = None
        self._body_waiter: asyncio.Future[None] | None = None
        self.body_bytes = 0
        self._in_flight: InFlight | None = None
        self.limit_lines: HeaderLines = b""
        self._head = b""
        self._is_chunked = False

    @property
    def client_request_id(self) -> str | None:
        """The client's own id, recorded beside ours and never used as a key."""
        for name in _CLIENT_REQUEST_IDS:
            if (value := self.headers.get(name)) is not None:
                text = value.decode("ascii", "replace")[:_CLIENT_REQUEST_ID_MAX_CHARACTERS]
                return text if text.isprintable() else None
        return None

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the head arrived."""
        return (time.perf_counter() - self.started) * 1000

    # The client.

    def watch_client(self) -> None:
        """From now on, cancel the request's task as soon as the client leaves; raise `ClientGone` if it has."""
        if self.is_gone:
            raise ClientGone
        self.is_watched = True

    def release(self) -> None:
        """Forget the client and the bytes held for it; safe to call twice."""
        self.is_watched = False
        if self._in_flight is not None:
            self._in_flight.give(self.body_bytes)
            self._in_flight = None

    def leave(self) -> None:
        """Take note that the client has left."""
        self.is_gone = True
        self._wake()
        if self.is_watched and self.task is not None:
            self.task.cancel()

    # The body.

    def feed_body(self, chunk: bytes) -> None:
        """Take a piece of the body from the connection."""
        self._chunks.append(chunk)
        self.unread_bytes += len(chunk)
        self._wake()

    def end_body(self, error: InvalidRequest | None = None) -> None:
        """Take note that the body is there, or that what was sent instead is none."""
        self._body_error = error
        self.has_body_ended = True
        self._wake()

    async def read_body(self, max_bytes: int, in_flight: InFlight) -> bytes:
        """Read the whole body within its limit and the process's; raise before reading what could not be used."""
        self._check_type()
        declared = int(self.headers.get(b"content-length", b"0"))
        if declared > max_bytes:
            raise RequestTooLarge(f"The request body is larger than {max_bytes} bytes.")
        self._in_flight = in_flight
        self._hold(declared)
        chunks: list[bytes] = []
        size = 0
        while True:
            for chunk in self._chunks:
                size += len(chunk)
                chunks.append(chunk)
            self._chunks.clear()
            if size > max_bytes:
                raise RequestTooLarge(f"The request body is larger than {max_bytes} bytes.")
            self._hold(size)
            if self.has_body_ended:
                break
            await self._next_chunk()
        if self._body_error is not None:
            raise self._body_error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def read_part(self) -> bytes:
        """Return what has arrived of the body, whatever its type; waits for something, and is empty at the end."""
        while not self._chunks:
            if self.has_body_ended:
                if self._body_error is not None:
                    raise self._body_error
                return b""
            await self._next_chunk()
        part = b"".join(self._chunks)
        self._chunks.clear()
        return part

    async def wait_until_gone(self) -> None:
        """Wait until the client leaves, when its body has been read."""
        while not self.is_gone:
            await self._next_chunk()

    async def _next_chunk(self) -> None:
        if self.is_gone:
            raise ClientGone
        if self.expects_continue:
            self.expects_continue = False
            self.connection.write(_CONTINUE)
        self.unread_bytes = 0
        self.connection.resume_reading()
        self._body_waiter = asyncio.get_running_loop().create_future()
        await self._body_waiter

    def _wake(self) -> None:
        waiter = self._body_waiter
        if waiter is not None:
            self._body_waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _hold(self, size: int) -> None:
        if size > self.body_bytes and self._in_flight is not None:
            self._in_flight.take(size - self.body_bytes)
            self.body_bytes = size

    def _check_type(self) -> None:
        """Insist on JSON, uncompressed; a missing content type is taken as JSON."""
        content_type = self.headers.get(b"content-type", b"")
        if content_type != _JSON_TYPE:
            media_type = content_type.partition(b";")[0].strip().lower()
            if media_type not in (_JSON_TYPE, b"") and not media_type.endswith(b"+json"):
                raise UnsupportedMediaType("The request body must be sent as application/json.")
        encoding = self.headers.get(b"content-encoding")
        if encoding is not None and encoding.strip().lower() not in (b"identity", b""):
            raise UnsupportedMediaType("A compressed request body is not supported.")

    # The answer.

    @property
    def is_congested(self) -> bool:
        """Whether the client reads slower than we write: `drain` before writing more."""
        return self.connection.is_writing_paused

    async def drain(self) -> None:
        """Wait until the client has caught up, or left."""
        await self.connection.drain()

    def answer(self, status: int, lines: HeaderLines, body: bytes) -> None:
        """Send one whole answer."""
        self.commit(status, lines, len(body))
        self.end(body)

    def commit(self, status: int, lines: HeaderLines, content_length: int | None = None) -> None:
        """Decide on the status and the headers; from now on the answer cannot change its mind.

        They leave with the first bytes of the body. Without a length the body goes out in chunks.
        """
        self.is_committed = True
        framing = b""
        if content_length is not None:
            framing = of_length(content_length)
        elif self.is_chunkable:
            self._is_chunked = True
            framing = CHUNKED
        else:
            self.keeps_alive = False
        if not self.keeps_alive:
            framing += CLOSED
        self._head = encode_head(status, lines + self.limit_lines, framing)

    def write(self, block: bytes) -> None:
        """Send a part of the body, not empty: an empty chunk would end it."""
        self.last_sent = time.perf_counter()
        if self._is_chunked:
            block = b"%x\r\n%b\r\n" % (len(block), block)
        self._send(block)

    def end(self, block: bytes) -> None:
        """Send the last part of the body; the connection is free for the next request."""
        if self._is_chunked:
            block = b"%x\r\n%b\r\n0\r\n\r\n" % (len(block), block) if block else b"0\r\n\r\n"
        self._send(block)
        self.is_answered = True
        self.connection.finish(self)

    def cut(self, block: bytes) -> None:
        """Send a last part and close the connection without ending the body: a truncated answer never looks whole."""
        self.write(block)
        self.is_answered = True
        self.connection.close_truncated()

    def _send(self, block: bytes) -> None:
        head = self._head
        if head:
            self._head = b""
            block = head + block if self.method != "HEAD" else head
        elif self.method == "HEAD":
            return
        self.connection.write(block)


class _Ids:
    """Makes UUIDv7s (RFC 9562, 5.7): milliseconds, then random bits, fetched from the system for many at once."""

    def __init__(self) -> None:
        self._ends: list[str] = []
        self._instant_ms = 0
        self._start = ""

    def make(self, now: float) -> str:
        """Return an id that was never returned before."""
        instant_ms = int(now * 1000)
        if instant_ms != self._instant_ms:
            digits = f"{instant_ms:012x}"
            self._instant_ms, self._start = instant_ms, f"{digits[:8]}-{digits[8:]}"
        if not self._ends:
            digits = os.urandom(10 * 256).hex()
            self._ends = [_end(digits[start : start + 20]) for start in range(0, len(digits), 20)]
        return self._start + self._ends.pop()


def _end(digits: str) -> str:
    """Return an id's digits from its version on."""
    return f"-7{digits[1:4]}-{'89ab'[int(digits[4], 16) & 3]}{digits[5:8]}-{digits[8:20]}"


_ids = _Ids()
new_request_id = _ids.make
