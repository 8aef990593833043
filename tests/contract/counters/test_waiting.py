"""Waiting for a place instead of being refused."""

import asyncio

import pytest
from tests.contract.counters.conftest import Clock
from tests.contract.counters.reserving import granted, keys, refused, remaining

from aqueduct.counters.answers import Refusal, Reservation
from aqueduct.counters.claims import Claim, Place, Window
from aqueduct.counters.contract import Counters
from aqueduct.counters.memory import MemoryCounters

LONG_SECONDS = 30.0


async def settled_turns() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_place_that_is_given_back_goes_to_who_waits(counters: Counters) -> None:
    async with counters:
        holder = await granted(counters, Place("place", 1))
        waiting = asyncio.ensure_future(granted(counters, Place("place", 1), wait_seconds=LONG_SECONDS))
        await settled_turns()
        counters.release(holder)
        counters.release(await waiting)
        assert await remaining(counters, Place("place", 1)) == 0


async def test_waiting_ends_in_time(counters: Counters) -> None:
    async with counters:
        holder = await granted(counters, Place("place", 1))
        refusal = await refused(counters, Place("place", 1), wait_seconds=0.05)
        assert keys(refusal) == ["place"]
        counters.release(holder)
        assert await remaining(counters, Place("place", 1)) == 0


async def test_nobody_waits_for_what_waiting_does_not_bring(counters: Counters) -> None:
    async with counters:
        await granted(counters, Place("place", 1), Window("requests", 1))
        for claims in ([Place("none", 0)], [Window("requests", 1)], [Place("place", 1), Window("requests", 1)]):
            async with asyncio.timeout(LONG_SECONDS / 2):
                await refused(counters, *claims, wait_seconds=LONG_SECONDS)


async def test_who_is_cancelled_while_waiting_leaves_nothing_behind(counters: Counters) -> None:
    async with counters:
        holder = await granted(counters, Place("place", 1), Window("requests", 9))
        claims: tuple[Claim, ...] = (Place("place", 1), Window("requests", 9))
        for turns in range(8):
            waiting = asyncio.ensure_future(counters.reserve(claims, wait_seconds=LONG_SECONDS))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        counters.release(holder)
        # What a cancelled call had reserved is given back once its answer is there.
        last = await granted(counters, *claims, wait_seconds=LONG_SECONDS)
        assert [each.remaining for each in last.standings] == [0, 8]


async def test_who_is_cancelled_when_his_turn_has_come_gives_it_back(counters: Counters) -> None:
    async with counters:
        holder = await granted(counters, Place("place", 1))
        waiting = asyncio.ensure_future(counters.reserve([Place("place", 1)], wait_seconds=LONG_SECONDS))
        await settled_turns()
        counters.release(holder)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await granted(counters, Place("place", 1), wait_seconds=LONG_SECONDS)


async def line_up(counters: MemoryCounters, *claims: Claim) -> "asyncio.Task[Reservation]":
    task = asyncio.create_task(granted(counters, *claims, wait_seconds=LONG_SECONDS))
    await settled_turns()
    return task


def assert_nothing_stays(counters: MemoryCounters, clock: Clock) -> None:
    """Of places that nobody has or waits for."""
    clock.advance(1.0)
    counters.reserve_now([])
    assert len(counters) == 0


async def test_in_memory_places_go_first_come_first_served_and_nobody_overtakes(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    holder = await granted(counters, Place("place", 1))
    line = [await line_up(counters, Place("place", 1)) for _ in range(5)]
    for waiting in line:
        counters.release(holder)
        # The place is handed on already, whoever comes now.
        await refused(counters, Place("place", 1))
        await settled_turns()
        assert waiting.done()
        assert sum(each.done() for each in line) == line.index(waiting) + 1
        holder = await waiting
    counters.release(holder)
    assert_nothing_stays(counters, clock)


async def test_in_memory_one_release_wakes_as_many_as_there_are_places(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    holders = [await granted(counters, Place("place", 3)) for _ in range(3)]
    line = [await line_up(counters, Place("place", 3)) for _ in range(3)]
    for holder in holders:
        counters.release(holder)
    for waiting in line:
        counters.release(await waiting)
    assert_nothing_stays(counters, clock)


async def test_in_memory_who_needs_two_places_keeps_his_turn_in_both_lines(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    user, team = await granted(counters, Place("user", 1)), await granted(counters, Place("team", 1))
    both = await line_up(counters, Place("user", 1), Place("team", 1))
    younger = await line_up(counters, Place("team", 1))
    counters.release(user)
    # The user's place is free, the team's is not: he waits there now, before the one who came after him.
    counters.release(await granted(counters, Place("user", 1)))
    counters.release(team)
    await settled_turns()
    assert both.done()
    assert not younger.done()
    counters.release(await both)
    counters.release(await younger)
    assert_nothing_stays(counters, clock)


async def test_in_memory_who_fails_another_limit_when_his_turn_comes_is_refused(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    holder = await granted(counters, Place("place", 1))
    waiting = asyncio.create_task(
        counters.reserve([Place("place", 1), Window("requests", 1)], wait_seconds=LONG_SECONDS)
    )
    await settled_turns()
    next_one = await line_up(counters, Place("place", 1))
    await granted(counters, Window("requests", 1))
    counters.release(holder)
    refusal = await waiting
    assert isinstance(refusal, Refusal)
    assert keys(refusal) == ["requests"]
    counters.release(await next_one)


async def test_in_memory_who_leaves_the_line_stands_in_nobodys_way(clock: Clock) -> None:
    counters = MemoryCounters(clock)
    for_one = await granted(counters, Place("place", 1))
    first = await line_up(counters, Place("place", 1))
    second = await line_up(counters, Place("place", 2))
    assert not second.done()
    first.cancel()
    counters.release(await second)
    counters.release(for_one)
    assert_nothing_stays(counters, clock)
