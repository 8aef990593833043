"""Random programs: no rolling window over its limit, and both kinds of counters give the same answers."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.counters.conftest import Clock, valkey_counters
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.counters.answers import Answer, Refusal, Reservation, Unseeded
from aqueduct.counters.claims import Budget, Claim, Claims, Place, Window
from aqueduct.counters.contract import Counters
from aqueduct.counters.memory import MemoryCounters

LIMIT = 10
PAUSES = st.sampled_from([0.0, 0.001, 0.4, 0.999, 1.0, 2.5, 7.0, 29.9, 58.999, 60.0, 60.001, 61.0])


@dataclass
class Event:
    """What was let through: when, and how much by now."""

    at_ms: int
    amount: int


def most_in_a_rolling_window(events: list[Event], seconds: int) -> int:
    """The most that any span of the window's length holds; it is one that begins with an event."""
    return max(
        (
            sum(each.amount for each in events if start.at_ms <= each.at_ms < start.at_ms + seconds * 1000)
            for start in events
        ),
        default=0,
    )


@given(
    st.lists(st.tuples(PAUSES, st.integers(0, LIMIT + 1), st.integers(0, LIMIT), st.booleans()), max_size=60),
    st.sampled_from([1, 7, 60]),
)
def test_no_rolling_window_holds_more_than_the_limit(steps: list[tuple[float, int, int, bool]], seconds: int) -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    claims = Claims([Window("key", LIMIT, 0, seconds)])
    events: list[Event] = []
    for pause_seconds, amount, truth, is_settled in steps:
        clock.advance(pause_seconds)
        answer = counters.reserve_now(claims, [amount])
        if isinstance(answer, Reservation):
            events.append(Event(clock(), amount))
            if is_settled:
                # Less than was reserved: more may take a window over its limit, which no limiter can prevent.
                events[-1].amount = min(amount, truth)
                counters.settle(answer, [events[-1].amount])
        else:
            assert isinstance(answer, Refusal)
            used = sum(each.amount for each in events if each.at_ms > clock() - (seconds + 1) * 1000)
            assert used + amount > LIMIT, "refused, though not even the longest span it may look at is full"
        assert most_in_a_rolling_window(events, seconds) <= LIMIT


@given(st.lists(st.tuples(PAUSES, st.integers(1, LIMIT)), max_size=40), st.integers(1, LIMIT))
def test_what_is_refused_fits_after_the_time_that_the_refusal_says_and_no_sooner(
    steps: list[tuple[float, int]], amount: int
) -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    for pause_seconds, used in steps:
        clock.advance(pause_seconds)
        counters.reserve_now([Window("key", LIMIT, used)])
    answer = counters.reserve_now([Window("key", LIMIT, amount)])
    if isinstance(answer, Refusal):
        assert answer.wait_seconds is not None
        clock.advance(answer.wait_seconds - 0.001)
        assert isinstance(counters.reserve_now([Window("key", LIMIT, amount)]), Refusal)
        clock.advance(0.001)
        assert isinstance(counters.reserve_now([Window("key", LIMIT, amount)]), Reservation)


AMOUNTS = st.integers(0, 30)
LIMITS = st.sampled_from([0, 5, 20, 50])
SECONDS = {"second": 1, "minute": 60, "hour": 3600}
windows = st.sampled_from(sorted(SECONDS)).flatmap(
    lambda key: st.builds(Window, st.just(key), LIMITS, AMOUNTS, st.just(SECONDS[key]))
)
places = st.builds(Place, st.sampled_from(["user", "team"]), st.integers(0, 3))
budgets = st.builds(Budget, st.sampled_from(["day", "month"]), LIMITS, AMOUNTS, st.booleans())
claim_lists = st.lists(
    st.one_of(windows, places, budgets), max_size=5, unique_by=lambda claim: (type(claim).__name__, claim.key)
)


@dataclass
class Program:
    """Steps to take with counters of any kind, and what they answered."""

    steps: list[tuple[Any, ...]]
    answers: list[Any] = field(default_factory=list)

    async def run(self, counters: Counters, clock: Clock) -> list[Any]:
        reservations: list[Reservation] = []
        made: list[Claims] = []
        for step in self.steps:
            match step:
                case ("advance", seconds):
                    clock.advance(seconds)
                case ("reserve", claims):
                    made.append(Claims(claims))
                    answer = await counters.reserve(made[-1])
                    self.answers.append(describe(answer))
                    if isinstance(answer, Reservation):
                        reservations.append(answer)
                case ("reserve again", index, amounts) if made:
                    # As the requests of one caller do, which look nothing up.
                    claims = made[index % len(made)]
                    answer = await counters.reserve(
                        claims,
                        [1 if type(claim) is Place else amount for claim, amount in zip(claims, amounts, strict=False)],
                    )
                    self.answers.append(describe(answer))
                    if isinstance(answer, Reservation):
                        reservations.append(answer)
                case ("settle", index, amounts) if reservations:
                    reservation = reservations.pop(index % len(reservations))
                    counters.settle(reservation, amounts[: len(reservation.claims)])
                case ("seed", key, spent):
                    self.answers.append(await counters.seed(key, spent))
                case ("forget", key):
                    await counters.forget(key)
        return self.answers


def describe(answer: Answer) -> tuple[Any, ...]:
    match answer:
        case Reservation():
            return "reserved", list(answer.standings)
        case Refusal():
            return "refused", list(answer.standings), list(answer.refused)
        case Unseeded():
            return "unseeded", list(answer.keys)


keys = st.sampled_from(["day", "month"])
programs = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), claim_lists),
        st.tuples(st.just("reserve again"), st.integers(0, 3), st.lists(AMOUNTS, min_size=5, max_size=5)),
        st.tuples(st.just("reserve again"), st.integers(0, 3), st.lists(AMOUNTS, min_size=5, max_size=5)),
        st.tuples(st.just("settle"), st.integers(0, 9), st.lists(AMOUNTS, min_size=5, max_size=5)),
        st.tuples(st.just("advance"), PAUSES),
        st.tuples(st.just("seed"), keys, AMOUNTS),
        st.tuples(st.just("forget"), keys),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=programs)
def test_memory_and_valkey_give_the_same_answers(shared_server: ValkeyProcess, steps: list[tuple[Any, ...]]) -> None:
    async def answers_of_valkey() -> list[Any]:
        clock = Clock()
        async with valkey_counters(shared_server, clock) as counters:
            return await Program(steps).run(counters, clock)

    async def answers_of_memory() -> list[Any]:
        clock = Clock()
        return await Program(steps).run(MemoryCounters(clock), clock)

    assert asyncio.run(answers_of_valkey()) == asyncio.run(answers_of_memory())


def claims_of(keys: range) -> list[list[Claim]]:
    return [[Window(f"end-user-{key}", 5), Place(f"end-user-{key}", 5)] for key in keys]


def test_a_crowd_that_comes_once_does_not_stay_in_memory() -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    most = 0
    for claims in claims_of(range(20_000)):
        # A hundred a second, so that 6,100 have something in their window at any time.
        clock.advance(0.01)
        answer = counters.reserve_now(claims)
        assert isinstance(answer, Reservation)
        counters.settle(answer, (1, 0))
        most = max(most, len(counters))
    assert most < 2.2 * 6_100
    for _ in range(100):
        clock.advance(1)
        counters.reserve_now([Window("the one who stays", 1000)])
    assert len(counters) == 1


async def test_a_budget_that_nobody_claims_is_dropped_but_not_while_money_is_reserved() -> None:
    clock = Clock()
    counters = MemoryCounters(clock)
    for key in ("idle", "reserved"):
        await counters.seed(key, 5)
        answer = counters.reserve_now([Budget(key, 100, 10)])
        assert isinstance(answer, Reservation)
        if key == "idle":
            counters.settle(answer, [10])
    clock.advance(4000)
    assert counters.reserve_now([Budget("idle", 100, 10)]) == Unseeded(["idle"])
    assert isinstance(counters.reserve_now([Budget("reserved", 100, 10)]), Reservation)
