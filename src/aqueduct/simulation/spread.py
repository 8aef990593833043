"""How far apart arrivals are and how large or slow things are: numbers, drawn with dice that are handed in."""

import itertools
import math
from collections.abc import Iterator
from random import Random
from typing import Annotated, NamedTuple

import msgspec

_P95_DEVIATIONS = 1.6448536269514722
"""How many standard deviations the 95th percentile of a normal distribution is above its middle."""

Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=100_000)]


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a number is distributed, as a scenario says it: `p50` and `p95`, or `least` and `most`."""

    p50: Positive | None = None
    p95: Positive | None = None
    least: Amount | None = None
    most: Amount | None = None

    def __post_init__(self) -> None:
        given = tuple(name for name in ("p50", "p95", "least", "most") if getattr(self, name) is not None)
        if given not in (("p50", "p95"), ("least", "most")):
            raise ValueError("give a number, or `p50` and `p95`, or `least` and `most`")
        low, high = (getattr(self, name) for name in given)
        if high < low:
            raise ValueError(f"'{given[1]}' is at least '{given[0]}'")


def draw(spread: float | Spread, dice: Random) -> float:
    """Return one number."""
    if not isinstance(spread, Spread):
        return spread
    if spread.p50 is not None and spread.p95 is not None:
        deviation = math.log(spread.p95 / spread.p50) / _P95_DEVIATIONS
        return spread.p50 * math.exp(deviation * dice.gauss(0, 1))
    return dice.uniform(spread.least or 0.0, spread.most or 0.0)


def even_steps() -> Iterator[float]:
    """Yield the steps of arrivals that are evenly apart, the first and the last half as far from the ends."""
    return itertools.chain((0.5,), itertools.repeat(1.0))


def random_steps(dice: Random) -> Iterator[float]:
    """Yield the steps of arrivals that know nothing of each other: a Poisson process."""
    while True:
        yield dice.expovariate(1.0)


class Segment(NamedTuple):
    """Some seconds in which the rate of arrivals goes evenly from one number a second to another."""

    seconds: float
    first: float
    last: float


def instants(segments: Iterator[Segment], steps: Iterator[float]) -> Iterator[float]:
    """Yield when requests arrive: each time the rate has added up to the next of the steps.

    Between two steps the rate is integrated exactly, so that a burst is not stepped over.
    """
    due, began_at = next(steps), 0.0
    for seconds, first, last in segments:
        area = (first + last) / 2 * seconds
        slope = (last - first) / seconds
        while due <= area:
            yield began_at + 2 * due / (first + math.sqrt(max(first * first + 2 * slope * due, 0.0)))
            due += next(steps)
        due -= area
        began_at += seconds
