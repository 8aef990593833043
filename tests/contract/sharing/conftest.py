"""Gateways that share what they know of targets over a real Valkey server; a test moves their clocks."""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.domain.routing import BreakerRules, TargetLimits
from aqueduct.errors import UpstreamError, UpstreamServerError
from aqueduct.gateway.routing.traffic import Flight, TargetState, Traffic
from aqueduct.gateway.sharing.board import Board
from aqueduct.gateway.sharing.sharing import Sharing

RULES = BreakerRules(failures=1, cooling_seconds=10.0)
_prefixes = map(f"sharing-{os.getpid()}-{{}}".format, itertools.count())


class Gateway:
    """One gateway's side: its traffic, on a clock of its own, and what it shares."""

    def __init__(self, url: str, prefix: str, *targets: Target) -> None:
        self.at = 1_000.0
        self.learned: list[TargetState] = []
        self.traffic = Traffic(lambda: self.at)
        self.traffic.retain(targets or [target()])
        self.sharing = Sharing(Board(url, prefix), self.traffic, self.learned.append)

    @property
    def state(self) -> TargetState:
        """The first target's state."""
        return next(iter(self.traffic.states))

    def ask(self) -> Flight:
        """Begin a request."""
        return self.traffic.begin(self.state.target, None, is_stream=False)

    def fail(self, error: UpstreamError | None = None) -> None:
        """Make a request that fails."""
        self.ask().end(error or UpstreamServerError("no", status=500), {}, is_whole=False)

    async def exchange(self) -> bool:
        """Say and hear once."""
        return await self.sharing.exchange()


def target(*, api_key: str = "sk-secret-of-ours", limits: TargetLimits | None = None, **members: Any) -> Target:
    """Return a target."""
    origin = members.pop("origin", Origin("https", "api.example.com", 443))
    provider = Provider(name="a", kind="openai", origin=origin, api_key=api_key, breaker=RULES)
    return Target(provider=provider, model="m", limits=limits, **members)


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


@pytest.fixture
def prefix() -> str:
    """Keys of the test's own."""
    return next(_prefixes)
