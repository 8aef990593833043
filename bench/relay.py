"""A bare relay in Python, the second yardstick: the least that uvicorn and an httptools client cost on a machine.

It knows the token by its SHA-256, reads the model out of the request and the usage out of the answer, and sends the
bytes on; it validates, limits and records nothing. Python's share of a request differs from machine to machine far
more than nginx's does, so this tells how much of a gateway's cost is the gateway's own.
"""

import argparse
import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httptools
import msgspec
import uvicorn
from typing_extensions import override

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Asked(msgspec.Struct):
    """What is read of a request."""

    model: str
    stream: bool = False


class Answered(msgspec.Struct):
    """What is read of an answer."""

    usage: dict[str, Any] | None = None


read_request = msgspec.json.Decoder(Asked).decode
read_answer = msgspec.json.Decoder(Answered).decode


class UpstreamConnection(asyncio.Protocol):
    """One connection to the upstream; its pieces and its end wake whoever waits."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_whole = False
        self.waiter: asyncio.Future[None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, data: bytes) -> None:
        """Send a request."""
        self.parser = httptools.HttpResponseParser(self)
        self.is_whole = False
        self.transport.write(data)

    @override
    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the answer."""
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        self.is_whole = True

    async def read(self) -> bytes:
        """Return what has arrived; wait if there is nothing yet."""
        while not self.pieces and not self.is_whole:
            self.waiter = asyncio.get_running_loop().create_future()
            await self.waiter
        data = b"".join(self.pieces)
        self.pieces.clear()
        return data


class Relay:
    """The ASGI application."""

    def __init__(self, upstream_port: int) -> None:
        self._port = upstream_port
        self._idle: list[UpstreamConnection] = []
        self._known = {hashlib.sha256(b"Bearer none").digest()}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Relay one request."""
        headers = dict(scope["headers"])
        if hashlib.sha256(headers[b"authorization"]).digest() not in self._known:
            raise ValueError("unknown token")
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        asked = read_request(body)
        connection = self._idle.pop() if self._idle else await self._connect()
        connection.send(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer mock\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        if asked.stream:
            kind = (b"content-type", b"text/event-stream")
            await send({"type": "http.response.start", "status": 200, "headers": [kind]})
            while not connection.is_whole:
                await send({"type": "http.response.body", "body": await connection.read(), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            answer = await connection.read()
            while not connection.is_whole:
                answer += await connection.read()
            read_answer(answer)
            fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
            await send({"type": "http.response.start", "status": 200, "headers": fields})
            await send({"type": "http.response.body", "body": answer, "more_body": False})
        self._idle.append(connection)

    async def _connect(self) -> UpstreamConnection:
        _, connection = await asyncio.get_running_loop().create_connection(UpstreamConnection, "127.0.0.1", self._port)
        return connection


def main() -> None:
    """Run as `python -m bench.relay`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream-port", type=int, required=True)
    options = parser.parse_args()
    uvicorn.run(
        Relay(options.upstream_port),
        port=options.port,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        backlog=4096,
    )


if __name__ == "__main__":
    main()
