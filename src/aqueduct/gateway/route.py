"""The only retry loop: asks a model's targets in the order that `routing/` decides, until one answers.

Nothing is retried after the commit, and never a request that an upstream refused for itself, unless the config names
models for what it was refused for.
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from functools import partial
from typing import NamedTuple, Protocol

from aqueduct.domain.event import Emit
from aqueduct.domain.model import Model, Provider
from aqueduct.domain.price import Price
from aqueduct.domain.snapshot import WILDCARD, Snapshot
from aqueduct.errors import AllTargetsFailed, InvalidRequest, TargetDown, UpstreamError, UpstreamTimeout
from aqueduct.gateway.account import Entry
from aqueduct.gateway.attachments.preparing import Attachments, Opens, PreparingOpener
from aqueduct.gateway.exchange import Exchange
from aqueduct.gateway.mirror import Mirrors
from aqueduct.gateway.routing.context_window import may_be_over
from aqueduct.gateway.routing.hedging import race
from aqueduct.gateway.routing.steering import Steering
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.gateway.routing.view import down_event
from aqueduct.gateway.routing.waiting import wait_for_room
from aqueduct.gateway.routing.walk import Ask, Walk
from aqueduct.wire.request import Request


class PriceBook(Protocol):
    """Knows what models cost."""

    async def find(self, provider: Provider, model: str) -> tuple[Price, ...]:
        """Return a model's prices; empty if they are not known."""


class SchemaOpener(Opens, Protocol):
    """Asks targets for what satisfies JSON schemas."""

    async def check_schemas(self, request: Request) -> None:
        """Raise `InvalidJsonSchema` for what is not a schema."""


class Extras(NamedTuple):
    """What only some requests need on their way: their images and files made ready, or a copy sent elsewhere."""

    attachments: Attachments | None = None
    mirrors: Mirrors | None = None


class Router:
    """Tries targets until the commit."""

    def __init__(
        self,
        opener: Opens,
        checked: SchemaOpener,
        prices: PriceBook,
        emit: Emit,
        traffic: Traffic | None = None,
        extras: Extras | None = None,
    ) -> None:
        self._opener = opener
        self._checked = checked
        self._prices = prices
        self._emit = emit
        self._traffic = traffic or Traffic()
        self._steering = Steering(self._traffic.rng)
        self._attachments, self._mirrors = extras or Extras()

    def open(self, model: Model, request: Request, entry: Entry, snapshot: Snapshot) -> Awaitable[Exchange]:
        """Return the first answer that any target gives; raise `AllTargetsFailed`, or the refusal of the request."""
        if model.routing.is_steered:
            model, request = self.steer(model, request, entry, snapshot)
        return self.ask(model, request, entry, snapshot)

    def steer(self, model: Model, request: Request, entry: Entry, snapshot: Snapshot) -> tuple[Model, Request]:
        """Return the model that rules and splits send a request to, and the request under its name."""
        return self._steering.steer(model, request, entry, snapshot)

    async def ask(self, model: Model, request: Request, entry: Entry, snapshot: Snapshot) -> Exchange:
        """Open a request that its model's rules have had their say on."""
        opener: Opens = self._opener
        if request.is_held:
            await self._checked.check_schemas(request)
            opener = self._checked
        if self._attachments is not None and request.has_attachments:
            opener = self._attachments.opener(opener, request, entry)
        traffic = entry.traffic = self._traffic
        traffic.budget(model).requests += 1
        first = model.targets[0]
        window = first.context_window
        is_first = model.routing.takes_first and traffic.state(first).is_free
        if not is_first or (window is not None and may_be_over(entry.call.body_bytes, window)):
            return await self._walk(opener, Walk(model, request, entry, traffic, snapshot), entry)
        # Nothing is to be decided, as for nearly every request: what decides is made only when this one fails.
        try:
            exchange = await opener.open(request, first, entry)
        except (UpstreamError, InvalidRequest) as error:
            walk = Walk(model, request, entry, traffic, snapshot)
            walk.begin_with(first, error)
            if entry.call.is_committed:
                raise walk.failure(traffic.now()) from None
        else:
            if first.model == WILDCARD:
                await self._price(exchange, request.model, entry)
            return exchange
        return await self._walk(opener, walk, entry)

    def mirror(self, model: Model, entry: Entry, snapshot: Snapshot) -> None:
        """Send a copy of an answered request to the model's shadow; nothing waits for it."""
        if self._mirrors is not None:
            self._mirrors.send(model, entry, snapshot)

    async def _walk(self, opener: Opens, walk: Walk, entry: Entry) -> Exchange:
        """Ask one target after another, as the walk says."""
        now = self._traffic.now
        while (step := walk.next(now())) is not None:
            if not isinstance(step, Ask):
                await (wait_for_room(step.full, step.seconds) if step.full else asyncio.sleep(step.seconds))
                continue
            delay_seconds = walk.hedge_delay(step)
            if delay_seconds is None:
                exchange = await self._ask(opener, step, walk, entry)
            else:
                await self._make_ready(opener, step, walk)
                exchange = await race(step, delay_seconds, walk, entry, partial(self._open, opener, walk, entry))
            if exchange is not None:
                if exchange.target.model == WILDCARD:
                    await self._price(exchange, step.request.model, entry)
                return exchange
            if entry.call.is_committed:
                raise walk.failure(now())
        self._tell(walk)
        failure = walk.failure(now())
        if isinstance(failure, AllTargetsFailed) and not failure.causes:
            none = TargetDown("no target of the model may be asked now")
            self._traffic.tell_failure(entry.call.id, walk.model.name, walk.model.targets[0], none)
        raise failure

    async def _ask(self, opener: Opens, ask: Ask, walk: Walk, entry: Entry) -> Exchange | None:
        """Ask one target; None where that failed, and the walk knows it."""
        try:
            return await self._open(opener, walk, entry, ask)
        except (UpstreamError, InvalidRequest) as error:
            walk.note(ask.target, error)
            return None

    async def _make_ready(self, opener: Opens, ask: Ask, walk: Walk) -> None:
        """Have images and files ready before a hedge's clock runs: it measures the target, which has nothing yet."""
        if not isinstance(opener, PreparingOpener):
            return
        # Whatever is in the way, the deadline too, is met again by the attempt itself.
        with contextlib.suppress(TimeoutError, InvalidRequest):
            async with asyncio.timeout(None if walk.deadline_at is None else walk.deadline_at - self._traffic.now()):
                await opener.make_ready(ask.request, ask.target)

    async def _open(self, opener: Opens, walk: Walk, entry: Entry, ask: Ask) -> Exchange:
        """Open one target, within what is left of the deadline of all attempts."""
        if walk.deadline_at is None:
            return await opener.open(ask.request, ask.target, entry)
        try:
            async with asyncio.timeout(walk.deadline_at - self._traffic.now()):
                return await opener.open(ask.request, ask.target, entry)
        except TimeoutError:
            error = UpstreamTimeout("the deadline of all attempts has passed")
            self._traffic.tell_failure(entry.call.id, ask.request.model, ask.target, error)
            raise error from None

    def _tell(self, walk: Walk) -> None:
        """Tell of targets that failed a request which none answered, where no breaker is there to tell it."""
        for target, error in walk.unanswered.items():
            if not target.provider.breaker.is_enabled:
                self._emit(down_event(target, error.code))

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
