"""What a scenario file may say, as structs: what is not named here is refused."""

from collections.abc import Iterator
from random import Random
from typing import Annotated, ClassVar, Literal

import msgspec

from aqueduct.simulation.spread import Amount, Positive, Rate, Segment, Spread

Instant = Annotated[float, msgspec.Meta(ge=0, le=604_800)]
Duration = Annotated[float, msgspec.Meta(gt=0, le=604_800)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Status = Literal[401, 402, 403, 404, 408, 409, 429, 500, 502, 503, 504, 529]


class _Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file."""


class _Shape(_Node, frozen=True, tag_field="shape"):
    """How many requests arrive, by time."""


class Constant(_Shape, frozen=True, tag="constant"):
    """One after the other, evenly."""

    per_second: Rate
    is_random: ClassVar[bool] = False

    def segments(self, seconds: float) -> Iterator[Segment]:
        """Yield the one rate."""
        yield Segment(seconds, self.per_second, self.per_second)


class Poisson(_Shape, frozen=True, tag="poisson"):
    """As people come who know nothing of each other."""

    per_second: Rate
    is_random: ClassVar[bool] = True

    def segments(self, seconds: float) -> Iterator[Segment]:
        """Yield the one rate."""
        yield Segment(seconds, self.per_second, self.per_second)


class Ramp(_Shape, frozen=True, tag="ramp", rename={"first": "from", "last": "to"}):
    """More and more, or fewer and fewer."""

    first: Rate
    last: Rate
    is_random: ClassVar[bool] = False

    def segments(self, seconds: float) -> Iterator[Segment]:
        """Yield the slope."""
        yield Segment(seconds, self.first, self.last)


class Burst(_Shape, frozen=True, tag="burst"):
    """Evenly, and every now and then many for a while."""

    per_second: Rate
    burst_per_second: Rate
    every: Duration
    lasting: Duration
    is_random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.lasting > self.every:
            raise ValueError("a burst lasts at most until the next one")

    def segments(self, seconds: float) -> Iterator[Segment]:
        """Yield quiet, then a burst, until the time is over."""
        left = seconds
        while left > 0:
            for length, rate in ((self.every - self.lasting, self.per_second), (self.lasting, self.burst_per_second)):
                if (length := min(length, left)) > 0:
                    yield Segment(length, rate, rate)
                    left -= length


Shape = Constant | Poisson | Ramp | Burst


class TrafficNode(_Node, frozen=True):
    """Requests for one model; `callers` is how many parties they come from, who matter where a model is sticky."""

    model: Name
    arrivals: Shape
    start: Instant = 0.0
    end: Instant | None = None
    input_tokens: Amount | Spread = 500.0
    output_tokens: Amount | Spread = 200.0
    max_tokens: Count | None = None
    streamed: Share = 0.5
    callers: Count = 100


class OutageNode(_Node, frozen=True):
    """Some time in which a target does not answer as it should; `share` is how many of its requests that concerns.

    `breaks_answers` breaks off, when it begins, what is being answered; `key` is the one key of several that it is of.
    """

    start: Instant
    end: Instant
    answer: Literal["refused", "stall"] | Status
    retry_after: Positive | None = None
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    key: Count | None = None
    breaks_answers: bool = False

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("it ends before it begins")
        if self.retry_after is not None and not isinstance(self.answer, int):
            raise ValueError("only an answer with a status has a `retry_after`")


class SlowNode(_Node, frozen=True):
    """Some time in which a target takes so many times as long."""

    start: Instant
    end: Instant
    factor: Annotated[float, msgspec.Meta(gt=0, le=1_000)]

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("it ends before it begins")


class TargetNode(_Node, frozen=True):
    """How targets answer whose name (`provider/model`) fits `target`, where `*` stands for anything.

    `concurrency` is how many requests one works on at once, `overload` what becomes of more: they wait there, slow all
    others down, or are refused with a status. The limits a minute are what its provider enforces, by 429.
    """

    target: Name
    first_token: Amount | Spread = 0.5
    tokens_per_second: Positive | Spread = 50.0
    concurrency: Count | None = None
    overload: Literal["queue", "slow", 429, 503, 529] = "queue"
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    error_rate: Share = 0.0
    outages: list[OutageNode] = []
    slow: list[SlowNode] = []


class ExpectNode(_Node, frozen=True):
    """What must hold for the scenario to succeed: `success_rate` at the least, everything else at the most."""

    success_rate: Share | None = None
    extra_load: Amount | None = None
    latency_p50: Amount | None = None
    latency_p95: Amount | None = None
    latency_p99: Amount | None = None
    first_token_p50: Amount | None = None
    first_token_p95: Amount | None = None
    first_token_p99: Amount | None = None
    cost: Amount | None = None
    breaker_openings: Amount | None = None


class Scenario(_Node, frozen=True):
    """The whole file."""

    duration: Duration
    traffic: Annotated[list[TrafficNode], msgspec.Meta(min_length=1)]
    seed: int = 1
    targets: list[TargetNode] = []
    expect: ExpectNode = ExpectNode()


def dice_of(seed: int, *names: object) -> Random:
    """Return dice of their own for one part of a simulation: what one part draws leaves all others as they were."""
    return Random("/".join(map(str, (seed, *names))))  # noqa: S311 -- the same numbers again are what is wanted
