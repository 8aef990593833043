"""Slow upstreams, slow readers, large requests, early answers."""

import asyncio
import socket

import pytest
from tests.integration.upstream.scripted_server import QUICK, Peer, ScriptedServer, ok

from aqueduct.domain.http import Origin, Timeouts, UpstreamRequest
from aqueduct.errors import UpstreamTimeout
from aqueduct.upstream.options import Limits, TransportOptions
from aqueduct.upstream.transport import Transport

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MEBIBYTE = 1_048_576


@pytest.mark.parametrize(
    ("pieces", "timeouts"),
    [
        ((), Timeouts(first_byte_seconds=0.05)),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 2"), Timeouts(first_byte_seconds=0.05)),
        ((), Timeouts(total_seconds=0.05)),
        ((CHUNKED, b"1\r\na\r\n"), Timeouts(idle_seconds=0.05)),
        ((CHUNKED, b"1\r\na\r\n"), Timeouts(total_seconds=0.05)),
        ((CHUNKED, b"5\r\nab"), Timeouts(idle_seconds=0.05)),
    ],
)
async def test_a_stall_is_a_timeout_and_closes_the_connection(
    transport: Transport, pieces: tuple[bytes, ...], timeouts: Timeouts
) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script) as server:
        with pytest.raises(UpstreamTimeout):
            await (await transport.send(server.request(), timeouts)).read_all(100)
        await asyncio.wait_for(closed.wait(), 5)


async def test_the_idle_timeout_begins_anew_with_every_read(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(10):
            await asyncio.sleep(0.04)
            await peer.send(b"1\r\na\r\n")
        await peer.send(b"0\r\n\r\n")

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), Timeouts(idle_seconds=0.3))
        assert await response.read_all(100) == b"a" * 10
        response.close()


async def test_bytes_that_are_no_body_do_not_put_off_the_idle_timeout(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, b"1\r\na\r\n1;")
        while True:
            await asyncio.sleep(0.01)
            await peer.send(b"x")

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), Timeouts(idle_seconds=0.1))
        assert await response.read() == b"a"
        with pytest.raises(UpstreamTimeout):
            await response.read()


async def test_the_first_event_of_a_stream_may_take_as_long_as_the_first_byte(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await asyncio.sleep(0.2)
        await peer.send(b"1\r\na\r\n")
        await peer.wait_closed()

    async with ScriptedServer(script) as server:
        for first_byte_seconds in (5.0, 0.05):
            response = await transport.send(
                server.request(), Timeouts(first_byte_seconds=first_byte_seconds, idle_seconds=0.1)
            )
            if first_byte_seconds == 5.0:
                assert await response.read() == b"a"
            with pytest.raises(UpstreamTimeout):
                await response.read()


async def test_the_total_timeout_holds_however_steadily_bytes_come(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        while True:
            await asyncio.sleep(0.01)
            await peer.send(b"1\r\na\r\n")

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), Timeouts(idle_seconds=5, total_seconds=0.2))
        with pytest.raises(UpstreamTimeout):
            await response.read_all(10_000)


async def test_a_slow_reader_is_not_held_against_the_upstream(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, b"1\r\na\r\n")
        await asyncio.sleep(0.2)
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), Timeouts(idle_seconds=0.15))
        assert await response.read() == b"a"
        await asyncio.sleep(0.25)
        assert await response.read() == b"b"
        assert await response.read() == b""
        response.close()


async def test_a_timer_of_one_exchange_does_not_end_the_next(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        for delay in (0.0, 0.3):
            await peer.request()
            await asyncio.sleep(delay)
            await peer.send(ok(b"x"))

    async with ScriptedServer(script) as server:
        for first_byte_seconds in (0.2, 5.0):
            response = await transport.send(server.request(), Timeouts(first_byte_seconds=first_byte_seconds))
            assert await response.read_all(10) == b"x"
            response.close()
        assert server.accepted == 1


async def test_connecting_has_a_deadline_of_its_own() -> None:
    """A listener whose queue is full leaves further connections hanging, as a dropped packet would."""
    transport = Transport()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            request = UpstreamRequest("GET", Origin("http", "127.0.0.1", listener.getsockname()[1]), "/", ())
            with pytest.raises(UpstreamTimeout):
                await transport.send(request, Timeouts(connect_seconds=0.1))
        finally:
            for filler in fillers:
                filler.close()
    await transport.close()


async def test_a_slow_reader_does_not_fill_memory() -> None:
    transport = Transport(TransportOptions(limits=Limits(buffer_bytes=65_536)))
    taken = 0

    async def script(peer: Peer) -> None:
        nonlocal taken
        await peer.request()
        piece = b"10000\r\n%b\r\n" % (b"a" * 65_536)
        await peer.send(CHUNKED)
        for _ in range(1_024):
            await peer.send(piece)
            taken += 65_536
        await peer.send(b"0\r\n\r\n")

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), QUICK)
        size = len(await response.read())
        before = -1
        while taken != before:  # until nothing more is taken
            before = taken
            await asyncio.sleep(0.1)
        assert taken < 16 * MEBIBYTE  # what the two sockets hold; it would be 64
        largest = 0
        while data := await response.read():
            size += len(data)
            largest = max(largest, len(data))
        assert size == 1_024 * 65_536
        assert largest <= 65_536 + 262_144 * 2
        response.close()
    await transport.close()


async def test_a_large_request_leaves_no_faster_than_it_is_taken(transport: Transport) -> None:
    may_read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await may_read.wait()
        await peer.send(ok(b"%d" % len(await peer.request())))

    async with ScriptedServer(script) as server:
        sending = asyncio.ensure_future(transport.send(server.request(body=b"a" * 32 * MEBIBYTE), QUICK))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not sending.done()
        may_read.set()
        response = await sending
        assert int(await response.read_all(100)) > 32 * MEBIBYTE
        response.close()


async def test_a_request_that_is_not_taken_is_a_timeout(transport: Transport) -> None:
    may_end = asyncio.Event()

    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # every real transport has it
        await may_end.wait()

    async with ScriptedServer(script) as server:
        with pytest.raises(UpstreamTimeout):
            await transport.send(server.request(body=b"a" * 32 * MEBIBYTE), Timeouts(idle_seconds=0.2))
        may_end.set()


@pytest.mark.parametrize("size", [100, 32 * MEBIBYTE])
async def test_an_answer_that_comes_before_the_request_was_sent_is_handed_on(transport: Transport, size: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\n", b"big")
        await peer.wait_closed()

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(body=b"a" * size), QUICK)
        assert (response.status, await response.read_all(10)) == (413, b"big")
        response.close()
        if size > 100:
            again = await transport.send(server.request(), QUICK)
            again.close()
            assert server.accepted == 2
