"""A checker with real worker processes, and a clock on the event loop."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from aqueduct.gateway.schema.checker import SchemaChecker


class Stalls:
    """How long the event loop was away, at the longest."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.002)
            self.longest_seconds = max(self.longest_seconds, time.perf_counter() - before - 0.002)


@contextlib.asynccontextmanager
async def watched_loop() -> AsyncIterator[Stalls]:
    """Watch the event loop for stalls while the block runs."""
    stalls = Stalls()
    watcher = asyncio.create_task(stalls.watch())
    try:
        await asyncio.sleep(0.01)
        yield stalls
        await asyncio.sleep(0.01)
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


@pytest.fixture
async def checker() -> AsyncIterator[SchemaChecker]:
    """A checker with the shipped limits but a shorter deadline."""
    checker = SchemaChecker(deadline_seconds=0.5)
    yield checker
    await checker.close()
