"""Answers as they come over a socket, whole and broken."""

import asyncio

import pytest
from tests.integration.upstream.scripted_server import EMPTY_OK, QUICK, Peer, ScriptedServer, always, ok

from aqueduct.errors import UpstreamInvalidResponse, UpstreamRejected, UpstreamUnreachable
from aqueduct.upstream.transport import Transport

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_a_request_arrives_as_it_was_given(transport: Transport) -> None:
    received = []

    async def script(peer: Peer) -> None:
        received.append(await peer.request())
        await peer.send(ok(b"hello", b"X-Id: 7"))

    async with ScriptedServer(script) as server:
        request = server.request(
            "/v1/chat?a=b", headers=((b"authorization", b"Bearer k"), (b"x", b"")), body=b'{"a":1}'
        )
        response = await transport.send(request, QUICK)
        assert (response.status, response.header(b"x-id"), response.header(b"x-none")) == (200, b"7", None)
        assert await response.read_all(100) == b"hello"
        assert await response.read() == b""
        response.close()
    head = (
        b"POST /v1/chat?a=b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer k\r\nx: \r\n" % server.origin.port
    )
    assert received == [head + b'content-length: 7\r\n\r\n{"a":1}']


@pytest.mark.parametrize(
    ("method", "body", "ending"),
    [
        ("GET", b"", b"\r\nhost: 127.0.0.1:%d\r\n\r\n"),
        ("POST", b"", b"\r\nhost: 127.0.0.1:%d\r\ncontent-length: 0\r\n\r\n"),
    ],
)
async def test_an_empty_body_is_announced_where_one_is_expected(
    transport: Transport, method: str, body: bytes, ending: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(ok(await peer.request()))

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(method=method, body=body), QUICK)
        assert await response.read_all(1_000) == f"{method} / HTTP/1.1".encode() + ending % server.origin.port
        response.close()


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (ok(b"hello"), 200, b"hello"),
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\nx-trailer: 1\r\n\r\n", 200, b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"hello"), 200, b"hello"),
    ],
)
async def test_answers_cut_into_single_bytes_arrive_whole_and_the_connection_is_kept(
    transport: Transport, answer: bytes, status: int, body: bytes
) -> None:
    async with ScriptedServer(always(*[answer[at : at + 1] for at in range(len(answer))])) as server:
        for _ in range(3):
            response = await transport.send(server.request(), QUICK)
            assert (response.status, await response.read_all(100)) == (status, body)
            response.close()
        assert server.accepted == 1


async def test_a_body_without_framing_ends_with_the_connection(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n", b"hel", b"lo")
        peer.end()

    async with ScriptedServer(script) as server:
        for _ in range(2):
            response = await transport.send(server.request(), QUICK)
            assert await response.read_all(100) == b"hello"
            response.close()
        assert server.accepted == 2


async def test_head_has_no_body_whatever_its_length_says(transport: Transport) -> None:
    async with ScriptedServer(always(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")) as server:
        for _ in range(2):
            response = await transport.send(server.request(method="HEAD"), QUICK)
            assert (response.header(b"content-length"), await response.read_all(10)) == (b"1000", b"")
            response.close()
        assert server.accepted == 2


async def test_a_stream_is_read_as_it_arrives(transport: Transport) -> None:
    turn = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for event in (b"one", b"two", b"six"):
            await turn.wait()
            turn.clear()
            await peer.send(b"3\r\n%b\r\n" % event)
        await peer.send(b"0\r\n\r\n")

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), QUICK)
        for event in (b"one", b"two", b"six"):
            turn.set()
            assert await response.read() == event
        assert await response.read() == b""
        response.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
    ],
)
@pytest.mark.parametrize("is_orderly", [True, False])
async def test_an_early_end_of_file_is_never_a_whole_answer(
    transport: Transport, answer: bytes, is_orderly: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if answer:
            await peer.send(answer)
        if is_orderly:
            peer.end()
        else:
            peer.drop()

    async with ScriptedServer(script) as server:
        with pytest.raises(UpstreamUnreachable):
            await (await transport.send(server.request(), QUICK)).read_all(100)
        assert server.accepted == 1


async def test_what_came_before_the_failure_is_read_first(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, b"5\r\nhello\r\n", b"zzz")

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), QUICK)
        assert await response.read() == b"hello"
        for _ in range(2):
            with pytest.raises(UpstreamInvalidResponse):
                await response.read()
        response.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>nginx</html>",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000,
        CHUNKED + b"zz\r\n",
    ],
)
async def test_rubbish_is_no_answer(transport: Transport, answer: bytes) -> None:
    async with ScriptedServer(always(answer)) as server:
        with pytest.raises(UpstreamInvalidResponse):
            await (await transport.send(server.request(), QUICK)).read_all(100)


@pytest.mark.parametrize("answer", [ok(b"a" * 101), CHUNKED + b"40\r\n%b\r\n" % (b"a" * 64) * 2])
async def test_a_body_over_the_limit_is_refused_and_its_connection_closed(transport: Transport, answer: bytes) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), QUICK)
        with pytest.raises(UpstreamInvalidResponse, match="100 bytes"):
            await response.read_all(100)
        response.close()
        if answer.startswith(CHUNKED):  # the other was whole, so its connection is as good as new
            await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a b", ()),
        ("/a\r\nx: y", ()),
        ("/a\0", ()),
        ("/é", ()),
        ("a", ()),
        ("http://other/", ()),
        ("/", ((b"x", b"a\r\nx-other: b"),)),
        ("/", ((b"x", b"a\nb"),)),
        ("/", ((b"x", b"a\rb"),)),
        ("/", ((b"x", b"a\0b"),)),
        ("/", ((b"x", b"\r\n\r\nGET / HTTP/1.1"),)),
        ("/", ((b"x y", b"a"),)),
        ("/", ((b"x:", b"a"),)),
        ("/", ((b"", b"a"),)),
        ("/", ((b"x\r\ny", b"a"),)),
        ("/", ((b"transfer-encoding", b"chunked"),)),
        ("/", ((b"content-length", b"1"),)),
        ("/", ((b"host", b"other"),)),
        ("/", ((b"connection", b"close"),)),
        ("/", ((b"expect", b"100-continue"),)),
        ("/", ((b"upgrade", b"h2c"),)),
        ("/", ((b"proxy-authorization", b"x"),)),
    ],
)
async def test_what_could_be_read_as_another_request_is_not_sent(
    transport: Transport, path: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    async with ScriptedServer(always(EMPTY_OK)) as server:
        with pytest.raises(UpstreamRejected) as caught:
            await transport.send(server.request(path, headers=headers), QUICK)
        assert not caught.value.is_retryable
        assert server.accepted == 0


@pytest.mark.parametrize("method", ["CONNECT", "get", "GET / HTTP/1.1\r\nx:", ""])
async def test_a_method_that_is_none_is_not_sent(transport: Transport, method: str) -> None:
    async with ScriptedServer(always(EMPTY_OK)) as server:
        with pytest.raises(UpstreamRejected):
            await transport.send(server.request(method=method), QUICK)
        assert server.accepted == 0
