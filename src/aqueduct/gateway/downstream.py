"""uvicorn's HTTP protocol, held to our limits.

uvicorn bounds neither the head of a request nor the time it takes, tells nobody when a client leaves, and answers bad
HTTP in plain text; this subclass mends those four and nothing else.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from aqueduct.errors import HeadersTooLarge, InvalidRequest, Overloaded, RequestError
from aqueduct.gateway.joining import JoiningTransport
from aqueduct.wire.errors import render

_LINGER_SECONDS = 5.0
_MAX_TRAILERS = 16


class DownstreamLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may send: bytes and fields of a head, and how long a head or a pause in a body may take.

    The pause is one in the request's body, or in taking the answer's.
    """

    max_connections: int
    max_header_bytes: int
    max_header_count: int
    head_timeout_seconds: float
    body_timeout_seconds: float


class _Trailers(list[tuple[bytes, bytes]]):
    """Fields after a chunked body: read past, in bounded number, and never taken for fields of the head."""

    @override
    def append(self, field: tuple[bytes, bytes]) -> None:
        if len(self) >= _MAX_TRAILERS:
            raise ValueError("too many trailers")
        super().append(field)


class DownstreamProtocol(HttpToolsProtocol):
    """One client's connection."""

    limits: DownstreamLimits

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        self._joining = JoiningTransport(transport)
        super().connection_made(cast("asyncio.Transport", self._joining))
        self.on_gone: Callable[[], None] | None = None
        self.receiving_since: float | None = time.monotonic()
        self._unread_since: float | None = None
        self.is_unread = False
        self._is_in_body = False
        self._head_bytes = self._chunk_bytes = 0
        if len(self.connections) > self.limits.max_connections:
            self._refuse(Overloaded("The gateway has as many connections as it may. Try again shortly."))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.on_gone is not None:
            self.on_gone()

    @override
    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        # An upper bound: a whole request may be among these bytes. The exact size is counted only where it matters.
        self._chunk_bytes = len(data)
        self._head_bytes += len(data)
        if self.receiving_since is None and self._is_between_answers():
            # Line ends before a request begin no message, and yet uvicorn stops its own clock for them.
            self.receiving_since = time.monotonic()
        super().data_received(data)
        if not self._is_in_body and self._head_bytes > self.limits.max_header_bytes:
            self._refuse(HeadersTooLarge("The request head is too large."))

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["aqueduct.connection"] = self  # type: ignore[typeddict-unknown-key] # our own extension of the scope
        self.receiving_since = time.monotonic()
        self._is_in_body = False
        self._head_bytes = self._chunk_bytes

    @override
    def on_headers_complete(self) -> None:
        self._is_in_body = True
        if self.transport.is_closing():
            return
        if len(self.headers) > self.limits.max_header_count or (
            self._head_bytes > self.limits.max_header_bytes and self._exact_head_bytes() > self.limits.max_header_bytes
        ):
            self._refuse(HeadersTooLarge("The request head is too large."))
            return
        super().on_headers_complete()
        self.headers = _Trailers()

    @override
    def on_body(self, body: bytes) -> None:
        # What comes after the answer interests nobody, and is no reason to wait any longer.
        if not self._is_between_answers():
            self.receiving_since = time.monotonic()
        if not self.transport.is_closing():
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self.receiving_since = None
        self._is_in_body = False
        self._head_bytes = 0
        if self.transport.is_closing():
            return
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        if self._is_in_body:
            self.receiving_since = time.monotonic()
        super().on_response_complete()

    @override
    def pause_writing(self) -> None:
        self._unread_since = time.monotonic()
        super().pause_writing()

    @override
    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest("The request is not valid HTTP/1.1."))

    def _is_between_answers(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares it without the None it starts as
        return cycle is None or cycle.response_complete

    def hold_head(self) -> None:
        """Keep the next write back and send it together with the one after it."""
        self._joining.holds_next = True

    def close_truncated(self) -> None:
        """Close after what was written, without ending the answer; a client that does not read is cut off later."""
        self.cycle.disconnected = True  # or uvicorn would report an answer that was not ended
        self.transport.close()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def close_if_stalled(self, now: float) -> None:
        """Close the connection if the client keeps us waiting: with a head or a body (slowloris), or with reading."""
        self.is_unread = self._has_waited(now, self._unread_since, self.limits.body_timeout_seconds)
        if self.is_unread or self._has_waited(now, self.receiving_since, self._receiving_limit()):
            self.receiving_since = self._unread_since = None
            self.transport.abort()

    def _receiving_limit(self) -> float:
        """Return how long the client may take over what it is sending; over the rest of an answered body, not long."""
        if not self._is_in_body:
            return self.limits.head_timeout_seconds
        return _LINGER_SECONDS if self._is_between_answers() else self.limits.body_timeout_seconds

    @staticmethod
    def _has_waited(now: float, since: float | None, limit: float) -> bool:
        return since is not None and now - since > limit

    def _exact_head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self, error: RequestError) -> None:
        """Answer without the application and close; only where no request of this connection is being answered."""
        if self.transport.is_closing():
            return
        if self._is_between_answers():
            answer = render(error)
            fields = [*answer.headers, (b"connection", b"close"), (b"content-length", b"%d" % len(answer.body))]
            head = b"".join(b"%b: %b\r\n" % field for field in fields)
            self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[answer.status], head, answer.body))
        self.transport.close()


def protocol_class(limits: DownstreamLimits) -> type[asyncio.Protocol]:
    """Return the protocol class with these limits, as uvicorn's `http` setting wants it."""
    members: dict[str, Any] = {"limits": limits}
    return type("BoundDownstreamProtocol", (DownstreamProtocol,), members)
