"""What Valkey's own arithmetic does not take: minus nothing."""

from tests.contract.counters.conftest import Clock
from tests.contract.counters.reserving import granted, remaining

from aqueduct.counters.claims import Budget, Window
from aqueduct.counters.contract import Counters


async def test_a_window_goes_on_over_seconds_in_which_nothing_came(counters: Counters, clock: Clock) -> None:
    async with counters:
        for pause_seconds in (0, 7, 55, 1, 1, 10):
            clock.advance(pause_seconds)
            await granted(counters, Window("requests", 10))
        assert await remaining(counters, Window("requests", 10, 0)) == 6


async def test_a_budget_that_was_asked_for_nothing_hears_what_it_cost(counters: Counters) -> None:
    async with counters:
        await counters.seed("money", 0)
        reservation = await granted(counters, Budget("money", 100, 0))
        counters.settle(reservation, (9,))
        assert await remaining(counters, Budget("money", 100, 0)) == 91
