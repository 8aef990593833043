"""Guesses what a request will use: what is reserved of limits and budgets until the truth is there."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import msgspec

from aqueduct.counters.claims import MAX_LIMIT
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.price import Cost, FlatRates, Price, cost, flat_rates
from aqueduct.domain.routing import FallbackKind
from aqueduct.domain.snapshot import WILDCARD, Snapshot
from aqueduct.domain.usage import Units, UsageRecord
from aqueduct.gateway.input_size import estimate_input_tokens
from aqueduct.wire.request import Request

_FIRST_GUESSES = (256, 4096)
"""How much a model answers of which nothing is known: on the mean, at the most."""
_HISTORY_WEIGHT = 0.1
_PEAK_DECAY = 0.99
_MAX_HISTORIES = 10_000
_NOTHING: Mapping[str, int] = {}
_MAX_NAME_CHARACTERS = 200
"""Behind `*` a client chooses the name: longer ones are not learned."""


class Estimate(msgspec.Struct, frozen=True, gc=False):
    """What a request may use, guessed before the call at an instant; `is_guess`: nobody asked for so much output.

    `costs_nano` are by currency, those of the dearest target that may come to answer; empty where nobody asked.
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
        self.peak *= _PEAK_DECAY
        if output_tokens > self.peak:
            self.peak = float(output_tokens)


class _Prices(NamedTuple):
    """What all targets of a model cost that may come to answer; `others` are those that have no price of their own."""

    flat: tuple[FlatRates, ...]
    varying: tuple[tuple[Price, ...], ...]
    others: tuple[Target, ...]


class Forecast:
    """Estimates requests, and learns from those that are over.

    Where the client leaves the output open, limits on tokens reserve what the model answers on the mean, money what it
    answers at the most: many errors of a mean that run in parallel would add up.
    """

    def __init__(self, prices: KnownPrices) -> None:
        self._known = prices
        self._histories: dict[str, _History] = {}
        self._snapshot: Snapshot | None = None
        self._reachable: dict[str, _Prices] = {}
        """By a model's name."""

    def estimate(
        self, request: Request, model: Model, body_bytes: int, at: float, priced_in: Snapshot | None = None
    ) -> Estimate:
        """Return what a request may use, and by the prices of a snapshot what that may cost."""
        input_tokens = estimate_input_tokens(request, body_bytes)
        each = peak = request.max_output_tokens
        is_guess = each is None
        if each is None or peak is None:
            history = self._histories.get(counted_name(request, model))
            each, peak = _FIRST_GUESSES if history is None else (int(history.mean), int(history.peak))
        choices = request.choices
        costs_nano = _NOTHING
        if priced_in is not None:
            prices = self._prices(model, priced_in)
            costs_nano = self._costs(prices, request, input_tokens, peak * choices, at)
        return Estimate(at, input_tokens, min(each * choices, MAX_LIMIT), is_guess, costs_nano)

    def learn(self, name: str, record: UsageRecord) -> None:
        """Take note of how much a model answered."""
        if (output_tokens := record.units.get("output_tokens")) and len(name) <= _MAX_NAME_CHARACTERS:
            if (history := self._histories.get(name)) is not None:
                history.add(output_tokens)
                return
            if len(self._histories) >= _MAX_HISTORIES:
                self._histories.clear()
            self._histories[name] = _History(output_tokens)

    def _costs(
        self, prices: _Prices, request: Request, input_tokens: int, output_tokens: int, at: float
    ) -> Mapping[str, int]:
        costs_nano: dict[str, int] = {}
        for flat in prices.flat:
            _note_cost(costs_nano, flat.cost(input_tokens, output_tokens))
        if prices.varying or prices.others:
            units: Units = {"input_tokens": input_tokens, "output_tokens": output_tokens}
            for each in prices.varying:
                _note_cost(costs_nano, cost(units, each, at))
            for target in prices.others:
                if known := self._known.known(target.provider, request.model):
                    _note_cost(costs_nano, cost(units, known, at))
        return costs_nano

    def _prices(self, model: Model, snapshot: Snapshot) -> _Prices:
        """Return the prices of all targets that may come to answer, found once for each snapshot."""
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._reachable.clear()
        found = self._reachable.get(model.name)
        if found is None:
            targets = list(reachable(model, snapshot))
            given = {id(each.prices): each.prices for each in targets if each.prices}
            flat = {key: rates for key, prices in given.items() if (rates := flat_rates(prices)) is not None}
            found = self._reachable[model.name] = _Prices(
                tuple(flat.values()),
                tuple(prices for key, prices in given.items() if key not in flat),
                tuple(each for each in targets if not each.prices),
            )
        return found


def _note_cost(costs_nano: dict[str, int], paid: Cost | None) -> None:
    """Keep the dearest of each currency."""
    if paid is not None and paid.nano > costs_nano.get(paid.currency, -1):
        costs_nano[paid.currency] = min(paid.nano, MAX_LIMIT)


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
