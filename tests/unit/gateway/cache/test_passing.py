"""Who waits for an answer that passes does not depend on the pace of the client to whom it passes."""

import asyncio
from collections.abc import Sequence

from typing_extensions import override

from aqueduct.domain.model import Provider, Target
from aqueduct.gateway.cache import exchanges
from aqueduct.gateway.cache.exchanges import Followers, KeptExchange
from aqueduct.gateway.exchange import SSE_TYPE, Sink

TARGET = Target(provider=Provider(name="p", kind="openai"), model="m")


class Stream:
    """A stream of blocks, no faster than its client."""

    target = TARGET
    content_type = SSE_TYPE
    finish_reason = "stop"

    def __init__(self, blocks: Sequence[bytes]) -> None:
        self._blocks = list(blocks)

    @property
    def is_whole(self) -> bool:
        return not self._blocks

    async def read(self) -> bytes:
        return self._blocks.pop(0)

    async def pump(self, sink: Sink) -> bytes:
        while True:
            if sink.is_congested:
                await sink.drain()
            block = await self.read()
            if self.is_whole:
                return block
            sink.write(block)

    def close(self) -> None:
        pass

    def contents(self) -> dict[int, str]:
        return {}


class Client:
    """Reads when it is told to."""

    is_congested = True

    def __init__(self) -> None:
        self.may_read = asyncio.Event()

    async def drain(self) -> None:
        await self.may_read.wait()

    def write(self, block: bytes) -> None:
        pass


class Waiting:
    """What those who wait were told."""

    def __init__(self) -> None:
        self.said: list[bytes | None] = []
        self.released = asyncio.Event()
        self.followers = Followers(self.said.append, self.released.set)


async def test_a_client_that_does_not_read_holds_nobody_up() -> None:
    waiting, client = Waiting(), Client()
    kept = KeptExchange(Stream([b"a", b"b", b"c"]), 1000, waiting.followers)
    started = asyncio.get_running_loop().time()
    pumping = asyncio.create_task(kept.pump(client))
    await waiting.released.wait()
    assert asyncio.get_running_loop().time() - started < exchanges.PATIENCE_SECONDS + 1.0
    client.may_read.set()
    await pumping
    kept.close()
    assert waiting.said == [b"abc"]  # it is kept all the same


class SlowClient(Client):
    """Reads a little now and then."""

    @override
    async def drain(self) -> None:
        await asyncio.sleep(0.05)


async def test_a_client_that_reads_slowly_again_and_again_loses_his_followers_too() -> None:
    waiting = Waiting()
    kept = KeptExchange(Stream([b"a"] * 1000), 10_000, waiting.followers)
    pumping = asyncio.create_task(kept.pump(SlowClient()))
    await waiting.released.wait()
    assert not pumping.done()
    pumping.cancel()


async def test_a_client_that_reads_keeps_his_followers_to_the_end() -> None:
    waiting, client = Waiting(), Client()
    client.may_read.set()
    kept = KeptExchange(Stream([b"a", b"b"]), 1000, waiting.followers)
    await kept.pump(client)
    kept.close()
    assert (waiting.said, waiting.released.is_set()) == ([b"ab"], False)


async def test_nobody_waits_for_an_answer_that_is_too_long_to_be_kept() -> None:
    waiting, client = Waiting(), Client()
    kept = KeptExchange(Stream([b"a" * 500_000, b"b", b"c"]), 10, waiting.followers)
    await kept.read()
    assert waiting.released.is_set()
    client.may_read.set()
    await kept.pump(client)
    kept.close()
    assert waiting.said == [None]
