"""Prices, and what usage costs by them: exact, in whole numbers.

A price is kept as billionths (nano-units) of its currency per million units, so that the finest prices there are
(0.0375 per million) are whole numbers; a cost is rounded once, half up, to a whole billionth.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from aqueduct.domain.money import to_nano
from aqueduct.domain.usage import CONTAINED_IN, AttemptRecord, Units

MILLION = 1_000_000

Rates = tuple[tuple[str, int], ...]
"""Nano-units per million of each unit; a unit within another one has the difference to that one's price."""


class Cost(NamedTuple):
    """An amount of money: whole billionths of its currency."""

    nano: int
    currency: str


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's units cost for some time.

    `tiers` has the rates from a number of input tokens on (0 first): a longer request costs more for all it used.
    Instants are in seconds since the epoch; None is no end.
    """

    currency: str
    tiers: tuple[tuple[int, Rates], ...]
    request_nano: int = 0
    valid_from: float | None = None
    valid_until: float | None = None

    def is_valid(self, at: float) -> bool:
        """Whether the price holds at an instant."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_until is None or at < self.valid_until
        )


FREE = Price(currency="USD", tiers=((0, ()),))
"""What the embedded model costs: nothing, which is not the same as unknown."""


def rates(per_million: Mapping[str, Decimal]) -> Rates:
    """Return the rates of prices by unit; a unit without one costs what the unit it is within costs, or nothing.

    Raises `ValueError` for a price finer than a billionth per million, or a negative one.
    """
    nano = {unit: to_nano(price) for unit, price in per_million.items()}
    differences = ((unit, price - nano.get(CONTAINED_IN.get(unit, ""), 0)) for unit, price in nano.items())
    return tuple((unit, difference) for unit, difference in differences if difference)


def cost(units: Units, prices: Sequence[Price], at: float) -> Cost | None:
    """Return what the units cost at an instant, by the last of the prices that holds then; None if none does."""
    if not prices:
        return None
    price = prices[-1]
    if price.valid_from is not None or price.valid_until is not None:
        for price in reversed(prices):
            if price.is_valid(at):
                break
        else:
            return None
    tier = price.tiers[0][1]
    if len(price.tiers) > 1:
        input_tokens = units.get("input_tokens", 0)
        for threshold, rates in price.tiers:
            if input_tokens >= threshold:
                tier = rates
    total = 0
    for unit, rate in tier:
        total += units.get(unit, 0) * rate
    nano = (total + MILLION // 2) // MILLION + price.request_nano
    # An upstream that reports more cached tokens than input is wrong, but must not pay anybody.
    return Cost(max(nano, 0), price.currency)


class FlatRates(NamedTuple):
    """What input and output tokens cost, in nano-units per million, whatever their number and at any time."""

    currency: str
    input_nano: int
    output_nano: int
    request_nano: int

    def cost(self, input_tokens: int, output_tokens: int) -> Cost:
        """Return what `cost` would of these units alone."""
        total = input_tokens * self.input_nano + output_tokens * self.output_nano
        return Cost((total + MILLION // 2) // MILLION + self.request_nano, self.currency)


def flat_rates(prices: Sequence[Price]) -> FlatRates | None:
    """Return the rates of a model whose prices are one, without dates and tiers; None for any other."""
    if len(prices) != 1 or len(prices[0].tiers) != 1:
        return None
    (price,) = prices
    if price.valid_from is not None or price.valid_until is not None:
        return None
    of_unit = dict(price.tiers[0][1])
    return FlatRates(
        price.currency, of_unit.get("input_tokens", 0), of_unit.get("output_tokens", 0), price.request_nano
    )


def sum_costs(attempts: Sequence[AttemptRecord]) -> Cost | None:
    """Return what the attempts cost together; None if no price was known, or their currencies differ."""
    costs = [(each.cost_nano, each.currency) for each in attempts if each.cost_nano is not None]
    # What cost nothing has no say in which currency it is.
    costs = [(nano, currency) for nano, currency in costs if nano] or costs[-1:]
    currencies = {currency for _, currency in costs}
    if len(currencies) != 1:
        return None
    (currency,) = currencies
    return Cost(sum(nano for nano, _ in costs), currency or "")
