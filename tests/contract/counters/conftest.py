"""Counters of both kinds, for one suite of tests."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import uvloop
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.counters.contract import Counters
from aqueduct.counters.memory import MemoryCounters
from aqueduct.counters.valkey import ValkeyCounters

PATIENCE_SECONDS = 10.0
"""How long a test waits for a server on a busy machine, where time is not what is tested."""

_prefixes = map(f"test-{os.getpid()}-{{}}".format, itertools.count())


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """The loop that the gateway runs on."""
    return {"uvloop": uvloop.new_event_loop}


class Clock:
    """A clock that stands until it is told to go on; in milliseconds."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


OpenCounters = Callable[[], Counters]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[ValkeyProcess]:
    """A server for all tests that leave it as it is."""
    with ValkeyProcess() as server:
        yield server


@pytest.fixture
def server() -> Iterator[ValkeyProcess]:
    """A server for one test to do with as it likes."""
    with ValkeyProcess() as server:
        yield server


def valkey_counters(server: ValkeyProcess, clock: Clock | None = None) -> ValkeyCounters:
    """Counters that begin with nothing, are patient, and hold a place for as long as a test may turn its clock."""
    return ValkeyCounters(
        server.url, timeout_seconds=PATIENCE_SECONDS, life_seconds=1e6, prefix=next(_prefixes), clock=clock
    )


@pytest.fixture(params=["memory", "valkey"])
def counters(request: pytest.FixtureRequest, clock: Clock) -> Counters:
    """Counters that go by the test's clock; not open yet."""
    if request.param == "memory":
        return MemoryCounters(clock)
    return valkey_counters(request.getfixturevalue("shared_server"), clock)
