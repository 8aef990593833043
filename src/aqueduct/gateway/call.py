"""One downstream request: its head, its body, and the one answer that goes out."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from typing import Any, Protocol

from aqueduct.errors import RequestTooLarge, UnsupportedMediaType
from aqueduct.gateway.in_flight import InFlight

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]

_CLIENT_REQUEST_IDS = (b"x-request-id", b"x-client-request-id")
_CLIENT_REQUEST_ID_MAX_CHARACTERS = 200
_JSON_TYPE = b"application/json"


class Connection(Protocol):
    """What the server's protocol offers beyond ASGI (`gateway/downstream.py`)."""

    on_gone: Callable[[], None] | None
    is_unread: bool
    """Whether it was closed because the client did not read what was sent."""

    def hold_head(self) -> None:
        """Keep the next write back and send it together with the one after it."""

    def close_truncated(self) -> None:
        """Close after what was written, without ending the answer: the client must see that it is cut."""


class ClientGone(Exception):
    """The client closed the connection; nobody is left to answer."""


class Call:
    """One downstream request and its answer.

    `id` is our request id (UUIDv7); `started_at` is in seconds since the epoch, `started` on the monotonic clock.
    """

    __slots__ = (
        "_body_bytes",
        "_in_flight",
        "_receive",
        "_send",
        "_task",
        "connection",
        "header_list",
        "headers",
        "id",
        "is_committed",
        "is_gone",
        "last_sent",
        "method",
        "path",
        "started",
        "started_at",
    )

    def __init__(self, scope: Message, receive: Receive, send: Send, in_flight: InFlight) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.header_list: HeaderList = scope["headers"]
        self.headers = dict(self.header_list)
        self.connection: Connection = scope["aqueduct.connection"]
        self._receive = receive
        self._send = send
        self._in_flight = in_flight
        self._body_bytes = 0
        self._task: asyncio.Task[Any] | None = None
        self.started_at = time.time()
        self.started = self.last_sent = time.perf_counter()
        self.id = _new_id(self.started_at)
        self.is_committed = False
        self.is_gone = False

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

    def watch_client(self) -> None:
        """From now on, cancel the current task as soon as the client leaves."""
        self._task = asyncio.current_task()
        self.connection.on_gone = self._leave

    def release(self) -> None:
        """Forget the client and the bytes held for it; safe to call twice."""
        self.connection.on_gone = None
        self._task = None
        self._in_flight.give(self._body_bytes)
        self._body_bytes = 0

    def _leave(self) -> None:
        self.is_gone = True
        if self._task is not None:
            self._task.cancel()

    async def read_body(self, max_bytes: int) -> bytes:
        """Read the whole body within its limit and the process's; raise before reading what could not be used."""
        self._check_type()
        declared = self._declared_bytes()
        if declared > max_bytes:
            raise RequestTooLarge(f"The request body is larger than {max_bytes} bytes.")
        self._hold(declared)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            if chunk := message["body"]:
                size += len(chunk)
                if size > max_bytes:
                    raise RequestTooLarge(f"The request body is larger than {max_bytes} bytes.")
                self._hold(size)
                chunks.append(chunk)
            if not message["more_body"]:
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _hold(self, size: int) -> None:
        if size > self._body_bytes:
            self._in_flight.take(size - self._body_bytes)
            self._body_bytes = size

    def _declared_bytes(self) -> int:
        value = self.headers.get(b"content-length")
        return int(value) if value is not None else 0

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

    async def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """Send one whole answer."""
        await self.commit(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self.end(body)

    async def commit(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send the status line and the headers; from now on the answer cannot change its mind."""
        self.is_committed = True
        if self.method != "HEAD":  # no body follows that would take the head along
            self.connection.hold_head()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, block: bytes) -> None:
        """Send a part of the body; waits while the client reads slower than we write."""
        self.last_sent = time.perf_counter()
        await self._send({"type": "http.response.body", "body": block, "more_body": True})

    async def end(self, block: bytes) -> None:
        """Send the last part of the body."""
        await self._send({"type": "http.response.body", "body": block, "more_body": False})

    async def cut(self, block: bytes) -> None:
        """Send a last part and close the connection without ending the body: a truncated answer never looks whole."""
        await self.write(block)
        self.connection.close_truncated()


class _Entropy:
    """Random bytes, fetched from the system for many ids at once."""

    def __init__(self) -> None:
        self._left: Iterator[bytes] = iter(())

    def take(self) -> bytes:
        """Return ten bytes that were never returned before."""
        for taken in self._left:
            return taken
        batch = os.urandom(10 * 256)
        self._left = iter([batch[start : start + 10] for start in range(0, len(batch), 10)])
        return self.take()


_entropy = _Entropy()


def _new_id(now: float) -> str:
    """Return a UUIDv7 (RFC 9562, 5.7): milliseconds, then random bits."""
    digits = f"{int(now * 1000):012x}{_entropy.take().hex()}"
    return (
        f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:32]}"
    )
