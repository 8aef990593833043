"""Fetching what a client names by its address: within its limits, and not at all where nobody decides where to go."""

from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

import pytest
from tests.documents import PNG
from tests.scripted_upstream import Hold, Pause, ScriptedUpstream, Send, Step, reply

from aqueduct.domain.http import Timeouts
from aqueduct.gateway.attachments.fetching import Fetched, NotAllowed, NotFetched, TooLarge, UrlFetcher
from aqueduct.upstream.addresses import AddressGuard
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport


@pytest.fixture(scope="module")
def web() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as web:
        yield web


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.close()


async def free(size: int) -> None:
    """There is room for everything."""


def fetcher(transport: Transport) -> UrlFetcher:
    guard = AddressGuard((ip_network("127.0.0.1/32"),), TransportOptions())
    return UrlFetcher(transport, guard, Timeouts(first_byte_seconds=0.3, idle_seconds=0.3, total_seconds=0.5))


async def test_what_is_fetched_comes_with_its_name_and_type(web: ScriptedUpstream, transport: Transport) -> None:
    web.reset()
    web.script(reply(PNG, headers=[("content-type", "Image/PNG; charset=x")]))
    fetched = await fetcher(transport).fetch(f"http://127.0.0.1:{web.port}/a/caf%C3%A9.png?x=/y#z", 1000, free)
    assert fetched == Fetched(PNG, "image/png", "café.png")
    assert web.received[0].path == "/a/caf%C3%A9.png?x=/y"


async def test_without_a_guard_nothing_is_fetched(web: ScriptedUpstream, transport: Transport) -> None:
    web.reset()
    with pytest.raises(NotAllowed):
        await UrlFetcher(transport, None).fetch(f"http://127.0.0.1:{web.port}/", 1000, free)
    assert web.received == []


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (reply(b"x" * 1001), TooLarge),
        ([Send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 1001), Hold()], TooLarge),
        (reply(b"x", headers=[("content-encoding", "gzip")]), NotFetched),
        ([Hold()], NotFetched),
        ([Send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"), *([Send(b"x"), Pause(0.2)] * 8)], NotFetched),
        (reply(b"", status=302, headers=[("location", "//[half")]), NotFetched),
        (reply(b"", status=302), NotFetched),
        (reply(b"", status=204), NotFetched),
    ],
    ids=range(8),
)
async def test_what_is_too_much_too_slow_or_no_answer_is_not_taken(
    script: list[Step], error: type[Exception], web: ScriptedUpstream, transport: Transport
) -> None:
    web.reset()
    web.script(script)
    with pytest.raises(error):
        await fetcher(transport).fetch(f"http://127.0.0.1:{web.port}/a", 1000, free)
