"""Keeps this gateway's picture of its targets and the board's the same: some times a second, and when a thing changes.

Nothing here is awaited by a request. A target is shared under a hash of what it is (provider, address, credential,
model, see `identify`): configs that differ do not mix, and no credential is ever said.
"""

import asyncio
import contextlib
import hashlib
import math
import platform
import secrets
from collections.abc import Callable, Iterable

import msgspec
import structlog
from redis.exceptions import RedisError

from aqueduct.errors import UpstreamError
from aqueduct.gateway.routing.leases import DENIED_SECONDS
from aqueduct.gateway.routing.policy import Symptom
from aqueduct.gateway.routing.quota import NOBODY
from aqueduct.gateway.routing.traffic import TargetState, Traffic
from aqueduct.gateway.sharing.board import LEASE_MS, Board, Health, Heard, Said, Usage
from aqueduct.telemetry.metrics import HEALTH_IS_SHARED

INTERVAL_SECONDS = 0.3
"""How often the board is looked at: what others find out acts here within it."""
TIMEOUT_SECONDS = 0.5
"""How long the server may take before this gateway goes on alone."""
USE_SECONDS = 1.0
"""How often it is said and heard what is used of limits: that is as much as all gateways and targets together."""
RETRY_SECONDS = 1.0

_PAUSE_SECONDS = 0.02
"""Between two exchanges at the least, so that what happens in one moment is said at once."""
_SYMPTOMS = {symptom.value: symptom for symptom in Symptom}
_LOOPBACK = ("localhost", "127.", "::1")

Learned = Callable[[TargetState], None]
"""Hears of every target of which another gateway has found out that it is out of use, or back."""

logger = structlog.get_logger(__name__)


class Alone:
    """What there is instead where no server is: nothing to do."""

    async def run(self) -> None:
        """Return at once."""


class Sharing:
    """Says what changes here and learns what changed elsewhere; `begin` before the first request, then `run`."""

    def __init__(self, board: Board, traffic: Traffic, learned: Learned) -> None:
        self._board = board
        self._traffic = traffic
        self._learned = learned
        self._gateway = secrets.token_hex(6)
        self._machine = platform.node()
        self._keys: dict[str, str | None] = {}
        self._since = 0
        self._generation = traffic.generation
        self._changed: set[str] = set()
        self._in_use: set[str] = set()
        self._used_at = float("-inf")
        self._has_news = asyncio.Event()
        self._is_away = False
        traffic.listeners.append(self._note)
        traffic.leases.wake = self._has_news.set

    async def begin(self) -> None:
        """Learn what is out of use before anything is asked, if the server answers."""
        await self.exchange()

    async def run(self) -> None:
        """Share until cancelled, whatever happens to the server."""
        try:
            while True:
                if await self.exchange():
                    await asyncio.sleep(_PAUSE_SECONDS)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(INTERVAL_SECONDS):
                            await self._has_news.wait()
                else:
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            await self.close()

    async def close(self) -> None:
        """Leave the server."""
        await self._board.close()

    def _note(self, state: TargetState, _: UpstreamError | None) -> None:
        self._changed.add(state.id)
        self._has_news.set()

    async def exchange(self) -> bool:
        """Say and hear once; return whether the server has answered."""
        self._has_news.clear()
        sent_at = self._traffic.now()
        said = self._say(sent_at)
        changed, self._changed = self._changed, set()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                heard = await self._board.exchange(said)
        except (RedisError, OSError, TimeoutError) as error:
            self._changed |= changed
            self._go_on_alone(error)
            return False
        self._meet()
        self._hear(said, heard, sent_at)
        return True

    def _say(self, now: float) -> Said:
        if self._generation != self._traffic.generation:
            # Other targets are served now: everything is learnt anew.
            self._generation = self._traffic.generation
            self._keys.clear()
            self._since = 0
        shared = [(key, state) for state in self._traffic.states if (key := self._key(state)) is not None]
        leases = self._traffic.leases
        said = Said(
            gateway=self._gateway,
            since=self._since,
            changed=[_health(key, state, now) for key, state in shared if state.id in self._changed],
            # A turn that is used is kept by asking for it again.
            wanted=[key for key, state in shared if state.id in leases.wanted or state.breaker.is_probed],
            returned=[key for key, state in shared if state.id in leases.returned],
        )
        if now - self._used_at >= USE_SECONDS:
            self._used_at = now
            said.used = self._use(shared, now)
            said.has_limits = any(state.quota is not None for _, state in shared)
        leases.returned.clear()
        return said

    def _use(self, shared: Iterable[tuple[str, TargetState]], now: float) -> list[Usage]:
        """Return what is used, and what is so no more, of the targets that have limits."""
        found = [(key, state.quota.use(now, state.in_flight)) for key, state in shared if state.quota is not None]
        said = [Usage(key, *msgspec.structs.astuple(use)) for key, use in found if use != NOBODY or key in self._in_use]
        self._in_use = {key for key, use in found if use != NOBODY}
        return said

    def _hear(self, said: Said, heard: Heard, sent_at: float) -> None:
        self._since = heard.version
        if not (heard.changed or said.wanted or said.has_limits):
            return
        by_key = {key: state for state in self._traffic.states if (key := self._key(state)) is not None}
        for each in heard.changed:
            if (state := by_key.get(each.key)) is not None:
                self._learn(state, each, sent_at)
        leases = self._traffic.leases
        for state in [by_key[key] for key in heard.granted if key in by_key]:
            leases.grant(state.id, sent_at + LEASE_MS / 1000)
        for state in [by_key[key] for key in heard.denied if key in by_key]:
            leases.deny(state.id, self._traffic.now() + DENIED_SECONDS)
        for key, state in by_key.items() if said.has_limits else ():
            if state.quota is not None:
                state.quota.others = heard.used.get(key, NOBODY)

    def _learn(self, state: TargetState, health: Health, sent_at: float) -> None:
        if health.reason not in _SYMPTOMS:
            return  # a later version's
        is_back = state.breaker.is_closed or health.reason == Symptom.NONE.value
        if state.id in self._changed and is_back:
            # What has happened here meanwhile is newer, and is said next. Of two openings the longer one counts all the
            # same: the board keeps it whatever is said, and does not tell it again.
            return
        ends_at = sent_at + health.remaining_ms / 1000
        if state.breaker.learn(
            _SYMPTOMS[health.reason], ends_at, health.openings, self._traffic.now(), state.in_flight
        ):
            self._learned(state)

    def _meet(self) -> None:
        """The server answers: what is out of use here is said, whoever knew of it before."""
        leases = self._traffic.leases
        if leases.is_shared:
            return
        leases.is_shared = True
        HEALTH_IS_SHARED.set(1)
        self._changed |= {state.id for state in self._traffic.states if not state.breaker.is_closed}
        if self._is_away:
            self._is_away = False
            logger.warning("target health is shared again")

    def _go_on_alone(self, error: Exception) -> None:
        self._used_at = float("-inf")
        self._traffic.leases.end()
        self._since = 0
        HEALTH_IS_SHARED.set(0)
        for state in self._traffic.states:
            if state.quota is not None:
                state.quota.others = NOBODY
        if not self._is_away:
            self._is_away = True
            logger.error("target health is not shared", reason=f"{type(error).__name__}: {error}"[:200])

    def _key(self, state: TargetState) -> str | None:
        """Return what a target is shared as; None for what is this gateway's alone, as the embedded engine is."""
        if state.id not in self._keys:
            origin = state.target.provider.origin
            if origin is None:
                self._keys[state.id] = None
            elif origin.host.startswith(_LOOPBACK):
                # Another machine's loopback is another server.
                self._keys[state.id] = hashlib.sha256(f"{self._machine} {state.id}".encode()).hexdigest()[:32]
            else:
                self._keys[state.id] = state.id
        return self._keys[state.id]


def _health(key: str, state: TargetState, now: float) -> Health:
    breaker = state.breaker
    remaining = 0.0 if breaker.is_closed else breaker.open_until - now
    return Health(key, breaker.reason.value, math.ceil(remaining * 1000), breaker.openings)
