"""The way to an answer by the cache: a kept one, one that is being made, or a new one, which is then kept."""

from functools import partial
from typing import NamedTuple

from aqueduct.domain.cache import CacheOutcome, CachePolicy
from aqueduct.domain.model import Model
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import CountersUnavailable, InsufficientQuota, RateLimitExceeded
from aqueduct.gateway.account import Entry
from aqueduct.gateway.admit import Limiter
from aqueduct.gateway.cache.answer import CacheUse, StoredAnswer, decode
from aqueduct.gateway.cache.directives import read_directives
from aqueduct.gateway.cache.exchanges import REPLAYS, Followers, KeptExchange, StoredExchange
from aqueduct.gateway.cache.flights import Flights, Lead
from aqueduct.gateway.cache.keeper import Keeper, Passed
from aqueduct.gateway.cache.key import cache_key, size_of
from aqueduct.gateway.exchange import Exchange, Outgoing, PlainExchange
from aqueduct.gateway.route import Router
from aqueduct.gateway.routing.steering import speaks_for
from aqueduct.telemetry.metrics import CACHE_JOINS, CACHE_REQUESTS
from aqueduct.wire.request import Request

OWN_REFUSALS = (RateLimitExceeded, InsufficientQuota, CountersUnavailable)
"""Why a request goes no further that says nothing of others: each has its own limits."""


class Steered(NamedTuple):
    """Where a request goes if no answer is kept: the model that rules send it to, and the request for that one."""

    model: Model
    request: Request


class CachedRouter:
    """Opens what models with a cache are asked.

    It admits too, for only here it is known whether a request will cost anything: one that is answered by the cache
    counts as a request, and uses no tokens and no money.
    """

    def __init__(self, router: Router, limiter: Limiter, keeper: Keeper) -> None:
        self._router = router
        self._limiter = limiter
        self._keeper = keeper
        self._flights: Flights[StoredAnswer] = Flights()

    async def open(self, model: Model, request: Request, entry: Entry, snapshot: Snapshot) -> Outgoing:
        """Return an answer; raises what admitting and routing raise."""
        policy = model.cache
        if policy is None:
            raise ValueError("the model has no cache")
        wish = read_directives(entry.call.headers, policy)
        steered = self._steered(model, request, entry, snapshot)
        is_out = wish.is_bypass or request.operation not in REPLAYS
        key = None if is_out else cache_key(request, model, entry.principal, steered.model)
        if key is None:
            note(entry, CacheOutcome.BYPASS)
            return await self._ask(model, request, steered, entry, snapshot)
        lead: Lead[StoredAnswer] | None = None
        answer: StoredAnswer | None = None
        if wish.shares(policy):
            lead, answer = await self._join(key, policy)
        elif wish.reads:
            answer = await self._find(key, wish.max_age_seconds)
        if answer is not None:
            if entry.principal.limits or entry.principal.budgets:
                await self._limiter.admit_free(entry, request, model)
            note(entry, CacheOutcome.HIT, answer)
            return StoredExchange(answer, request)
        note(entry, CacheOutcome.MISS if wish.reads else CacheOutcome.REFRESH)
        try:
            exchange = await self._ask(model, request, steered, entry, snapshot)
        except BaseException as error:
            give_up(lead, entry, error)
            raise
        if wish.stores and speaks_for(steered.model, exchange.target):
            return self._keeping(exchange, entry, policy, key, lead)
        # A fallback does not speak for the model.
        land(lead)
        return exchange

    def _steered(self, model: Model, request: Request, entry: Entry, snapshot: Snapshot) -> Steered:
        if not model.routing.is_steered:
            return Steered(model, request)
        return Steered(*self._router.steer(model, request, entry, snapshot))

    async def _join(self, key: str, policy: CachePolicy) -> tuple[Lead[StoredAnswer] | None, StoredAnswer | None]:
        """Return the lead, an answer, or neither where each is to ask for himself.

        Who leads looks for a kept answer first, for all; none is overlooked that another one has just been given.
        """
        lead = self._flights.begin(key)
        if lead is None:
            CACHE_JOINS.inc()
            found = await self._flights.wait(key)
            return (found, None) if isinstance(found, Lead) else (None, found)
        try:
            answer = await self._find(key, policy.ttl_seconds)
        except BaseException:
            lead.hand_over()
            raise
        if answer is None:
            return lead, None
        lead.land(answer)
        return None, answer

    async def _find(self, key: str, max_age_seconds: float) -> StoredAnswer | None:
        """Return a kept answer that is not too old."""
        value = await self._keeper.store.get(key)
        answer = None if value is None else decode(value)
        return None if answer is None or answer.age_seconds() > max_age_seconds else answer

    def _keeping(
        self, exchange: Exchange, entry: Entry, policy: CachePolicy, key: str, lead: Lead[StoredAnswer] | None
    ) -> Outgoing:
        """Return the answer, which is kept when it has passed whole."""

        def conclude(said: bytes | None) -> None:
            if said is not None:
                passed = Passed(
                    key=key,
                    policy=policy,
                    operation=entry.operation,
                    said=said,
                    is_stream=not isinstance(exchange, PlainExchange),
                    finish_reason=exchange.finish_reason,
                    attempts=[attempt for attempt in entry.attempts if attempt.target is exchange.target],
                    lead=lead,
                )
                self._keeper.take(passed)
            elif exchange.is_whole:
                land(lead)
            else:
                give_up(lead, entry)

        return KeptExchange(exchange, policy.max_bytes, Followers(conclude, partial(land, lead)))

    async def _ask(
        self, model: Model, request: Request, steered: Steered, entry: Entry, snapshot: Snapshot
    ) -> Exchange:
        """Admit under the name that was asked for, and ask the targets, as without a cache."""
        if entry.principal.limits or entry.principal.budgets:
            await self._limiter.admit(entry, request, model, snapshot, size_of(request))
        return await self._router.ask(steered.model, steered.request, entry, snapshot)


def note(entry: Entry, outcome: CacheOutcome, answer: StoredAnswer | None = None) -> None:
    """Take note of what the cache did for a request."""
    CACHE_REQUESTS.labels(outcome.value).inc()
    entry.cached = CacheUse(outcome, answer)


def land(lead: Lead[StoredAnswer] | None) -> None:
    """Let those who wait ask for themselves."""
    if lead is not None:
        lead.land(None)


def give_up(lead: Lead[StoredAnswer] | None, entry: Entry, error: BaseException | None = None) -> None:
    """Let one of those who wait go on: at once where it was the client who left, or was over his own limits."""
    if lead is None:
        return
    if entry.call.is_gone or isinstance(error, OWN_REFUSALS):
        lead.hand_over()
    else:
        lead.fail()
