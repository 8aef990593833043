"""Asks providers in the background whether they are well, where the config says so: an outage ends sooner that way.

A check that fails counts as a request that failed; one that goes well brings back what had been failing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from aqueduct.domain.http import Timeouts, UpstreamRequest
from aqueduct.domain.model import Provider
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import UpstreamError, UpstreamServerError
from aqueduct.gateway.routing.policy import Symptom
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.providers.registry import Kind
from aqueduct.upstream.connection import UpstreamResponse

_TICK_SECONDS = 1.0
_TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=10.0, idle_seconds=10.0, total_seconds=15.0)
_MAX_BYTES = 16 * 1024 * 1024


class Transport(Protocol):
    """Sends a request over HTTP."""

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Return the answer once its head is there; raise `UpstreamError`."""


class HealthChecks:
    """Checks each provider at its own interval; `snapshot` tells which there are at the moment."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], traffic: Traffic, kinds: Mapping[str, Kind], transport: Transport
    ) -> None:
        self._snapshot = snapshot
        self._kinds = kinds
        self._traffic = traffic
        self._transport = transport
        self._checked_at: dict[Provider, float] = {}

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Check the providers whose turn it is, all at once."""
        now = self._traffic.now()
        providers = {target.provider for model in self._snapshot().models for target in model.targets}
        before = self._checked_at
        due = [
            provider
            for provider in providers
            if provider.health_check_seconds is not None
            and now - before.get(provider, float("-inf")) >= provider.health_check_seconds
        ]
        self._checked_at = {provider: at for provider, at in before.items() if provider in providers}
        self._checked_at |= dict.fromkeys(due, now)
        async with asyncio.TaskGroup() as group:
            for provider in due:
                group.create_task(self._check_provider(provider))

    async def _check_provider(self, provider: Provider) -> None:
        error: UpstreamError | None = None
        try:
            await self._ask(provider)
        except UpstreamError as failure:
            error = failure
        for state in list(self._traffic.states):
            if state.target.provider is not provider:
                continue
            breaker = state.breaker
            if error is not None:
                if breaker.fail(Symptom.FAILURE, self._traffic.now()):
                    self._traffic.tell(state, error)
            elif breaker.reason in (Symptom.FAILURE, Symptom.OVERLOAD):
                breaker.close()
                self._traffic.tell(state, None)

    async def _ask(self, provider: Provider) -> None:
        """Ask for the list of models, which costs nothing; any answer but a failure shows that it is there."""
        if provider.origin is None:
            return
        kind = self._kinds[provider.kind]
        request = UpstreamRequest("GET", provider.origin, kind.models_path(provider), kind.headers(provider))
        response = await self._transport.send(request, _TIMEOUTS)
        try:
            await response.read_all(_MAX_BYTES)
        finally:
            response.close()
        if response.status >= 500:
            raise UpstreamServerError(f"status {response.status}", status=response.status)
