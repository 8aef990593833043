"""The order that each strategy gives targets, and what belongs together going to the same one."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.unit.gateway.routing.simulation import World, chat, model, target

from aqueduct.domain.model import Target
from aqueduct.domain.price import Price
from aqueduct.domain.routing import Stickiness, Strategy
from aqueduct.errors import UpstreamTimeout
from aqueduct.simulation.virtual_time import run


def priced(name: str, input_rate: int, output_rate: int, **members: Any) -> Target:
    price = Price(currency="USD", tiers=((0, (("input_tokens", input_rate), ("output_tokens", output_rate))),))
    return target(name, prices=(price,), **members)


def test_weights_are_shares() -> None:
    async def work() -> Counter[str]:
        world = World([model(target("a", weight=3), target("b"), strategy=Strategy.WEIGHTED)])
        for _ in range(4000):
            await world.open()
        return Counter(world.names())

    asked = run(work())
    assert 2850 < asked["a/x"] < 3150


def test_strategies_order_within_a_priority_and_levels_follow_each_other() -> None:
    async def work() -> World:
        targets = [target("a"), target("b"), target("c", priority=2)]
        world = World([model(*targets, strategy=Strategy.WEIGHTED)])
        world.behaviours = {name: lambda _: UpstreamTimeout("slow") for name in ("a/x", "b/x")}
        for _ in range(5):
            await world.open()
        return world

    names = run(work()).names()
    for first, second, third in zip(names[::3], names[1::3], names[2::3], strict=False):
        assert {first, second} == {"a/x", "b/x"}
        assert third == "c/x"


def test_the_least_busy_of_two_is_asked_so_that_a_slow_target_gets_less() -> None:
    async def work() -> Counter[str]:
        world = World([model(target("a"), target("b"), target("c"), strategy=Strategy.LEAST_BUSY)])
        world.behaviours = {"a/x": lambda _: 0.1, "b/x": lambda _: 0.1, "c/x": lambda _: 1.0}
        async with asyncio.TaskGroup() as group:
            for _ in range(2000):
                group.create_task(world.open())
                await asyncio.sleep(0.01)
        return Counter(world.names())

    asked = run(work())
    assert asked["c/x"] < 200
    assert abs(asked["a/x"] - asked["b/x"]) < 200


def test_the_cheapest_for_the_request_s_size_is_asked() -> None:
    async def work() -> World:
        dear_input = priced("a", 10_000_000_000, 1_000_000_000)
        dear_output = priced("b", 1_000_000_000, 10_000_000_000)
        world = World([model(target("unknown"), dear_input, dear_output, strategy=Strategy.LOWEST_COST)])
        await world.open(request=chat("x" * 40_000, b',"max_tokens":10'))
        await world.open(request=chat("x", b',"max_tokens":1000'))
        return world

    assert run(work()).names() == ["b/x", "a/x"]


def test_the_fastest_of_late_is_asked_and_another_gets_its_chance_once_nothing_is_known_of_it() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"), strategy=Strategy.LOWEST_LATENCY)])
        world.behaviours = {"a/x": lambda now: 0.5 if now < 30 else 0.1, "b/x": lambda _: 0.2}
        for _ in range(600):
            await world.open()
        return world

    names = run(work()).names()
    assert names[:2] == ["a/x", "b/x"]
    assert set(names[2:100]) == {"b/x"}
    assert set(names[-100:]) == {"a/x"}


@pytest.mark.parametrize(
    ("kind", "same", "other"),
    [
        (Stickiness.USER, b',"user":"ann"', b',"user":"bob%d"'),
        (Stickiness.PROMPT_CACHE_KEY, b',"prompt_cache_key":"k"', b',"prompt_cache_key":"k%d"'),
    ],
)
def test_what_belongs_together_goes_to_one_target_and_the_rest_is_spread(
    kind: Stickiness, same: bytes, other: bytes
) -> None:
    async def work() -> tuple[set[str], Counter[str]]:
        world = World([model(*(target(name) for name in "abcd"), sticky=kind)])
        for _ in range(20):
            await world.open(request=chat(members=same))
        first = set(world.names())
        world.asked.clear()
        for number in range(400):
            await world.open(request=chat(members=other % number))
        return first, Counter(world.names())

    first, spread = run(work())
    assert len(first) == 1
    assert len(spread) == 4
    assert min(spread.values()) > 60


def test_a_conversation_stays_where_it_began() -> None:
    async def work() -> set[str]:
        world = World([model(*(target(name) for name in "abcd"), sticky=Stickiness.PREFIX)])
        turn = '"}, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And'
        for number in range(6):
            await world.open(request=chat("Hello" + turn * number))
        return set(world.names())

    assert len(run(work())) == 1


def test_a_target_that_leaves_moves_only_what_was_its_own() -> None:
    async def homes(names: str) -> dict[int, str]:
        world = World([model(*(target(name) for name in names), sticky=Stickiness.USER)])
        for number in range(300):
            await world.open(request=chat(members=b',"user":"%d"' % number))
        return dict(enumerate(world.names()))

    before, after = run(homes("abcd")), run(homes("abc"))
    assert all(after[user] == home for user, home in before.items() if home != "d/x")


def test_one_key_cannot_overload_its_target() -> None:
    async def work() -> Counter[str]:
        world = World([model(*(target(name) for name in "abcd"), sticky=Stickiness.TOKEN)])
        world.behaviours = {f"{name}/x": lambda _: 1000.0 for name in "abcd"}
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(world.open())
        return Counter(world.names())

    asked = run(work())
    assert len(asked) == 4
    assert max(asked.values()) <= 33
