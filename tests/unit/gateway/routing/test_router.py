"""The real router under virtual time: who is asked, in which order, how often, and when it gives up."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from tests.unit.gateway.routing.simulation import World, chat, model, target

from aqueduct.domain.model import Model
from aqueduct.domain.routing import BreakerRules, Hedge, Strategy, TargetLimits
from aqueduct.errors import (
    AllTargetsFailed,
    InvalidRequest,
    UpstreamError,
    UpstreamModelMissing,
    UpstreamNoCredit,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from aqueduct.simulation.virtual_time import run
from aqueduct.wire.errors import render

OFF = BreakerRules(is_enabled=False)


def failing(make: Callable[[], UpstreamError]) -> Callable[[float], UpstreamError]:
    return lambda _: make()


def broken() -> UpstreamError:
    return UpstreamServerError("broken")


def overflow() -> UpstreamError:
    refusal = InvalidRequest("too long", code="context_length_exceeded", param="messages")
    return UpstreamRejected(refusal, status=400)


def policy() -> UpstreamError:
    return UpstreamRejected(InvalidRequest("not this", code="content_filter"), status=400)


def test_a_healthy_first_target_is_the_only_one_asked() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"))])
        for _ in range(3):
            await world.open()
        return world

    assert run(work()).names() == ["a/x"] * 3


def test_every_target_is_asked_once_before_any_is_asked_again() -> None:
    async def work() -> World:
        world = World([model(target("a", breaker=OFF), target("b", breaker=OFF))])
        world.behaviours = {"a/x": failing(broken), "b/x": failing(broken)}
        with pytest.raises(AllTargetsFailed):
            await world.open()
        return world

    world = run(work())
    assert world.names() == ["a/x", "b/x"] * 3
    instants = [at for at, _ in world.asked]
    assert instants[0] == instants[1] == 0
    assert 0.125 <= instants[2] - instants[1] <= 0.25
    assert 0.25 <= instants[4] - instants[3] <= 0.5


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (UpstreamRateLimited, 3),
        (UpstreamOverloaded, 3),
        (UpstreamServerError, 3),
        (UpstreamUnreachable, 3),
        (UpstreamTimeout, 1),
        (UpstreamUnauthorized, 1),
        (UpstreamNoCredit, 1),
        (UpstreamModelMissing, 1),
    ],
)
def test_what_is_asked_again_depends_on_the_class_of_the_error(kind: type[UpstreamError], asked: int) -> None:
    async def work() -> World:
        world = World([model(target("a", breaker=OFF))])
        world.behaviours = {"a/x": failing(lambda: kind("it failed"))}
        with pytest.raises(AllTargetsFailed):
            await world.open()
        return world

    assert run(work()).count("a/x") == asked


def test_a_wait_that_the_upstream_asked_for_is_kept_to() -> None:
    async def work() -> World:
        world = World([model(target("a"))])
        world.behaviours["a/x"] = lambda now: (
            UpstreamRateLimited("slow down", retry_after_seconds=2) if now < 2 else 0.1
        )
        await world.open()
        return world

    assert run(work()).asked == [(0, "a/x"), (2, "a/x")]


def test_a_target_that_fails_is_left_alone_and_tried_again_by_one_request_at_a_time() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"))])
        world.behaviours["a/x"] = lambda now: broken() if now < 60 else 0.1
        for _ in range(1000):
            assert await world.try_open()
        return world

    world = run(work())
    before = [at for at, name in world.asked if name == "a/x" and at < 60]
    assert len(before) < 12
    assert world.names()[-10:] == ["a/x"] * 10


def test_one_of_three_targets_out_costs_no_request() -> None:
    async def work() -> tuple[World, list[bool]]:
        world = World([model(target("a"), target("b"), target("c"), strategy=Strategy.WEIGHTED)])
        world.behaviours["b/x"] = lambda now: UpstreamOverloaded("529") if 10 < now < 40 else 0.2
        async with asyncio.TaskGroup() as group:
            tasks = []
            for _ in range(1500):
                tasks.append(group.create_task(world.try_open()))
                await asyncio.sleep(0.05)
        return world, [task.result() for task in tasks]

    world, answered = run(work())
    assert all(answered)
    assert len(world.asked) < 1500 * 1.03
    assert [name for at, name in world.asked if at > 60].count("b/x") > 50


def test_retries_cannot_multiply_an_overload() -> None:
    async def work() -> World:
        world = World([model(target("a", breaker=OFF), target("b", breaker=OFF), target("c", breaker=OFF))])
        for name in ("a/x", "b/x", "c/x"):
            world.behaviours[name] = failing(broken)
        async with asyncio.TaskGroup() as group:
            for _ in range(3000):
                group.create_task(world.try_open())
                await asyncio.sleep(0.01)
        return world

    extra = len(run(work()).asked) - 3000
    # A fifth more, and the reserve: 20, and one a second for half a minute.
    assert 600 <= extra <= 600 + 20 + 32


def test_where_every_target_is_out_the_client_hears_when_to_come_back() -> None:
    async def work() -> tuple[World, AllTargetsFailed]:
        world = World([model(target("a"))])
        world.behaviours["a/x"] = failing(lambda: UpstreamUnauthorized("401"))
        with pytest.raises(AllTargetsFailed):
            await world.open()
        await asyncio.sleep(10)
        with pytest.raises(AllTargetsFailed) as caught:
            await world.open()
        return world, caught.value

    world, error = run(work())
    assert world.count("a/x") == 1
    answer = render(error)
    assert (answer.status, answer.code) == (503, "no_target_available")
    assert dict(answer.headers)[b"retry-after"] == b"50"


def test_a_short_limit_is_waited_out_rather_than_refused() -> None:
    async def work() -> World:
        world = World([model(target("a"))])
        world.behaviours["a/x"] = lambda now: UpstreamRateLimited("429", retry_after_seconds=30) if now < 28 else 0.1
        assert not await world.try_open()
        await asyncio.sleep(27)
        assert await world.try_open()
        return world

    assert [round(at) for at, _ in run(work()).asked] == [0, 30]


@pytest.mark.parametrize(
    ("kind", "status"), [(UpstreamModelMissing, 404), (UpstreamUnauthorized, 403), (UpstreamRateLimited, 429)]
)
def test_what_is_wrong_with_one_name_does_not_take_every_other_out_of_use(
    kind: type[UpstreamError], status: int
) -> None:
    async def work() -> World:
        every = msgspec.structs.replace(target("a"), model="*")
        world = World([model(every)])
        world.behaviours["a/*"] = lambda now: kind("not this one", status=status) if now < 1 else 0.1
        for _ in range(3):
            await world.try_open()
        await asyncio.sleep(1)
        assert await world.try_open()
        return world

    assert not [state for state in run(work()).traffic.states if not state.breaker.is_closed]


# Fallbacks.


def test_other_models_are_asked_in_turn_where_all_targets_fail() -> None:
    async def work() -> World:
        models = [
            model(target("a", breaker=OFF), fallbacks=("n", "o")),
            model(target("b", breaker=OFF), name="n", fallbacks=("p",)),
            model(target("c"), name="o"),
            model(target("d"), name="p"),
        ]
        world = World(models)
        world.behaviours = {
            "a/x": failing(lambda: UpstreamTimeout("slow")),
            "b/x": failing(lambda: UpstreamTimeout("slow")),
        }
        exchange = await world.open()
        assert exchange.target.name == "d/x"
        return world

    assert run(work()).names() == ["a/x", "b/x", "d/x"]


@pytest.mark.parametrize(
    ("make", "answered_by"),
    [(overflow, "long/x"), (policy, "free/x"), (lambda: UpstreamTimeout("slow"), "spare/x")],
    ids=["overflow", "policy", "failure"],
)
def test_each_reason_has_models_of_its_own(make: Callable[[], UpstreamError], answered_by: str) -> None:
    first = model(
        target("a"),
        target("b"),
        fallbacks=("spare",),
        context_overflow_fallbacks=("long",),
        content_policy_fallbacks=("free",),
    )
    others = [model(target(name), name=name) for name in ("spare", "long", "free")]

    async def work() -> str:
        world = World([first, *others])
        world.behaviours = {"a/x": failing(make), "b/x": failing(make)}
        return (await world.open()).target.name

    assert run(work()) == answered_by


def test_a_refusal_of_another_kind_is_final() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"), fallbacks=("n",)), model(target("c"), name="n")])
        world.behaviours["a/x"] = failing(lambda: UpstreamRejected(InvalidRequest("bad", param="stop"), status=400))
        with pytest.raises(AllTargetsFailed):
            await world.open()
        return world

    assert run(work()).names() == ["a/x"]


def test_an_overflow_is_told_before_the_call_where_it_is_clear_and_goes_to_a_larger_model() -> None:
    small = model(target("a", context_window=1000), context_overflow_fallbacks=("big",))
    big = model(target("b", context_window=100_000), name="big")
    words = " ".join(f"word{number}" for number in range(3000))

    async def work() -> World:
        world = World([small, big])
        await world.open(request=chat(words))
        await world.open(request=chat(words[:7000]))
        await world.open(request=chat("-" * 100_000))
        return world

    assert run(work()).names() == ["b/x", "a/x", "a/x"]


def test_an_overflow_without_a_larger_model_is_the_usual_400() -> None:
    async def work() -> World:
        world = World([model(target("a", context_window=10), fallbacks=("n",)), model(target("b"), name="n")])
        with pytest.raises(InvalidRequest) as caught:
            await world.open(request=chat("a few words too many " * 20))
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
        return world

    assert run(work()).names() == []


def test_a_target_with_a_larger_window_is_asked_where_a_smaller_one_overflows() -> None:
    async def work() -> World:
        world = World([model(target("a", context_window=1000), target("b", context_window=2000))])
        world.behaviours["a/x"] = failing(overflow)
        await world.open()
        return world

    assert run(work()).names() == ["a/x", "b/x"]


# Keys, limits and deadlines.


def with_keys(name: str, count: int) -> Model:
    first = target(name)
    keys = [
        msgspec.structs.replace(
            first, provider=msgspec.structs.replace(first.provider, api_key=f"key-{n}", key_number=n)
        )
        for n in range(1, count + 1)
    ]
    return model(*keys)


@pytest.mark.parametrize("kind", [UpstreamRateLimited, UpstreamUnauthorized])
def test_the_next_key_takes_over_where_one_is_refused_or_used_up(kind: type[UpstreamError]) -> None:
    async def work() -> World:
        world = World([with_keys("a", 2)])
        world.behaviours["a/x"] = failing(lambda: kind("no", retry_after_seconds=30))
        for _ in range(4):
            await world.open()
        return world

    assert run(work()).names() == ["a/x", *["a/x#2"] * 4]


def test_another_target_goes_before_another_key_where_the_key_is_not_to_blame() -> None:
    async def work() -> World:
        keyed = with_keys("a", 2)
        world = World([model(*keyed.targets, target("b"))])
        world.behaviours["a/x"] = failing(broken)
        await world.open()
        return world

    assert run(work()).names() == ["a/x", "b/x"]


def test_a_provider_s_limit_on_requests_is_kept_by_spreading_and_then_by_waiting() -> None:
    limits = TargetLimits(requests_per_minute=3)

    async def work() -> World:
        world = World([model(target("a", limits=limits), target("b", limits=limits), queue_seconds=100)])
        await asyncio.gather(*(world.open() for _ in range(8)))
        return world

    world = run(work())
    assert world.names()[:6] == ["a/x"] * 3 + ["b/x"] * 3
    assert [round(at) for at, _ in world.asked[6:]] == [60, 60]


def test_a_provider_s_limit_on_requests_in_flight_is_kept_first_come_first_served() -> None:
    async def work() -> World:
        world = World([model(target("a", limits=TargetLimits(concurrency=2)))])
        world.behaviours["a/x"] = lambda _: 1.0
        await asyncio.gather(*(world.open() for _ in range(6)))
        return world

    assert [round(at) for at, _ in run(work()).asked] == [0, 0, 1, 1, 2, 2]


def test_a_request_waits_no_longer_for_a_provider_s_limit_than_it_may() -> None:
    async def work() -> bytes:
        world = World([model(target("a", limits=TargetLimits(requests_per_minute=1)), queue_seconds=2)])
        await world.open()
        with pytest.raises(AllTargetsFailed) as caught:
            await world.open()
        assert asyncio.get_running_loop().time() < 3
        return dict(render(caught.value).headers)[b"retry-after"]

    assert run(work()) == b"60"


def test_tokens_a_minute_are_kept_to_and_what_was_not_used_is_given_back() -> None:
    limits = TargetLimits(tokens_per_minute=1000)

    async def work() -> World:
        world = World([model(target("a", limits=limits), queue_seconds=0)])
        request = chat(members=b',"max_tokens":900')
        await asyncio.gather(world.open(request=request), world.open(request=request), return_exceptions=True)
        assert world.count("a/x") == 1
        await world.open(request=request)
        return world

    assert run(work()).count("a/x") == 2


def test_the_deadline_is_for_all_attempts_together() -> None:
    async def work() -> float:
        world = World([model(target("a"), target("b"), deadline_seconds=5)])
        world.behaviours = {"a/x": lambda _: 60.0, "b/x": lambda _: 1.0}
        with pytest.raises(AllTargetsFailed) as caught:
            await world.open()
        assert render(caught.value).status == 504
        assert world.names() == ["a/x"]
        return asyncio.get_running_loop().time()

    assert run(work()) == pytest.approx(5)


# Hedging.


def test_a_second_target_is_asked_where_the_first_is_slow_and_the_first_answer_wins() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"), hedge=Hedge(after_seconds=1.0))])
        world.behaviours = {"a/x": lambda _: 30.0, "b/x": lambda _: 0.5}
        exchange = await world.open()
        assert exchange.target.name == "b/x"
        assert asyncio.get_running_loop().time() == pytest.approx(1.5)
        return world

    world = run(work())
    assert world.names() == ["a/x", "b/x"]
    records = [attempt.record for attempt in world.entries[0].attempts]
    assert [record.target for record in records] == ["a/x", "b/x"]
    loser = world.entries[0].attempts[0]
    assert loser.uncounted_text() is not None  # what it was sent is charged
    assert all(state.in_flight == 0 for state in world.traffic.states)


def test_the_attempt_that_won_is_the_last_one_recorded() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"), hedge=Hedge(after_seconds=1.0))])
        world.behaviours = {"a/x": lambda _: 2.0, "b/x": lambda _: 30.0}
        assert (await world.open()).target.name == "a/x"
        return world

    assert [attempt.record.target for attempt in run(work()).entries[0].attempts] == ["b/x", "a/x"]


def test_where_the_hedge_fails_the_first_goes_on_and_where_both_fail_the_walk_does() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"), target("c"), hedge=Hedge(after_seconds=1.0))])
        world.behaviours = {"a/x": lambda _: 3.0, "b/x": failing(broken)}
        assert (await world.open()).target.name == "a/x"
        world.behaviours["a/x"] = failing(broken)
        assert (await world.open()).target.name == "c/x"
        return world

    assert run(work()).names() == ["a/x", "b/x", "a/x", "b/x", "c/x"]


def test_hedging_after_the_percentile_waits_until_there_is_one() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"), hedge=Hedge())])
        world.behaviours["a/x"] = lambda _: 1.0 - 0.01 * world.count("a/x")
        for _ in range(30):
            await world.open()
        assert world.count("b/x") == 0
        world.behaviours["a/x"] = lambda _: 5.0
        await world.open()
        return world

    (began_at, first), (hedged_at, second) = run(work()).asked[-2:]
    assert (first, second) == ("a/x", "b/x")
    assert 0.9 < hedged_at - began_at < 1.0


def test_hedging_is_paid_for_by_the_retry_budget() -> None:
    async def work() -> World:
        world = World([model(target("a"), target("b"), hedge=Hedge(after_seconds=0.01))])
        world.behaviours = {"a/x": lambda _: 0.1, "b/x": lambda _: 0.1}
        async with asyncio.TaskGroup() as group:
            for _ in range(1000):
                group.create_task(world.open())
                await asyncio.sleep(0.01)
        return world

    assert len(run(work()).asked) <= 1000 * 1.2 + 20 + 11
