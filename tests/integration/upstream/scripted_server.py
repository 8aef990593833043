"""A server on loopback that does byte for byte what a test tells it to."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aqueduct.domain.http import Headers, Origin, Timeouts, UpstreamRequest

QUICK = Timeouts(connect_seconds=5, first_byte_seconds=5, idle_seconds=5, total_seconds=10)
EMPTY_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def ok(body: bytes, *fields: bytes) -> bytes:
    """Return an answer with a content-length."""
    lines = [b"HTTP/1.1 200 OK", *fields, b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one request, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return head + await self.reader.readexactly(int(line.partition(b":")[2]))
        return head

    async def send(self, *pieces: bytes) -> None:
        """Send bytes, each piece in a write of its own that the other side has time to see alone."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def wait_closed(self) -> None:
        """Wait until the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass

    def end(self) -> None:
        """Close the connection in an orderly way."""
        self.writer.close()

    def drop(self) -> None:
        """Close the connection at once."""
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Runs the script for every connection, and fails the test with whatever fails in it."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.accepted = 0
        self.port = 0
        self._script = script
        self._tls = tls
        self._host = host
        self._running: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    @property
    def origin(self) -> Origin:
        """How it is reached."""
        return Origin("http" if self._tls is None else "https", "127.0.0.1", self.port)

    def request(
        self, path: str = "/", *, method: str = "POST", headers: Headers = (), body: bytes = b"{}"
    ) -> UpstreamRequest:
        """Return a request to this server."""
        return UpstreamRequest(method, self.origin, path, headers, body if method == "POST" else b"")

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if error is None and self._failures:
            raise self._failures[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self.accepted += 1
        try:
            await self._script(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side left, or the test is over
        except BaseException as failure:  # noqa: BLE001  raised in the test by __aexit__
            self._failures.append(failure)
        finally:
            self._running.discard(task)
            writer.transport.abort()


def always(*pieces: bytes) -> Script:
    """Return a script that answers every request with the same bytes."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*pieces)

    return script
