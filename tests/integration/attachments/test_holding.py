"""What is fetched for a request is held of the process's room, and let go with it."""

import json
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

import pytest
from tests.documents import PNG
from tests.scripted_upstream import ScriptedUpstream, reply

from aqueduct.errors import InvalidRequest, Overloaded
from aqueduct.gateway.attachments.conversion import Converter, Needs
from aqueduct.gateway.attachments.fetching import UrlFetcher
from aqueduct.gateway.attachments.parts import Part, find_parts
from aqueduct.gateway.attachments.room import Holding, Room
from aqueduct.gateway.documents.extraction import DocumentReader
from aqueduct.upstream.addresses import AddressGuard
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport
from aqueduct.wire.chat import parse_chat

IMAGE = PNG + b"x" * 300_000
NEEDS = Needs(fetches_urls=False, file_types=frozenset(), reads_images=True, drops_images=False)


@pytest.fixture(scope="module")
def web() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as web:
        yield web


@pytest.fixture
async def fetcher() -> AsyncIterator[UrlFetcher]:
    transport = Transport()
    yield UrlFetcher(transport, AddressGuard((ip_network("127.0.0.1/32"),), TransportOptions()))
    await transport.close()


def images(web: ScriptedUpstream, count: int) -> list[Part]:
    parts = [{"type": "image_url", "image_url": {"url": f"http://127.0.0.1:{web.port}/{at}"}} for at in range(count)]
    return find_parts(parse_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()))


async def test_images_hold_room_until_the_request_is_over(web: ScriptedUpstream, fetcher: UrlFetcher) -> None:
    web.reset()
    web.script(reply(IMAGE), reply(IMAGE), reply(b"", status=404), reply(IMAGE))
    room = Room(3_000_000, wait_seconds=0.05)
    holding = Holding(room)
    reader = DocumentReader()
    converter = Converter(fetcher, reader, holding, "caller")
    first, second, missing, third = images(web, 4)
    made = await converter.convert(first, NEEDS)
    assert made is not None
    assert 4 * len(IMAGE) == room.bytes
    await converter.convert(second, NEEDS)
    with pytest.raises(InvalidRequest):
        await converter.convert(missing, NEEDS)
    assert 8 * len(IMAGE) == room.bytes  # nothing is held for what could not be had
    with pytest.raises(Overloaded):
        await converter.convert(third, NEEDS)
    assert 8 * len(IMAGE) == room.bytes
    holding.release()
    assert room.bytes == 0
    await reader.close()
