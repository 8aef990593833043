"""What the child serves: one call, `POST /chat/completions`, which the SDK makes; it ends when the gateway leaves."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from aqueduct.local.litellm.answers import plain_answer, read_chunk, usage_chunk
from aqueduct.local.litellm.errors import Failure, read_failure

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_STREAM = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"))
_DONE = b"data: [DONE]\n\n"


class Call(msgspec.Struct):
    """What the adapter sends: the client's fields, and apart from them which model, where and with which key."""

    request: dict[str, Any]
    target: dict[str, Any]


class Application:
    """An ASGI application; `complete` is `litellm.acompletion`."""

    def __init__(self, api_key: str, complete: Callable[..., Awaitable[Any]]) -> None:
        self._authorization = b"Bearer " + api_key.encode()
        self._complete = complete

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or stop as soon as nobody waits for the answer."""
        if not hmac.compare_digest(dict(scope["headers"]).get(b"authorization", b""), self._authorization):
            await _send_failure(Failure(401, "The key is not the right one.", None, None), send)
            return
        if (scope["method"], scope["path"]) != ("POST", "/chat/completions"):
            await _send_failure(Failure(404, "There is only POST /chat/completions.", None, None), send)
            return
        body = await _read_body(receive)
        if body is None:
            return
        answering = asyncio.ensure_future(self._answer(body, send))
        leaving = asyncio.ensure_future(_until_left(receive))
        try:
            await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            answering.cancel()
            await asyncio.wait([answering, leaving])
        if not answering.cancelled():
            answering.result()

    async def _answer(self, body: bytes, send: Send) -> None:
        is_begun = False
        try:
            call = msgspec.json.decode(body, type=Call)
            answer = await self._complete(**{**call.request, **call.target})
            if not call.request.get("stream"):
                await _send_whole(200, (_JSON,), plain_answer(answer), send)
                return
            events = _events(answer)
            first = await anext(events)
            await send({"type": "http.response.start", "status": 200, "headers": _STREAM})
            is_begun = True
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except Exception as error:  # noqa: BLE001 - the edge of the SDK, which raises whatever its providers raise
            failure = read_failure(error)
            if not is_begun:
                await _send_failure(failure, send)
                return
            event = b"data: %b\n\n" % failure.body(is_in_stream=True)
            await send({"type": "http.response.body", "body": event})


async def _events(stream: Any) -> AsyncIterator[bytes]:
    """Yield the SDK's chunks as OpenAI's events, usage in the last one, and close what is open upstream at the end."""
    last: dict[str, Any] | None = None
    try:
        async for value in stream:
            chunk, usage = read_chunk(value)
            last = usage or last
            if chunk is not None:
                yield b"data: %b\n\n" % msgspec.json.encode(chunk)
        if last is not None:
            yield b"data: %b\n\n" % msgspec.json.encode(usage_chunk(last))
        yield _DONE
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            await close()


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None when the gateway left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_failure(failure: Failure, send: Send) -> None:
    await _send_whole(failure.status, (_JSON, *failure.headers), failure.body(), send)


async def _send_whole(status: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes, send: Send) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": (*headers, length)})
    await send({"type": "http.response.body", "body": body})
