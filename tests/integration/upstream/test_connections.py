"""When a connection is used again, and when it must not be."""

import asyncio
import os
from contextlib import AsyncExitStack

import pytest
from tests.integration.upstream.scripted_server import EMPTY_OK, QUICK, Peer, ScriptedServer, always, ok

from aqueduct.domain.http import Origin, Timeouts, UpstreamRequest
from aqueduct.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from aqueduct.upstream.options import Limits, TransportOptions
from aqueduct.upstream.transport import Transport

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def call(transport: Transport, server: ScriptedServer, path: str = "/", timeouts: Timeouts = QUICK) -> bytes:
    response = await transport.send(server.request(path), timeouts)
    try:
        return await response.read_all(1_000_000)
    finally:
        response.close()


async def echo_path(peer: Peer) -> None:
    while True:
        await peer.send(ok((await peer.request()).split(b" ")[1]))


async def test_requests_one_after_another_share_a_connection(transport: Transport) -> None:
    async with ScriptedServer(echo_path) as server:
        for number in range(10):
            assert await call(transport, server, f"/{number}") == b"/%d" % number
        assert server.accepted == 1


async def test_requests_at_the_same_time_get_a_connection_each_and_the_last_used_is_used_first(
    transport: Transport,
) -> None:
    served: list[int] = []
    numbers = iter(range(100))

    async def script(peer: Peer) -> None:
        number = next(numbers)
        while True:
            await peer.request()
            served.append(number)
            await peer.send(EMPTY_OK)

    async with ScriptedServer(script) as server:
        responses = [await transport.send(server.request(), QUICK) for _ in range(3)]
        for response in responses:
            response.close()
        for _ in range(3):
            await call(transport, server)
        assert served == [0, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    "surplus",
    [
        ok(b"second"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsec",
        b"\r\n",
        b"x",
        b"HTTP/1.1 408 Request Timeout\r\n\r\n",
    ],
)
@pytest.mark.parametrize("answer", [ok(b"first"), CHUNKED + b"5\r\nfirst\r\n0\r\n\r\n"])
@pytest.mark.parametrize("is_joined", [True, False])
async def test_surplus_bytes_after_an_answer_poison_the_connection(
    transport: Transport, answer: bytes, surplus: bytes, is_joined: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if is_joined:
            await peer.send(answer + surplus)
        else:
            peer.writer.write(answer)
            peer.writer.write(surplus)
        await peer.wait_closed()

    async with ScriptedServer(script) as server:
        for number in range(3):
            assert await call(transport, server) == b"first"
            assert server.accepted == number + 1


async def test_bytes_on_an_idle_connection_poison_it(transport: Transport) -> None:
    closed = asyncio.Event()
    may_go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(ok(b"first"))
        await may_go_on.wait()
        await peer.send(ok(b"second"))
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script) as server:
        assert await call(transport, server) == b"first"
        may_go_on.set()
        await asyncio.wait_for(closed.wait(), 5)


async def test_bytes_that_the_loop_has_not_seen_yet_poison_an_idle_connection_too(transport: Transport) -> None:
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        peers.append(peer)
        await peer.request()
        await peer.send(ok(b"answer %d" % len(peers)))
        await peer.wait_closed()

    async with ScriptedServer(script) as server:
        assert await call(transport, server) == b"answer 1"
        raw = peers[0].writer.get_extra_info("socket")
        os.write(raw.fileno(), ok(b"for nobody"))
        assert await call(transport, server) == b"answer 2"


@pytest.mark.parametrize("is_orderly", [True, False])
async def test_a_request_goes_out_again_when_its_old_connection_closes_without_a_byte(
    transport: Transport, is_orderly: bool
) -> None:
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        requests.append(await peer.request())
        await peer.send(EMPTY_OK)
        requests.append(await peer.request())
        if is_orderly:
            peer.end()
        else:
            peer.drop()

    async with ScriptedServer(script) as server:
        await call(transport, server, "/1")
        await call(transport, server, "/2")
        assert [request.split(b" ")[1] for request in requests] == [b"/1", b"/2", b"/2"]
        assert server.accepted == 2


async def test_a_request_goes_out_again_only_once(transport: Transport) -> None:
    requests: list[bytes] = []

    async def script(peer: Peer) -> None:
        requests.append(await peer.request())
        if len(requests) <= 3:
            await peer.send(EMPTY_OK)
            requests.append(await peer.request())

    async with ScriptedServer(script) as server:
        for response in [await transport.send(server.request(f"/{n}"), QUICK) for n in (1, 2, 3)]:
            response.close()
        with pytest.raises(UpstreamUnreachable):
            await call(transport, server, "/4")
        assert [request.split(b" ")[1] for request in requests] == [b"/1", b"/2", b"/3", b"/4", b"/4"]


async def test_a_request_is_not_sent_again_after_a_byte_of_an_answer(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(EMPTY_OK)
        await peer.request()
        await peer.send(b"H")

    async with ScriptedServer(script) as server:
        await call(transport, server)
        with pytest.raises(UpstreamUnreachable):
            await call(transport, server)
        assert server.accepted == 1


async def test_a_request_on_a_new_connection_is_not_sent_again(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with ScriptedServer(script) as server:
        with pytest.raises(UpstreamUnreachable):
            await call(transport, server)
        assert server.accepted == 1


async def test_a_request_that_timed_out_is_not_sent_again(transport: Transport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(EMPTY_OK)
        await peer.wait_closed()

    async with ScriptedServer(script) as server:
        await call(transport, server)
        with pytest.raises(UpstreamTimeout):
            await call(transport, server, timeouts=Timeouts(first_byte_seconds=0.05))
        assert server.accepted == 1


async def test_an_answer_that_was_not_read_to_its_end_closes_the_connection(transport: Transport) -> None:
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, b"5\r\nhello\r\n")
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), QUICK)
        assert await response.read() == b"hello"
        response.close()
        response.close()
        await asyncio.wait_for(closed.wait(), 5)
        with pytest.raises(UpstreamUnreachable):
            await response.read()


async def test_a_whole_answer_that_nobody_read_gives_its_connection_back(transport: Transport) -> None:
    async with ScriptedServer(echo_path) as server:
        response = await transport.send(server.request("/unread"), QUICK)
        response.close()
        assert await call(transport, server, "/next") == b"/next"
        assert server.accepted == 1


async def test_an_answer_closed_by_somebody_else_does_not_read_on_in_the_next_one(transport: Transport) -> None:
    turn = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n")
        await turn.wait()
        await peer.send(b"x")
        await peer.request()
        await peer.send(ok(b"the next answer"))
        await peer.wait_closed()

    async with ScriptedServer(script) as server:
        response = await transport.send(server.request(), QUICK)
        reading = asyncio.ensure_future(response.read())
        await asyncio.sleep(0)
        response.close()
        turn.set()
        with pytest.raises(UpstreamUnreachable):
            await reading


@pytest.mark.parametrize("at", ["head", "body"])
async def test_cancelling_closes_the_connection(transport: Transport, at: str) -> None:
    began = asyncio.Event()
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if at == "body":
            await peer.send(CHUNKED)
        began.set()
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script) as server:
        task = asyncio.ensure_future(call(transport, server))
        await began.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 1)


async def test_an_idle_connection_expires() -> None:
    transport = Transport(TransportOptions(limits=Limits(idle_seconds=0.05)))
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(EMPTY_OK)
        await peer.wait_closed()
        closed.set()

    async with ScriptedServer(script) as server:
        await call(transport, server)
        await asyncio.wait_for(closed.wait(), 5)
    await transport.close()


class TestAtTheLimit:
    """What happens to requests when an origin has as many connections as it may."""

    @staticmethod
    def transport(connections: int) -> Transport:
        return Transport(TransportOptions(limits=Limits(connections_per_origin=connections)))

    async def test_requests_wait_in_line(self) -> None:
        transport = self.transport(2)
        async with ScriptedServer(echo_path) as server:
            held = [await transport.send(server.request(), QUICK) for _ in range(2)]
            order: list[int] = []

            async def numbered(number: int) -> None:
                assert await call(transport, server, f"/{number}") == b"/%d" % number
                order.append(number)

            tasks = [asyncio.ensure_future(numbered(number)) for number in range(5)]
            await asyncio.sleep(0)
            for response in held:
                response.close()
            await asyncio.gather(*tasks)
            assert order == [0, 1, 2, 3, 4]
            assert server.accepted == 2
        await transport.close()

    async def test_waiting_ends_at_the_connect_timeout(self) -> None:
        transport = self.transport(1)
        async with ScriptedServer(echo_path) as server:
            held = await transport.send(server.request(), QUICK)
            with pytest.raises(UpstreamTimeout):
                await call(transport, server, timeouts=Timeouts(connect_seconds=0.05))
            held.close()
            assert await call(transport, server, "/after") == b"/after"
            assert server.accepted == 1
        await transport.close()

    async def test_a_place_is_never_lost(self) -> None:
        transport = self.transport(2)
        sent = 0

        async def script(peer: Peer) -> None:
            nonlocal sent
            while True:
                path = (await peer.request()).split(b" ")[1]
                sent += 1
                if sent % 7 == 0:
                    return
                await peer.send(ok(path) if sent % 5 else b"rubbish")

        async with ScriptedServer(script) as server:

            async def numbered(number: int) -> None:
                try:
                    async with asyncio.timeout(0.001 if number % 11 == 0 else 10):
                        assert await call(transport, server, f"/{number}") == b"/%d" % number
                except (TimeoutError, UpstreamError):
                    pass

            await asyncio.gather(*[numbered(number) for number in range(200)])
            sent = 0
            held = [await transport.send(server.request(), QUICK) for _ in range(2)]
            with pytest.raises(UpstreamTimeout):
                await call(transport, server, timeouts=Timeouts(connect_seconds=0.05))
            for response in held:
                response.close()
        await transport.close()

    async def test_other_origins_are_not_held_up(self) -> None:
        transport = self.transport(1)
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(ScriptedServer(echo_path)) for _ in range(2)]
            held = [await transport.send(server.request(), QUICK) for server in servers]
            for response in held:
                response.close()
        await transport.close()


async def test_nobody_listening_is_unreachable_and_no_address_is_told(transport: Transport) -> None:
    async with ScriptedServer(always(EMPTY_OK)) as server:
        request = server.request()
    with pytest.raises(UpstreamUnreachable) as caught:
        await transport.send(request, QUICK)
    assert "127.0.0.1" not in str(caught.value)


async def test_an_unknown_name_is_unreachable_and_not_told(transport: Transport) -> None:
    request = UpstreamRequest("GET", Origin("http", "nowhere.invalid", 80), "/", ())
    with pytest.raises(UpstreamUnreachable) as caught:
        await transport.send(request, QUICK)
    assert "nowhere" not in str(caught.value)


async def test_closing_ends_everything_and_nothing_is_sent_afterwards() -> None:
    transport = Transport(TransportOptions(limits=Limits(connections_per_origin=2)))
    async with ScriptedServer(always(CHUNKED)) as server:
        held = [await transport.send(server.request(), QUICK) for _ in range(2)]
        reading = asyncio.ensure_future(held[0].read())
        waiting = asyncio.ensure_future(call(transport, server))
        await asyncio.sleep(0)
        await transport.close()
        for future in (reading, waiting):
            with pytest.raises(UpstreamUnreachable):
                await future
        with pytest.raises(UpstreamUnreachable):
            await transport.send(server.request(), QUICK)
        await transport.close()
