"""Encrypted connections: who is trusted, what is told to the server, and how they end."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from tests.integration.upstream.scripted_server import QUICK, Peer, ScriptedServer, ok

from aqueduct.domain.http import Origin, Timeouts, UpstreamRequest
from aqueduct.errors import ConfigurationError, UpstreamTimeout, UpstreamUnreachable
from aqueduct.upstream.options import Tls, TransportOptions
from aqueduct.upstream.transport import Transport


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
async def trusting(ca_file: str) -> AsyncIterator[Transport]:
    transport = Transport(TransportOptions(tls=Tls(ca_file=ca_file)))
    yield transport
    await transport.close()


def context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def request(host: str, port: int, body: bytes = b"{}") -> UpstreamRequest:
    return UpstreamRequest("POST", Origin("https", host, port), "/", (), body)


async def echo(peer: Peer) -> None:
    while True:
        await peer.send(ok(b"%d" % len((await peer.request()).partition(b"\r\n\r\n")[2])))


async def test_a_certificate_of_a_trusted_authority_is_accepted_and_the_name_and_protocol_are_told(
    authority: trustme.CA, trusting: Transport
) -> None:
    told: list[str | None] = []
    tls = context(authority, "localhost")
    tls.sni_callback = lambda _, name, __: told.append(name)
    tls.set_alpn_protocols(["h2", "http/1.1"])

    async def script(peer: Peer) -> None:
        told.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await echo(peer)

    async with ScriptedServer(script, tls) as server:
        for body in (b"{}", b"a" * 3_000_000):
            response = await trusting.send(request("localhost", server.port, body), QUICK)
            assert int(await response.read_all(100)) == len(body)
            response.close()
        assert server.accepted == 1
    assert told == ["localhost", "http/1.1"]


async def test_an_address_in_the_certificate_is_accepted(authority: trustme.CA, trusting: Transport) -> None:
    async with ScriptedServer(echo, context(authority, "127.0.0.1")) as server:
        response = await trusting.send(request("127.0.0.1", server.port), QUICK)
        assert await response.read_all(100) == b"2"
        response.close()


async def test_an_unknown_authority_is_refused_by_default(authority: trustme.CA, transport: Transport) -> None:
    async with ScriptedServer(echo, context(authority, "localhost")) as server:
        with pytest.raises(UpstreamUnreachable, match="certificate was refused"):
            await transport.send(request("localhost", server.port), QUICK)


async def test_a_certificate_for_another_name_is_refused_without_telling_the_name(
    authority: trustme.CA, trusting: Transport
) -> None:
    async with ScriptedServer(echo, context(authority, "other.test")) as server:
        for host in ("localhost", "127.0.0.1"):
            with pytest.raises(UpstreamUnreachable, match="another name") as caught:
                await trusting.send(request(host, server.port), QUICK)
            assert host not in str(caught.value)


async def test_verification_can_be_switched_off(authority: trustme.CA) -> None:
    transport = Transport(TransportOptions(tls=Tls(is_verified=False)))
    async with ScriptedServer(echo, context(authority, "other.test")) as server:
        response = await transport.send(request("localhost", server.port), QUICK)
        assert await response.read_all(100) == b"2"
        response.close()
    await transport.close()


async def test_a_server_without_tls_is_unreachable(trusting: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.wait_closed()

    async with ScriptedServer(script) as server:
        with pytest.raises(UpstreamUnreachable, match="TLS"):
            await trusting.send(request("localhost", server.port), QUICK)


async def test_a_server_that_hangs_up_in_the_handshake_is_unreachable(trusting: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.read(10)

    async with ScriptedServer(script) as server:
        with pytest.raises(UpstreamUnreachable):
            await trusting.send(request("localhost", server.port), QUICK)


async def test_a_handshake_that_stalls_is_a_timeout_and_closes_the_connection(trusting: Transport) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script) as server:
        with pytest.raises(UpstreamTimeout):
            await trusting.send(request("localhost", server.port), Timeouts(connect_seconds=0.1))
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_body_without_framing_ends_with_an_orderly_close_only(
    authority: trustme.CA, trusting: Transport
) -> None:
    """Whoever cuts the connection in between can end TCP, but not TLS."""
    is_orderly = True

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if is_orderly:
            peer.end()
            await peer.wait_closed()
        else:
            peer.drop()

    async with ScriptedServer(script, context(authority, "localhost")) as server:
        response = await trusting.send(request("localhost", server.port), QUICK)
        assert await response.read_all(100) == b"hello"
        response.close()
        is_orderly = False
        response = await trusting.send(request("localhost", server.port), QUICK)
        with pytest.raises(UpstreamUnreachable):
            await response.read_all(100)
        response.close()


async def test_cancelling_closes_the_connection(authority: trustme.CA, trusting: Transport) -> None:
    began = asyncio.Event()
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        began.set()
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script, context(authority, "localhost")) as server:
        task = asyncio.ensure_future(trusting.send(request("localhost", server.port), QUICK))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 1)


async def test_a_ca_file_without_certificates_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.pem"
    path.write_text("nothing")
    with pytest.raises(ConfigurationError, match="holds no certificate"):
        Transport(TransportOptions(tls=Tls(ca_file=str(path))))


async def test_a_settled_address_is_connected_to_and_the_name_is_told_and_checked(
    authority: trustme.CA, trusting: Transport
) -> None:
    told: list[str | None] = []
    heads: list[bytes] = []
    tls = context(authority, "hook.invalid")
    tls.sni_callback = lambda _, name, __: told.append(name)

    async def script(peer: Peer) -> None:
        heads.append(await peer.request())
        await peer.send(ok(b"{}"))

    async with ScriptedServer(script, tls) as server:
        for host in ("hook.invalid", "other.invalid"):
            settled = Origin("https", host, server.port, ("127.0.0.1",))
            sending = trusting.send(UpstreamRequest("POST", settled, "/", (), b"{}"), QUICK)
            if host == "hook.invalid":
                (await sending).close()
                continue
            with pytest.raises(UpstreamUnreachable, match="it is for another name"):
                await sending
        assert told == ["hook.invalid", "other.invalid"]
        assert b"\r\nhost: hook.invalid:%d\r\n" % server.port in heads[0]
