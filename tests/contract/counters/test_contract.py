"""What both kinds of counters promise."""

import asyncio

import pytest
from tests.contract.counters.conftest import Clock
from tests.contract.counters.reserving import granted, keys, refused, remaining

from aqueduct.counters.answers import Reservation, Standing, Unseeded
from aqueduct.counters.claims import MAX_LIMIT, Budget, Place, Window
from aqueduct.counters.contract import Counters


async def test_all_claims_are_reserved_or_none(counters: Counters) -> None:
    async with counters:
        await granted(counters, Window("requests", 10), Window("input", 100, 60))
        refusal = await refused(counters, Window("requests", 10), Window("input", 100, 60), Place("place", 1))
        assert keys(refusal) == ["input"]
        assert await remaining(counters, Window("requests", 10, 0)) == 9
        assert await remaining(counters, Window("input", 100, 40)) == 0
        assert await remaining(counters, Place("place", 1)) == 0


async def test_an_amount_counts_until_its_second_is_wholly_outside_of_the_window(
    counters: Counters, clock: Clock
) -> None:
    async with counters:
        clock.advance(0.999)
        await granted(counters, Window("requests", 1))
        clock.advance(60.0)
        refusal = await refused(counters, Window("requests", 1))
        assert refusal.wait_seconds == 0.001
        clock.advance(0.001)
        await granted(counters, Window("requests", 1))


async def test_a_refusal_says_after_how_long_the_amount_would_fit(counters: Counters, clock: Clock) -> None:
    async with counters:
        for amount in (10, 20, 30):
            await granted(counters, Window("input", 60, amount))
            clock.advance(5)
        for amount, wait_seconds in ((10, 46.0), (11, 51.0), (30, 51.0), (31, 56.0), (60, 56.0)):
            refusal = await refused(counters, Window("input", 60, amount), Window("requests", 5))
            assert keys(refusal) == ["input"]
            assert refusal.wait_seconds == wait_seconds
        clock.advance(46)
        assert await remaining(counters, Window("input", 60, 10)) == 0


async def test_the_longest_wait_is_the_refusals(counters: Counters, clock: Clock) -> None:
    async with counters:
        await granted(counters, Window("minute", 1), Window("hour", 1, seconds=3600))
        refusal = await refused(counters, Window("minute", 1), Window("hour", 1, seconds=3600))
        assert [each.wait_seconds for each in refusal.refused] == [61.0, 3601.0]
        assert refusal.wait_seconds == 3601.0
        clock.advance(61)
        assert keys(await refused(counters, Window("minute", 1), Window("hour", 1, seconds=3600))) == ["hour"]


async def test_an_amount_over_the_limit_is_refused_for_good(counters: Counters) -> None:
    async with counters:
        refusal = await refused(counters, Window("input", 100, 101), Window("requests", 0), Place("none", 0))
        assert [each.wait_seconds for each in refusal.refused] == [None, None, None]
        assert refusal.wait_seconds is None


async def test_the_answer_says_how_every_count_stands(counters: Counters, clock: Clock) -> None:
    async with counters:
        await counters.seed("money", 50)
        await granted(counters, Window("input", 100, 30))
        clock.advance(10)
        claims = (Window("input", 100, 30), Window("output", 7, 0), Place("place", 2), Budget("money", 90, 15))
        reservation = await granted(counters, *claims)
        expected = [Standing(100, 40, 61.0), Standing(7, 7, 0.0), Standing(2, 1, None), Standing(90, 25, None)]
        assert list(reservation.standings) == expected
        refusal = await refused(counters, Window("input", 100, 41), *claims[1:])
        assert list(refusal.standings) == expected


async def test_a_settlement_replaces_what_was_reserved(counters: Counters, clock: Clock) -> None:
    async with counters:
        reservation = await granted(
            counters, Window("input", 100, 30), Window("output", 100, 90), Window("requests", 9)
        )
        clock.advance(20)
        counters.settle(reservation, (50, 10, 1))
        claims = (Window("input", 100, 0), Window("output", 100, 0), Window("requests", 9, 0))
        assert [each.remaining for each in (await granted(counters, *claims)).standings] == [50, 90, 8]
        # Where the reservation went to, not where it was settled.
        clock.advance(41)
        assert [each.remaining for each in (await granted(counters, *claims)).standings] == [100, 100, 9]


async def test_a_settlement_may_go_over_the_limit(counters: Counters, clock: Clock) -> None:
    async with counters:
        counters.settle(await granted(counters, Window("output", 100, 10)), [130])
        refusal = await refused(counters, Window("output", 100, 0))
        assert list(refusal.standings) == [Standing(100, 0, 61.0)]
        clock.advance(61)
        assert await remaining(counters, Window("output", 100, 0)) == 100


async def test_a_settlement_after_the_window_changes_nothing(counters: Counters, clock: Clock) -> None:
    async with counters:
        late, later = [await granted(counters, Window("output", 100, 10)) for _ in range(2)]
        clock.advance(61)
        counters.settle(late, [90])
        assert await remaining(counters, Window("output", 100, 1)) == 99
        counters.settle(later, [90])
        assert await remaining(counters, Window("output", 100, 1)) == 99


async def test_what_is_released_never_was(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 0)
        claims = (Window("requests", 1), Place("place", 1), Budget("money", 10, 10))
        for _ in range(3):
            counters.release(await granted(counters, *claims))
        await granted(counters, *claims)


async def test_settling_twice_is_a_bug(counters: Counters) -> None:
    async with counters:
        reservation = await granted(counters, Window("requests", 5), Place("place", 5))
        with pytest.raises(ValueError, match="one amount for each claim"):
            counters.settle(reservation, [1])
        with pytest.raises(ValueError, match="none below zero"):
            counters.settle(reservation, [-1, 0])
        counters.settle(reservation, [1, 0])
        with pytest.raises(RuntimeError, match="settled once"):
            counters.release(reservation)
        assert await remaining(counters, Window("requests", 5, 0)) == 4


async def test_one_key_is_claimed_once_by_a_request(counters: Counters) -> None:
    async with counters:
        await granted(counters, Window("same", 5), Place("same", 5))
        with pytest.raises(ValueError, match="same key"):
            await counters.reserve([Window("same", 5), Window("same", 5)])


def test_a_claim_that_makes_no_sense_is_a_bug() -> None:
    for claim in (
        lambda: Window("key", 1, -1),
        lambda: Window("key", -1),
        lambda: Window("key", 1, 1, 0),
        lambda: Window("key", 1, 1, 3601),
        lambda: Place("key", -1),
        lambda: Budget("key", MAX_LIMIT + 1, 0),
    ):
        with pytest.raises(ValueError, match=r"between 0 and|seconds long"):
            claim()


async def test_a_new_limit_applies_to_what_was_counted_under_the_old_one(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 0)
        await granted(counters, Window("requests", 10, 8), Place("place", 3), Budget("money", 100, 80))
        assert keys(await refused(counters, Window("requests", 5), Place("place", 1), Budget("money", 50, 1))) == [
            "requests",
            "place",
            "money",
        ]
        reservation = await granted(counters, Window("requests", 20), Place("place", 2), Budget("money", 200, 1))
        assert [each.remaining for each in reservation.standings] == [11, 0, 119]


async def test_a_place_is_taken_until_it_is_settled(counters: Counters, clock: Clock) -> None:
    async with counters:
        first, _ = [await granted(counters, Place("place", 2)) for _ in range(2)]
        clock.advance(3000)
        refusal = await refused(counters, Place("place", 2))
        assert refusal.wait_seconds == 1.0
        counters.settle(first, [0])
        await granted(counters, Place("place", 2))
        await refused(counters, Place("place", 2))


async def test_a_budget_must_be_seeded_and_the_first_seed_wins(counters: Counters) -> None:
    async with counters:
        claims = (Window("requests", 1), Budget("month", 100, 10), Budget("day", 50, 10))
        assert await counters.reserve(claims) == Unseeded(["month", "day"])
        assert await counters.seed("month", 70)
        assert not await counters.seed("month", 0)
        assert await counters.reserve(claims) == Unseeded(["day"])
        assert await counters.seed("day", 0)
        reservation = await granted(counters, *claims)
        assert [each.remaining for each in reservation.standings] == [0, 20, 40]


async def test_a_budget_turns_what_was_reserved_into_what_is_spent(counters: Counters, clock: Clock) -> None:
    async with counters:
        await counters.seed("money", 100)
        cheap, dear = [await granted(counters, Budget("money", 200, 40)) for _ in range(2)]
        assert (await refused(counters, Budget("money", 200, 40))).wait_seconds is None
        counters.settle(cheap, [1])
        assert await remaining(counters, Budget("money", 200, 0)) == 59
        counters.settle(dear, [120])
        clock.advance(300)
        assert keys(await refused(counters, Budget("money", 200, 0))) == ["money"]
        assert await remaining(counters, Budget("money", 1000, 0)) == 779


async def test_a_soft_budget_is_counted_and_refuses_nothing(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 0)
        for _ in range(2):
            counters.settle(await granted(counters, Budget("money", 10, 8, is_hard=False)), [20])
        reservation = await granted(counters, Budget("money", 10, 8, is_hard=False))
        assert reservation.standings[0].remaining == 0
        assert await remaining(counters, Budget("money", 100, 0)) == 52


async def test_a_forgotten_budget_is_seeded_again_and_keeps_what_is_reserved(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 60)
        running, ended = [await granted(counters, Budget("money", 100, 10)) for _ in range(2)]
        await counters.forget("money")
        counters.settle(ended, [10])
        assert await counters.reserve([Budget("money", 100, 10)]) == Unseeded(["money"])
        await counters.seed("money", 75)
        assert await remaining(counters, Budget("money", 100, 0)) == 15
        counters.settle(running, [5])
        assert await remaining(counters, Budget("money", 100, 0)) == 20


async def test_money_is_exact_beyond_what_a_float_can_hold(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 2**53)
        for _ in range(3):
            counters.settle(await granted(counters, Budget("money", MAX_LIMIT, 1)), [1])
        await counters.reserve([Budget("money", MAX_LIMIT, 1)])
        assert keys(await refused(counters, Budget("money", 2**53 + 2, 2))) == ["money"]


async def test_only_the_money_of_a_request_that_was_served_uncounted_is_settled(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 0)
        claims = (Window("requests", 5), Place("place", 5), Budget("money", 100, 10))
        counters.settle(Reservation(claims), (1, 0, 7))
        assert [each.remaining for each in (await granted(counters, *claims)).standings] == [4, 4, 83]


async def test_of_a_thousand_parallel_requests_a_hundred_get_through(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 0)
        claims = (Window("requests", 100), Place("place", 100), Budget("money", 10_000, 100))
        answers = await asyncio.gather(*(counters.reserve(claims) for _ in range(1000)))
        assert sum(isinstance(answer, Reservation) for answer in answers) == 100


async def test_keys_are_any_text(counters: Counters) -> None:
    async with counters:
        for key in ("", "a b\n{c}", "Zoë 🚰", "x" * 5000):
            await granted(counters, Window(key, 1), Place(key, 1))
            assert keys(await refused(counters, Window(key, 1), Place(key, 1))) == [key, key]
