"""What keeps answers, in memory and at a real Valkey server, does the same."""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.cache.contract import AnswerStore
from aqueduct.cache.memory import OVERHEAD_BYTES, MemoryAnswers
from aqueduct.cache.valkey import ValkeyAnswers, pack, unpack
from aqueduct.errors import ConfigurationError

PATIENCE_SECONDS = 10.0
_prefixes = map(f"test-{os.getpid()}-{{}}:".format, itertools.count())


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyProcess]:
    with ValkeyProcess() as process:
        yield process


@contextlib.asynccontextmanager
async def running(store: AnswerStore) -> AsyncIterator[AnswerStore]:
    """Do a store's work beside what uses it."""
    task = asyncio.create_task(store.run())
    try:
        yield store
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await store.close()


@pytest.fixture(params=["memory", "valkey"])
async def store(request: pytest.FixtureRequest, server: ValkeyProcess) -> AsyncIterator[AnswerStore]:
    made: AnswerStore = (
        MemoryAnswers(10_000_000)
        if request.param == "memory"
        else ValkeyAnswers(server.url, timeout_seconds=PATIENCE_SECONDS, prefix=next(_prefixes))
    )
    async with running(made) as found:
        yield found


async def gone(store: AnswerStore, key: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while await store.get(key) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("size", [0, 1, 2_000, 300_000])
async def test_what_was_put_is_there_at_once_and_until_its_time_is_over(store: AnswerStore, size: int) -> None:
    value = bytes(index % 251 for index in range(size))
    assert await store.get("k") is None
    store.put("k", value, 60.0)
    assert await store.get("k") == value
    store.put("k", b"another", 60.0)
    assert await store.get("k") == b"another"
    store.put("k", b"a third", 0.05)
    await gone(store, "k")


async def test_keys_are_apart(store: AnswerStore) -> None:
    for number in range(50):
        store.put(f"k{number}", b"%d" % number, 60.0)
    await asyncio.sleep(0.05)
    assert [await store.get(f"k{number}") for number in range(50)] == [b"%d" % number for number in range(50)]


async def test_memory_lets_the_least_recently_used_go_and_takes_nothing_larger_than_itself() -> None:
    now = 0.0
    store = MemoryAnswers(3 * (100 + OVERHEAD_BYTES), lambda: now)
    for key in ("a", "b", "c"):
        store.put(key, b"x" * 100, 60.0)
    assert await store.get("a") is not None
    store.put("d", b"x" * 100, 60.0)
    assert [await store.get(key) is not None for key in "abcd"] == [True, False, True, True]
    store.put("a", b"x" * 5_000, 60.0)
    assert await store.get("a") is None
    now = 60.0
    assert await store.get("d") is None


async def test_gateways_share_what_is_at_the_server(server: ValkeyProcess) -> None:
    prefix = next(_prefixes)
    one = ValkeyAnswers(server.url, timeout_seconds=PATIENCE_SECONDS, prefix=prefix)
    two = ValkeyAnswers(server.url, timeout_seconds=PATIENCE_SECONDS, prefix=prefix)
    async with running(one), running(two):
        one.put("k", b"v" * 5_000, 60.0)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await two.get("k") is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert await two.get("k") == b"v" * 5_000
    # Kept for as long as was said, and compressed.
    assert 50_000 < int(server.command("PTTL", prefix + "k")[1:]) <= 60_000
    assert int(server.command("STRLEN", prefix + "k")[1:]) < 500


async def test_a_server_that_hangs_or_is_gone_holds_nobody_up() -> None:
    with ValkeyProcess() as process:
        store = ValkeyAnswers(process.url)
        async with running(store):
            process.pause()
            began_at = time.monotonic()
            assert await store.get("k") is None
            # Asked once, it is left alone for a moment.
            assert [await store.get("k") for _ in range(100)] == [None] * 100
            assert time.monotonic() - began_at < 1.0
            store.put("k", b"v", 60.0)
            assert await store.get("k") == b"v"
            process.resume()
            process.kill()
            assert await store.get("other") is None


async def test_a_server_that_comes_back_is_used_again() -> None:
    with ValkeyProcess() as process:
        store = ValkeyAnswers(process.url, timeout_seconds=PATIENCE_SECONDS)
        async with running(store):
            process.kill()
            assert await store.get("k") is None
            process.start()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while process.command("EXISTS", "aqueduct:answer:k") != ":1":
                assert time.monotonic() < deadline
                store.put("k", b"v", 60.0)
                await asyncio.sleep(0.1)
            assert await store.get("k") == b"v"


@pytest.mark.parametrize("packed", [b"", b"\x02abc", b"\x01abc", pack(b"x" * 9_000)[:-4]])
def test_what_was_not_packed_is_nothing(packed: bytes) -> None:
    assert unpack(packed) is None


def test_a_url_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ValkeyAnswers("nothing://user:secret@host")
    assert "AQUEDUCT_CACHE_VALKEY_URL" in str(caught.value)
    assert "secret" not in str(caught.value)
