"""Answers kept in this process: the least recently used go first, where there are too many bytes of them."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TLRUCache
from typing_extensions import override

from aqueduct.cache.contract import AnswerStore
from aqueduct.telemetry.metrics import CACHE_BYTES

OVERHEAD_BYTES = 400
"""About what an answer takes beside its own bytes: its key, and its places in the order of use and of expiry."""
SWEEP_SECONDS = 60.0
"""How often what has lapsed is let go of, though nobody asked for it or needed its room."""


class _Kept(NamedTuple):
    value: bytes
    ttl_seconds: float


def _expires_at(_key: str, kept: _Kept, now: float) -> float:
    return now + kept.ttl_seconds


def _size(kept: _Kept) -> int:
    return len(kept.value) + OVERHEAD_BYTES


class MemoryAnswers(AnswerStore):
    """Keeps up to `max_bytes`. `clock` (seconds) replaces the monotonic one, in tests."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._kept: TLRUCache[str, _Kept] = TLRUCache(max_bytes, _expires_at, timer=clock, getsizeof=_size)
        CACHE_BYTES.set_function(lambda: self._kept.currsize)

    @override
    async def get(self, key: str) -> bytes | None:
        kept = self._kept.get(key)
        return None if kept is None else kept.value

    @override
    def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        kept = _Kept(value, ttl_seconds)
        if _size(kept) <= self._max_bytes:
            self._kept[key] = kept
        else:
            # What was there is old all the same.
            self._kept.pop(key, None)

    @override
    async def run(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._kept.expire()

    @override
    async def close(self) -> None:
        self._kept.clear()
