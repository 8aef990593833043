"""Runs an ASGI application on a `Call`: for what is administered, where a framework's time does not matter.

Only HTTP (https://asgi.readthedocs.io, 3.0): no lifespan, no websockets, no extensions. The scope holds the `Call`
under `aqueduct.call`, for whoever wires the application to the gateway's own authentication.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from aqueduct.errors import Draining, RequestTooLarge, UnsupportedMediaType
from aqueduct.gateway.call import Call, ClientGone
from aqueduct.gateway.client_address import ClientAddress
from aqueduct.gateway.pipeline import answer_error
from aqueduct.gateway.response_head import CLOSED, HeaderLines, encode_head, header_lines
from aqueduct.gateway.state import State
from aqueduct.wire.errors import render

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

CALL = "aqueduct.call"
_IDENTITY = (b"identity", b"")
_OURS = frozenset({b"content-length", b"transfer-encoding", b"x-request-id"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT_BODY = frozenset({204, 304})
"""Statuses whose answers end with their head (RFC 9110, 6.4.1); 204 may not even tell a length (8.6)."""

logger = structlog.get_logger(__name__)


class AsgiEndpoint:
    """Answers calls by an ASGI application."""

    def __init__(self, application: Application, state: State, address: ClientAddress, max_body_bytes: int) -> None:
        self._application = application
        self._state = state
        self._address = address
        self._max_body_bytes = max_body_bytes

    async def __call__(self, call: Call) -> None:
        """Serve one request to its end, whatever that is."""
        try:
            if self._state.is_draining:
                raise Draining("The gateway is shutting down. Try again shortly.")
            if call.method in _SAFE_METHODS:
                # Whatever is read for a client who has left is read for nobody. A change is made to its end.
                call.watch_client()
            exchange = _Exchange(call, self._max_body_bytes)
            await self._application(self._scope(call), exchange.receive, exchange.send)
            if not call.is_answered:
                raise RuntimeError("the application ended without an answer")
        except asyncio.CancelledError:
            if not call.is_committed and not call.is_gone:
                answer_error(call, Draining("The gateway had to end this request because it is shutting down."))
            raise
        except Exception as error:  # an edge: what the application did not answer itself is refused here
            if call.is_gone:
                return
            if render(error).status == 500:
                logger.error("bug", request_id=call.id, exc_info=error)
            if not call.is_committed:
                answer_error(call, error)
        finally:
            call.release()

    def _scope(self, call: Call) -> dict[str, Any]:
        address = self._address.of(call)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": call.method,
            "scheme": self._address.scheme_of(call),
            "path": call.path,
            "query_string": call.query,
            "root_path": "",
            "headers": call.header_list,
            "client": None if address is None else (address, 0),
            "server": None,
            CALL: call,
        }


class _Exchange:
    """The two functions that an application is given for one call."""

    def __init__(self, call: Call, max_body_bytes: int) -> None:
        self._call = call
        self._max_body_bytes = max_body_bytes
        self._body_bytes = 0
        self._has_read_all = False
        self._start: Message | None = None

    async def receive(self) -> Message:
        """Return the next part of the body, or at its end that the client has left."""
        call = self._call
        try:
            if self._has_read_all:
                await call.wait_until_gone()
                return {"type": "http.disconnect"}
            self._check_head()
            part = await call.read_part()
        except ClientGone:
            return {"type": "http.disconnect"}
        self._body_bytes += len(part)
        self._check_size(self._body_bytes)
        self._has_read_all = not part
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    async def send(self, message: Message) -> None:
        """Send a part of the answer and wait while the client is behind; raises `OSError` when it has left."""
        call = self._call
        if message["type"] == "http.response.start":
            self._start = message
            return
        body, is_last = bytes(message.get("body", b"")), not message.get("more_body", False)
        if call.is_gone and not is_last:
            raise OSError("the client has left")
        if self._start is not None:
            if self._start["status"] in _WITHOUT_BODY:
                if is_last:
                    self._answer_without_body(self._start)
                return
            self._commit(self._start, len(body) if is_last else None)
            self._start = None
        if is_last:
            call.end(body)
        elif body:
            call.write(body)
            if call.is_congested:
                await call.drain()

    def _commit(self, start: Message, whole_length: int | None) -> None:
        declared = next((int(value) for name, value in _fields(start) if name == b"content-length"), None)
        self._call.commit(start["status"], self._lines(start), whole_length if declared is None else declared)

    def _answer_without_body(self, start: Message) -> None:
        call = self._call
        framing = b"" if call.keeps_alive else CLOSED
        call.is_committed = True
        call.connection.write(encode_head(start["status"], self._lines(start) + call.limit_lines, framing))
        call.is_answered = True
        call.connection.finish(call)

    def _lines(self, start: Message) -> HeaderLines:
        fields = [field for field in _fields(start) if field[0] not in _OURS]
        return header_lines([*fields, (b"x-request-id", self._call.id.encode())])

    def _check_head(self) -> None:
        if self._body_bytes:
            return
        self._check_size(int(self._call.headers.get(b"content-length", b"0")))
        if self._call.headers.get(b"content-encoding", b"").strip().lower() not in _IDENTITY:
            raise UnsupportedMediaType("A compressed request body is not supported.")

    def _check_size(self, size: int) -> None:
        if size > self._max_body_bytes:
            raise RequestTooLarge(f"The request body is larger than {self._max_body_bytes} bytes.")


def _fields(start: Message) -> list[tuple[bytes, bytes]]:
    return [(bytes(name).lower(), bytes(value)) for name, value in start.get("headers", ())]
