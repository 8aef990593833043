"""Any ASGI application behind the gateway's own server: what it sends is what the client gets."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Sequence

import pytest

from aqueduct.domain.snapshot import Snapshot
from aqueduct.gateway.asgi import Application, AsgiEndpoint
from aqueduct.gateway.client_address import ClientAddress
from aqueduct.gateway.downstream import DownstreamLimits, DownstreamProtocol
from aqueduct.gateway.state import State

LIMITS = DownstreamLimits(
    max_connections=10,
    max_header_bytes=16_384,
    max_header_count=50,
    head_timeout_seconds=10.0,
    body_timeout_seconds=10.0,
)
GET = b"GET /api/x HTTP/1.1\r\nhost: gateway\r\n%b\r\n"
BLOCK = b"x" * 65_536


class Connections:
    """What uvicorn's server would keep."""

    def __init__(self) -> None:
        self.connections: set[object] = set()
        self.tasks: set[asyncio.Task[None]] = set()


@contextlib.asynccontextmanager
async def serving(application: Application, trusted: Sequence[str] = ()) -> AsyncIterator[int]:
    """Serve the application on a free port."""
    networks = tuple(ipaddress.ip_network(each) for each in trusted)
    endpoint = AsgiEndpoint(application, State(Snapshot(models=())), ClientAddress(networks), 1_000_000)
    kept = Connections()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: DownstreamProtocol(kept, LIMITS, endpoint), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for connection in list(kept.connections):
            connection._transport.abort()  # type: ignore[attr-defined]  # what a client may leave open
        if kept.tasks:
            await asyncio.wait(kept.tasks)


def answering(status: int, *fields: tuple[bytes, bytes]) -> Application:
    """Return an application that answers with a status alone."""

    async def application(_scope: object, _receive: object, send) -> None:  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    return application


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_has_no_framing_and_keeps_the_connection(status: int) -> None:
    async with serving(answering(status, (b"etag", b'"1"'), (b"content-length", b"0"))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(GET % b"")
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 %d " % status)
            assert b'etag: "1"' in head
            assert b"x-request-id: " in head
            assert b"content-length" not in head
            assert b"transfer-encoding" not in head
        writer.close()


@pytest.mark.parametrize(
    ("trusted", "field", "scheme"),
    [
        (["127.0.0.0/8"], b"x-forwarded-proto: https\r\n", "https"),
        (["127.0.0.0/8"], b"x-forwarded-proto: http, HTTPS\r\n", "https"),
        (["127.0.0.0/8"], b"x-forwarded-proto: gopher\r\n", "http"),
        (["127.0.0.0/8"], b"", "http"),
        (["192.0.2.0/24"], b"x-forwarded-proto: https\r\n", "http"),
        ([], b"x-forwarded-proto: https\r\n", "http"),
    ],
)
async def test_the_scheme_is_what_a_trusted_proxy_says(trusted: list[str], field: bytes, scheme: str) -> None:
    seen: list[str] = []

    async def application(scope, _receive, send) -> None:  # type: ignore[no-untyped-def]
        seen.append(scope["scheme"])
        await answering(204)(scope, _receive, send)

    async with serving(application, trusted) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET % field)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert seen == [scheme]


async def test_an_answer_is_made_no_faster_than_it_is_taken_and_ends_when_the_client_leaves() -> None:
    sent = 0
    has_ended = asyncio.Event()

    async def application(_scope, _receive, send) -> None:  # type: ignore[no-untyped-def]
        nonlocal sent
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
                sent += len(BLOCK)
        finally:
            has_ended.set()

    async with serving(application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(GET % b"")
        await reader.readexactly(500)
        known = -1
        while sent != known:  # until what the sockets hold is full
            known = sent
            await asyncio.sleep(0.1)
        assert sent < 64 * 1024 * 1024
        assert not has_ended.is_set()
        writer.transport.abort()
        await asyncio.wait_for(has_ended.wait(), 5)


async def test_work_for_a_client_who_has_left_is_cancelled() -> None:
    has_begun, is_cancelled = asyncio.Event(), asyncio.Event()

    async def application(_scope, _receive, _send) -> None:  # type: ignore[no-untyped-def]
        has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            is_cancelled.set()
            raise

    async with serving(application) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET % b"")
        await has_begun.wait()
        writer.transport.abort()
        await asyncio.wait_for(is_cancelled.wait(), 5)
