"""Who waits for whom."""

import asyncio

from aqueduct.gateway.cache.flights import Flights, Lead


async def waiting(flights: Flights[str], count: int) -> list["asyncio.Task[Lead[str] | str | None]"]:
    tasks = [asyncio.create_task(flights.wait("k")) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def begun(flights: Flights[str]) -> Lead[str]:
    lead = flights.begin("k")
    assert lead is not None
    assert flights.begin("k") is None
    return lead


async def test_all_get_what_the_leader_found() -> None:
    flights: Flights[str] = Flights()
    lead = begun(flights)
    tasks = await waiting(flights, 3)
    lead.land("answer")
    lead.fail()  # the second ending is none
    assert [await task for task in tasks] == ["answer"] * 3
    assert len(flights) == 0


async def test_a_leader_who_leaves_hands_over_to_who_has_waited_longest() -> None:
    flights: Flights[str] = Flights()
    lead = begun(flights)
    first, second, third = await waiting(flights, 3)
    first.cancel()
    await asyncio.sleep(0)
    lead.hand_over()
    next_lead = await second
    assert isinstance(next_lead, Lead)
    assert not third.done()
    next_lead.land("answer")
    assert await third == "answer"
    assert len(flights) == 0


async def test_a_second_failure_sends_each_his_own_way() -> None:
    flights: Flights[str] = Flights()
    lead = begun(flights)
    first, *others = await waiting(flights, 4)
    lead.fail()
    next_lead = await first
    assert isinstance(next_lead, Lead)
    next_lead.fail()
    assert [await task for task in others] == [None] * 3
    assert len(flights) == 0


async def test_the_lead_is_not_lost_with_a_client_who_leaves_in_the_moment_he_gets_it() -> None:
    flights: Flights[str] = Flights()
    lead = begun(flights)
    first, second = await waiting(flights, 2)
    lead.hand_over()
    first.cancel()
    found = await second
    assert isinstance(found, Lead)
    found.hand_over()
    assert len(flights) == 0
    assert first.cancelled()


async def test_nobody_waiting_ends_it() -> None:
    flights: Flights[str] = Flights()
    begun(flights).hand_over()
    begun(flights).fail()
    begun(flights).land(None)
    assert len(flights) == 0


async def test_who_has_waited_for_too_long_goes_his_own_way() -> None:
    flights: Flights[str] = Flights(max_wait_seconds=0.01)
    lead = begun(flights)
    tasks = await waiting(flights, 2)
    assert [await task for task in tasks] == [None, None]
    assert flights.begin("k") is None
    lead.land("answer")
    assert len(flights) == 0
