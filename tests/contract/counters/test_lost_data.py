"""A server that lost what it knew, and whose budgets are seeded again from what was recorded meanwhile."""

import asyncio

import pytest
from tests.contract.counters.conftest import PATIENCE_SECONDS
from tests.contract.counters.reserving import granted, remaining
from tests.contract.counters.test_absence import reserve_when_back
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.counters.answers import Reservation
from aqueduct.counters.claims import Budget, Window
from aqueduct.counters.valkey import ValkeyCounters

NOTHING = Budget("money", 100, 0)
RESENT_SECONDS = 1.0
"""Longer than until what could not be sent is sent again."""


def patient(server: ValkeyProcess) -> ValkeyCounters:
    return ValkeyCounters(server.url, prefix="shared", timeout_seconds=PATIENCE_SECONDS)


async def until_away(counters: ValkeyCounters) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while counters._link.is_up:  # noqa: ASYNC110 -- it is a server's state
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_counted", [True, False])
async def test_what_was_settled_before_the_budget_was_seeded_again_is_not_spent_again(
    server: ValkeyProcess, *, is_counted: bool
) -> None:
    async with patient(server) as counters:
        await counters.seed("money", 0)
        reservation = await granted(counters, Budget("money", 100, 5)) if is_counted else Reservation([NOTHING])
        server.kill()
        await until_away(counters)
        counters.settle(reservation, [8])
        server.start()
        async with patient(server) as other:
            # Its record is in the rollups by now.
            await other.seed("money", 8)
            await reserve_when_back(counters, Window("anything", 1))
            await asyncio.sleep(RESENT_SECONDS)
            assert await remaining(other, NOTHING) == 92


async def test_what_is_settled_after_the_budget_was_seeded_again_is_spent(server: ValkeyProcess) -> None:
    async with patient(server) as counters:
        await counters.seed("money", 0)
        early, late = [await granted(counters, Budget("money", 100, 5)) for _ in range(2)]
        server.kill()
        await until_away(counters)
        server.start()
        async with patient(server) as other:
            await other.seed("money", 0)
            # Whether its gateway has found the server again or not.
            counters.settle(early, [8])
            await reserve_when_back(counters, Window("anything", 1))
            counters.settle(late, [3])
            await asyncio.sleep(RESENT_SECONDS)
            assert await remaining(other, NOTHING) == 89


async def test_what_was_spent_while_a_server_that_lost_nothing_was_silent_is_spent(server: ValkeyProcess) -> None:
    async with ValkeyCounters(server.url, timeout_seconds=0.2) as counters:
        await counters.seed("money", 0)
        reservation = await granted(counters, Budget("money", 100, 5))
        server.pause()
        await asyncio.gather(counters.reserve([Window("anything", 1)]), return_exceptions=True)
        await until_away(counters)
        counters.settle(reservation, [8])
        server.resume()
        await reserve_when_back(counters, Window("anything", 9))
        await asyncio.sleep(RESENT_SECONDS)
        assert await remaining(counters, NOTHING) == 92
