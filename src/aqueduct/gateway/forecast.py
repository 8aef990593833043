"""Guesses what a request will use: what is reserved of limits and budgets until the truth is there."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from aqueduct.counters.claims import MAX_LIMIT
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.price import Price, cost
from aqueduct.domain.routing import FallbackKind
from aqueduct.domain.snapshot import WILDCARD, Snapshot
from aqueduct.domain.usage import Units, UsageRecord
from aqueduct.gateway.input_size import estimate_input_tokens
from aqueduct.wire.request import Request

_FIRST_GUESS_TOKENS = 256.0
_FIRST_GUESS_AT_MOST = 4096
_HISTORY_WEIGHT = 0.1
_PEAK_DECAY = 0.99
_MAX_HISTORIES = 10_000
_NOTHING: Mapping[str, int] = {}
_MAX_NAME_CHARACTERS = 200
"""Behind `*` a client chooses the name: longer ones are not learned."""


class Estimate(NamedTuple):
    """What a request may use, guessed before the call at an instant; `is_guess`: nobody asked for so much output.

    `costs_nano` are by currency, those of the dearest target that may come to answer.
    """

    at: float
    input_tokens: int
    output_tokens: int
    is_guess: bool
    costs_nano: Mapping[str, int]


class KnownPrices(Protocol):
    """Remembers what models cost."""

    def known(self, provider: Provider, model: str) -> tuple[Price, ...]:
        """Return a model's prices, as far as they have been asked for; empty if they are not known."""


class _History:
    """How much a model has answered: the mean, and a peak that fades."""

    __slots__ = ("mean", "peak")

    def __init__(self, output_tokens: int) -> None:
        self.mean = self.peak = float(output_tokens)

    def add(self, output_tokens: int) -> None:
        self.mean += _HISTORY_WEIGHT * (output_tokens - self.mean)
        self.peak = max(float(output_tokens), self.peak * _PEAK_DECAY)


class Forecast:
    """Estimates requests, and learns from those that are over.

    Where the client leaves the output open, limits on tokens reserve what the model answers on the mean, money what it
    answers at the most: many errors of a mean that run in parallel would add up.
    """

    def __init__(self, prices: KnownPrices) -> None:
        self._known = prices
        self._histories: dict[str, _History] = {}
        self._snapshot: Snapshot | None = None
        self._reachable: dict[str, tuple[tuple[tuple[Price, ...], ...], tuple[Target, ...]]] = {}
        """By a model's name, the prices of its targets, and those of its targets that have none of their own."""

    def estimate(self, request: Request, model: Model, body_bytes: int, at: float) -> Estimate:
        """Return what a request may use; what that costs is for `with_costs` to say, where somebody has a budget."""
        asked = request.max_output_tokens
        history = self._histories.get(counted_name(request, model)) if asked is None else None
        each = asked or (history.mean if history is not None else _FIRST_GUESS_TOKENS)
        output_tokens = min(int(each) * request.choices, MAX_LIMIT)
        return Estimate(at, estimate_input_tokens(request, body_bytes), output_tokens, asked is None, _NOTHING)

    def with_costs(self, estimate: Estimate, request: Request, model: Model, snapshot: Snapshot) -> Estimate:
        """Return the estimate with what it may cost."""
        output_tokens = estimate.output_tokens
        if estimate.is_guess:
            history = self._histories.get(counted_name(request, model))
            output_tokens = int(_FIRST_GUESS_AT_MOST if history is None else history.peak) * request.choices
        units: Units = {"input_tokens": estimate.input_tokens, "output_tokens": output_tokens}
        costs_nano: dict[str, int] = {}
        for prices in self._prices(request, model, snapshot):
            if (paid := cost(units, prices, estimate.at)) is not None:
                nano, currency = paid
                if nano > costs_nano.get(currency, -1):
                    costs_nano[currency] = min(nano, MAX_LIMIT)
        return Estimate(estimate.at, estimate.input_tokens, estimate.output_tokens, estimate.is_guess, costs_nano)

    def learn(self, name: str, record: UsageRecord) -> None:
        """Take note of how much a model answered."""
        if (output_tokens := record.units.get("output_tokens")) and len(name) <= _MAX_NAME_CHARACTERS:
            if (history := self._histories.get(name)) is not None:
                history.add(output_tokens)
                return
            if len(self._histories) >= _MAX_HISTORIES:
                self._histories.clear()
            self._histories[name] = _History(output_tokens)

    def _prices(self, request: Request, model: Model, snapshot: Snapshot) -> Iterable[tuple[Price, ...]]:
        """Return the prices of all targets that may come to answer, found once for each snapshot."""
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._reachable.clear()
        found = self._reachable.get(model.name)
        if found is None:
            targets = list(reachable(model, snapshot))
            priced = {id(each.prices): each.prices for each in targets if each.prices}
            found = self._reachable[model.name] = (
                tuple(priced.values()),
                tuple(each for each in targets if not each.prices),
            )
        given, others = found
        return (*given, *(self._known.known(each.provider, request.model) for each in others)) if others else given


def counted_name(request: Request, model: Model) -> str:
    """Return the name that a model is counted under: behind `*` the one that was asked for."""
    return request.model if model.name == WILDCARD else model.name


def reachable(model: Model, snapshot: Snapshot) -> Iterator[Target]:
    """Yield every target that may come to answer for a model, those that it sends requests to and fallbacks too."""
    names = {model.name}
    left = [model]
    while left:
        found = left.pop()
        yield from found.targets
        others = [name for kind in FallbackKind for name in found.routing.fallbacks_of(kind)]
        for name in (*others, *found.routing.destinations):
            other = snapshot.find(name)
            if other is not None and other.name not in names:
                names.add(other.name)
                left.append(other)
