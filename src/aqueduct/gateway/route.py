"""The only retry loop: asks a model's targets in order until one answers.

Every target is asked once before any is asked again, so that a failover costs no waiting; between two rounds there is a
pause with jitter. Nothing is retried after the commit, and never a request that an upstream refused for itself.
"""

import asyncio
import random
import time
from typing import Protocol

from aqueduct.domain.event import Emit, target_down_event
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.price import Price
from aqueduct.domain.snapshot import WILDCARD
from aqueduct.errors import (
    AllTargetsFailed,
    InvalidRequest,
    TargetDown,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from aqueduct.gateway.account import Entry
from aqueduct.gateway.checked import CheckedOpener
from aqueduct.gateway.exchange import Exchange
from aqueduct.gateway.opening import Opener
from aqueduct.wire.request import Request

_ROUNDS = 3
_BACKOFF_SECONDS = 0.25
_PATIENCE_SECONDS = 5.0


class PriceBook(Protocol):
    """Knows what models cost."""

    async def find(self, provider: Provider, model: str) -> tuple[Price, ...]:
        """Return a model's prices; empty if they are not known."""


class Router:
    """Tries the targets of a model until the commit."""

    def __init__(self, opener: Opener, checked: CheckedOpener, prices: PriceBook, emit: Emit) -> None:
        self._opener = opener
        self._checked = checked
        self._prices = prices
        self._emit = emit

    async def open(self, model: Model, request: Request, entry: Entry) -> Exchange:
        """Return the first answer that any target gives; raise `AllTargetsFailed`, or the refusal of the request."""
        opener: Opener | CheckedOpener = self._opener
        if request.schema is not None:
            await self._checked.check_schema(request.schema)
            opener = self._checked
        walk = _Walk(model.targets)
        while targets := await walk.next_round():
            for target in targets:
                try:
                    exchange = await opener.open(request, target, entry)
                except (UpstreamError, InvalidRequest) as error:
                    walk.note(target, error)
                else:
                    if target.model == WILDCARD:
                        await self._price(exchange, request.model, entry)
                    return exchange
                if entry.call.is_committed:
                    raise walk.failure()
        self._tell(model, walk)
        raise walk.failure()

    def _tell(self, model: Model, walk: "_Walk") -> None:
        """Tell that targets are down which did not answer however often they were asked."""
        for target, error in walk.unanswered.items():
            event = target_down_event(target.name, target.provider.name, model.name, code=error.code, now=time.time())
            self._emit(event)

    async def _price(self, exchange: Exchange, model: str, entry: Entry) -> None:
        """Find out what a model costs that only the request named, once an upstream has shown that it knows it."""
        try:
            prices = exchange.target.prices or await self._prices.find(exchange.target.provider, model)
        except BaseException:
            exchange.close()
            raise
        for attempt in entry.attempts:
            if attempt.target is exchange.target:
                attempt.prices = prices


class _Walk:
    """Which targets are left to ask, and what those asked have said."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._left = list(targets)
        self._round = 0
        self._causes: list[UpstreamError] = []
        self._refusal: InvalidRequest | None = None
        self.unanswered: dict[Target, UpstreamError] = {}
        """The targets that could not be reached or were too slow at their last attempt."""

    def note(self, target: Target, error: UpstreamError | InvalidRequest) -> None:
        """Remember a failure: an upstream's, or that the target cannot carry the request; raise what no other mends."""
        if isinstance(error, InvalidRequest):
            self._refusal = self._refusal or error
            self._left.remove(target)
            return
        self._causes.append(error)
        if isinstance(error, UpstreamUnreachable | UpstreamTimeout | TargetDown):
            self.unanswered[target] = error
        if isinstance(error, UpstreamRejected):
            raise AllTargetsFailed(self._causes) from error
        if not error.is_retryable or isinstance(error, UpstreamTimeout):
            self._left.remove(target)

    def failure(self) -> AllTargetsFailed | InvalidRequest:
        """Return what the client is to hear."""
        return self._refusal if self._refusal and not self._causes else AllTargetsFailed(self._causes)

    async def next_round(self) -> tuple[Target, ...]:
        """Return the targets to ask now, after the pause that is due; none when it is time to give up."""
        self._round += 1
        if self._round == 1:
            return tuple(self._left)
        pause = _BACKOFF_SECONDS * 2 ** (self._round - 2) * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, no secret
        asked = [cause.retry_after_seconds for cause in self._causes if cause.retry_after_seconds is not None]
        pause = max(pause, min(asked, default=0.0))
        if self._round > _ROUNDS or not self._left or pause > _PATIENCE_SECONDS:
            return ()
        await asyncio.sleep(pause)
        return tuple(self._left)
