"""The ways to an origin: through a proxy, and by which of its addresses."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.integration.upstream.scripted_server import QUICK, Peer, Script, ScriptedServer, always, ok

from aqueduct.domain.http import Origin, UpstreamRequest
from aqueduct.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from aqueduct.upstream.options import Proxies, Tls, TransportOptions
from aqueduct.upstream.transport import Transport

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n"


def through(port: int, *, ca_file: str | None = None, no_proxy: str = "") -> Transport:
    url = f"http://user:s3cret@127.0.0.1:{port}"
    return Transport(TransportOptions(tls=Tls(ca_file=ca_file), proxies=Proxies(url, url, no_proxy)))


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[ScriptedServer]:
    """A TLS server that is known as `origin.test`, to the proxies alone."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("origin.test").configure_cert(tls)
    async with ScriptedServer(always(ok(b"from the origin")), tls) as server:
        yield server


def tunnel_to(port: int, answer: bytes, heads: list[bytes]) -> Script:
    """Return a proxy that leads every tunnel to one port."""

    async def script(peer: Peer) -> None:
        heads.append(await peer.request())
        await peer.send(*[answer[at : at + 7] for at in range(0, len(answer), 7)])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))
        finally:
            writer.transport.abort()

    return script


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)


async def test_an_encrypted_origin_is_reached_through_a_tunnel(origin: ScriptedServer, tmp_path: Path) -> None:
    heads: list[bytes] = []
    async with ScriptedServer(tunnel_to(origin.port, ESTABLISHED, heads)) as proxy:
        transport = through(proxy.port, ca_file=str(tmp_path / "ca.pem"))
        request = UpstreamRequest("POST", Origin("https", "origin.test", 443), "/v1", (), b"{}")
        for _ in range(2):
            response = await transport.send(request, QUICK)
            assert await response.read_all(100) == b"from the origin"
            response.close()
        await transport.close()
        assert proxy.accepted == 1
    authorization = b"proxy-authorization: Basic dXNlcjpzM2NyZXQ=\r\n"
    assert heads == [b"CONNECT origin.test:443 HTTP/1.1\r\nhost: origin.test:443\r\n" + authorization + b"\r\n"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\nno",
        b"SSH-2.0-nonsense\r\n\r\n",
        ESTABLISHED + b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 Conn",
    ],
)
async def test_a_tunnel_that_is_refused_fails_without_telling_the_credentials(answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        peer.end()

    async with ScriptedServer(script) as proxy:
        transport = through(proxy.port)
        with pytest.raises(UpstreamError) as caught:
            await transport.send(UpstreamRequest("GET", Origin("https", "origin.test", 443), "/", ()), QUICK)
        assert "s3cret" not in str(caught.value)
        await transport.close()


async def test_a_proxy_that_stalls_is_a_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.wait_closed()

    async with ScriptedServer(script) as proxy:
        transport = through(proxy.port)
        request = UpstreamRequest("GET", Origin("https", "origin.test", 443), "/", ())
        with pytest.raises(UpstreamTimeout):
            await transport.send(request, QUICK.__replace__(connect_seconds=0.1))
        await transport.close()


async def test_a_plain_origin_is_asked_for_by_its_whole_address() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(ok(await peer.request()))

    async with ScriptedServer(script) as proxy:
        transport = through(proxy.port)
        request = UpstreamRequest("GET", Origin("http", "origin.test", 8080), "/v1?a=b", ((b"x", b"y"),))
        response = await transport.send(request, QUICK)
        assert await response.read_all(1_000) == (
            b"GET http://origin.test:8080/v1?a=b HTTP/1.1\r\nhost: origin.test:8080\r\n"
            b"proxy-authorization: Basic dXNlcjpzM2NyZXQ=\r\nx: y\r\n\r\n"
        )
        response.close()
        await transport.close()


async def test_no_proxy_and_loopback_are_reached_directly(origin: ScriptedServer) -> None:
    async with ScriptedServer(always(ok(b"direct"))) as server, ScriptedServer(always(ok(b"proxied"))) as proxy:
        transport = through(proxy.port)
        response = await transport.send(server.request(), QUICK)
        assert await response.read_all(100) == b"direct"
        response.close()
        await transport.close()
        transport = through(proxy.port, no_proxy="origin.test")
        with pytest.raises(UpstreamUnreachable):  # nobody but the proxy would know the way
            await transport.send(UpstreamRequest("GET", Origin("http", "origin.test", 80), "/", ()), QUICK)
        assert proxy.accepted == 0
        await transport.close()


class TestSeveralAddresses:
    """A name with several addresses; the system's resolver is the one part that is stood in for."""

    @staticmethod
    def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
        kind = type(asyncio.get_running_loop())
        original = kind.getaddrinfo

        async def getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> list[Any]:
            if host != "many.test":
                return await original(self, host, port, **options)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

        monkeypatch.setattr(kind, "getaddrinfo", getaddrinfo)

    async def test_the_next_address_is_tried_where_one_refuses(
        self, monkeypatch: pytest.MonkeyPatch, transport: Transport
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as refusing:
            dead = refusing.getsockname()
        async with ScriptedServer(always(ok(b"alive"))) as server:
            self.resolve(monkeypatch, dead, ("127.0.0.1", server.port))
            response = await transport.send(UpstreamRequest("GET", Origin("http", "many.test", 1), "/", ()), QUICK)
            assert await response.read_all(100) == b"alive"
            response.close()

    async def test_the_next_address_is_tried_soon_where_one_does_not_answer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport = Transport(TransportOptions(happy_eyeballs_seconds=0.05))
        with ExitStack() as stack:
            full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            async with ScriptedServer(always(ok(b"alive"))) as server:
                self.resolve(monkeypatch, full.getsockname(), ("127.0.0.1", server.port))
                response = await transport.send(UpstreamRequest("GET", Origin("http", "many.test", 1), "/", ()), QUICK)
                assert await response.read_all(100) == b"alive"
                response.close()
        await transport.close()

    async def test_all_refusing_is_unreachable(self, monkeypatch: pytest.MonkeyPatch, transport: Transport) -> None:
        with socket.create_server(("127.0.0.1", 0)) as refusing:
            dead = refusing.getsockname()
        self.resolve(monkeypatch, dead, dead)
        with pytest.raises(UpstreamUnreachable):
            await transport.send(UpstreamRequest("GET", Origin("http", "many.test", 1), "/", ()), QUICK)
