"""Whose turn it is to try a target that is out of use, and what is told of it: the real router under virtual time."""

import asyncio

from tests.unit.gateway.routing.simulation import World, model, target

from aqueduct.domain.routing import BreakerRules
from aqueduct.errors import UpstreamRateLimited, UpstreamServerError
from aqueduct.gateway.routing.view import StateTeller
from aqueduct.simulation.virtual_time import run

ONE_FAILURE = BreakerRules(failures=1)


def test_a_request_with_nowhere_else_to_go_waits_for_its_turn_to_try() -> None:
    world = World([model(target("a", breaker=ONE_FAILURE))])
    leases = world.traffic.leases

    async def work() -> None:
        loop = asyncio.get_running_loop()
        world.behaviours["a/x"] = lambda now: UpstreamServerError("no", status=500) if now < 5 else 0.1
        assert not await world.try_open()
        (state,) = world.traffic.states
        await asyncio.sleep(state.breaker.open_until - loop.time())
        leases.is_shared = True

        def ask() -> None:
            loop.call_later(0.05, leases.grant, state.id, loop.time() + 2.0)

        leases.wake = ask
        began_at = loop.time()
        await world.open()
        assert 0.049 <= world.asked[-1][0] - began_at <= 0.07
        assert state.breaker.is_closed
        assert leases.returned == {state.id}

    run(work())


def test_while_another_gateway_tries_a_lone_target_the_client_hears_so_at_once() -> None:
    world = World([model(target("a", breaker=ONE_FAILURE))])
    leases = world.traffic.leases

    async def work() -> None:
        loop = asyncio.get_running_loop()
        world.behaviours["a/x"] = lambda _: UpstreamServerError("no", status=500)
        assert not await world.try_open()
        (state,) = world.traffic.states
        await asyncio.sleep(state.breaker.open_until - loop.time())
        leases.is_shared = True
        leases.deny(state.id, loop.time() + 1.0)
        asked, began_at = len(world.asked), loop.time()
        assert not await world.try_open()
        assert len(world.asked) == asked
        assert loop.time() - began_at < 0.1

    run(work())


def test_a_target_that_goes_down_and_comes_back_is_told_of_once_each() -> None:
    world = World([model(target("a", breaker=ONE_FAILURE), target("b"))])
    world.traffic.listeners.append(StateTeller(world.events.append))

    async def work() -> None:
        loop = asyncio.get_running_loop()
        world.behaviours["a/x"] = lambda now: UpstreamServerError("no", status=500) if now < 12 else 0.1
        while loop.time() < 60:
            await world.open()
            await asyncio.sleep(0.5)

    run(work())
    assert [event.kind.value for event in world.events][-1] == "target.up"
    told = {event.id: event for event in world.events}
    assert [event.kind.value for event in told.values()] == ["target.down", "target.up"]
    down, up = told.values()
    assert down.data == {"target": "a/x", "provider": "a", "model": "x", "key": 1, "code": "upstream_server_error"}
    assert up.data == {"target": "a/x", "provider": "a", "model": "x", "key": 1}


def test_a_provider_s_rate_limit_is_no_event() -> None:
    world = World([model(target("a"), target("b"))])
    world.traffic.listeners.append(StateTeller(world.events.append))
    world.behaviours["a/x"] = lambda _: UpstreamRateLimited("no", retry_after_seconds=2.0)

    async def work() -> None:
        for _ in range(8):
            await world.open()
            await asyncio.sleep(1.0)

    run(work())
    assert world.events == []
