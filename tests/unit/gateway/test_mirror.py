"""Copies for a shadow under virtual time: how many, how long, and what is recorded of those that are broken off."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import pytest
from structlog.testing import capture_logs
from tests.unit.gateway.routing.simulation import World, chat, model, target

from aqueduct.domain.capture import Recorded
from aqueduct.domain.principal import Principal
from aqueduct.domain.routing import TargetLimits
from aqueduct.domain.steering import Mirror
from aqueduct.domain.usage import Undelivered, UsageRecord
from aqueduct.errors import UpstreamOverloaded
from aqueduct.gateway.account import Entry
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.call import Call
from aqueduct.gateway.mirror import Mirrors
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.routing.breaker import BreakerState
from aqueduct.gateway.routing.policy import Symptom
from aqueduct.simulation.opener import SimulatedOpener
from aqueduct.simulation.virtual_time import run


class Notebook:
    """A journal that is a list."""

    def __init__(self) -> None:
        self.is_writable = True
        self.records: list[UsageRecord] = []

    def record(self, record: UsageRecord | Undelivered) -> "asyncio.Future[None]":
        assert isinstance(record, UsageRecord)
        self.records.append(record)
        return asyncio.get_running_loop().create_future()


class NoRecorder:
    """A recorder that must not be needed."""

    def hold(self, size: int) -> bool:
        raise AssertionError

    def take(self, recorded: Recorded) -> None:
        raise AssertionError


class Client:
    """As much of a call as is looked at."""

    id = "request"
    headers: Mapping[bytes, bytes] = {}
    started_at = 1_700_000_000.0


class Scene:
    """A model `m` with a shadow at the target `s/x`; `send` says that a request was answered."""

    def __init__(self, mirror: Mirror, limits: TargetLimits | None) -> None:
        self.notebook = Notebook()
        self.answered = target("a")
        self.world = World(
            [
                model(self.answered, target("b", label="new"), mirror=mirror),
                model(target("s", limits=limits), name="shadow"),
            ]
        )
        opener = cast("Opener", SimulatedOpener(self.world))
        self.mirrors = Mirrors(opener, None, self.notebook, NoRecorder(), self.world.traffic)

    def send(self) -> None:
        entry = Entry(cast("Call", Client()), Principal(id="p"), "chat")
        entry.request = chat()
        entry.attempts.append(Attempt(self.answered, entry.request))
        self.mirrors.send(self.world.snapshot.by_name["m"], entry, self.world.snapshot)


def play(mirror: Mirror, act: Callable[[Scene], Awaitable[None]], limits: TargetLimits | None = None) -> Scene:
    """Do something while the mirrors run, then end them."""

    async def work() -> Scene:
        scene = Scene(mirror, limits)
        running = asyncio.create_task(scene.mirrors.run())
        await asyncio.sleep(0)
        await act(scene)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        scene.send()
        return scene

    return run(work())


def test_a_share_of_the_requests_is_copied() -> None:
    async def act(scene: Scene) -> None:
        for _ in range(1000):
            scene.send()
        await asyncio.sleep(1)

    scene = play(Mirror(model="shadow", share=0.2, concurrency=1000), act)
    assert 150 < scene.world.count("s/x") < 250
    assert {(record.model, record.ending, record.status) for record in scene.notebook.records} == {
        ("shadow", "finished", 200)
    }


def test_no_more_are_under_way_than_may_be_and_none_waits_for_a_place() -> None:
    async def act(scene: Scene) -> None:
        for _ in range(3):
            for _ in range(10):
                scene.send()
            await asyncio.sleep(1)

    assert play(Mirror(model="shadow", share=1, concurrency=4), act).world.count("s/x") == 12


def test_a_copy_that_fails_is_not_tried_again_and_the_shadow_s_health_is_not_judged_by_it() -> None:
    async def act(scene: Scene) -> None:
        scene.world.behaviours["s/x"] = lambda _: UpstreamOverloaded("529")
        for _ in range(10):
            scene.send()
            await asyncio.sleep(1)

    scene = play(Mirror(model="shadow", share=1), act)
    assert scene.world.count("s/x") == 10
    assert {record.error_code for record in scene.notebook.records} == {"upstream_overloaded"}
    assert all(state.breaker.is_closed for state in scene.world.traffic.states)


def test_a_copy_that_takes_too_long_and_one_at_the_end_are_broken_off_and_recorded() -> None:
    async def act(scene: Scene) -> None:
        scene.world.behaviours["s/x"] = lambda _: 100.0
        scene.send()
        await asyncio.sleep(5.5)
        scene.send()
        await asyncio.sleep(1)

    scene = play(Mirror(model="shadow", share=1, timeout_seconds=5), act)
    first, second = scene.notebook.records
    assert (first.ending, first.status, first.error_code) == ("refused", 504, "upstream_timeout")
    assert (second.ending, second.status, second.error_code) == ("cancelled", 503, "draining")
    assert all(record.units["input_tokens"] > 0 and record.is_estimated for record in scene.notebook.records)


def test_a_shadow_that_is_out_of_use_is_left_alone() -> None:
    async def act(scene: Scene) -> None:
        shadow = scene.world.snapshot.by_name["shadow"].targets[0]
        scene.world.traffic.state(shadow).breaker.fail(Symptom.REFUSAL, 0, None)
        scene.send()
        await asyncio.sleep(1)

    assert play(Mirror(model="shadow", share=1), act).world.names() == []


def test_a_bug_ends_one_copy_and_nothing_else() -> None:
    async def act(scene: Scene) -> None:
        def stumble(_: float) -> float:
            raise LookupError("a bug")

        scene.world.behaviours["s/x"] = stumble
        scene.send()
        await asyncio.sleep(1)
        scene.world.behaviours.clear()
        scene.send()
        await asyncio.sleep(1)

    scene = play(Mirror(model="shadow", share=1), act)
    assert [record.error_code for record in scene.notebook.records] == ["internal_error", None]


def test_what_is_to_be_tried_is_tried_by_requests_and_not_by_copies() -> None:
    async def act(scene: Scene) -> None:
        state = scene.world.traffic.state(scene.world.snapshot.by_name["shadow"].targets[0])
        state.breaker.fail(Symptom.REFUSAL, 0, None)
        await asyncio.sleep(state.breaker.open_until - scene.world.traffic.now())
        scene.world.traffic.leases.is_shared = True
        scene.send()
        await asyncio.sleep(1)
        assert state.breaker.state(scene.world.traffic.now()) is BreakerState.HALF_OPEN
        assert not scene.world.traffic.leases.wanted  # nor is the turn of another gateway's request asked for

    assert play(Mirror(model="shadow", share=1), act).world.names() == []


def test_copies_count_in_what_the_provider_allows_at_the_shadow() -> None:
    async def act(scene: Scene) -> None:
        for _ in range(5):
            scene.send()
            await asyncio.sleep(1)
        (shadow,) = (state for state in scene.world.traffic.states if state.limits is not None)
        assert (shadow.requests, shadow.in_flight) == (0, 0)  # what is shown of its health is of requests

    assert (
        play(Mirror(model="shadow", share=1), act, limits=TargetLimits(requests_per_minute=2)).world.names()
        == ["s/x"] * 2
    )


def test_a_bug_before_a_copy_is_sent_does_not_reach_the_request_that_was_answered() -> None:
    async def act(scene: Scene) -> None:
        del scene.notebook.is_writable
        scene.send()

    with capture_logs() as logs:
        assert play(Mirror(model="shadow", share=1), act).world.names() == []
    assert [(entry["event"], entry["request_id"]) for entry in logs] == [("bug", "request")] * 1


def test_a_copy_may_go_to_a_target_of_the_model_itself_but_not_to_one_that_was_asked() -> None:
    async def act(scene: Scene) -> None:
        scene.send()
        scene.answered = scene.world.snapshot.by_name["m"].targets[1]
        scene.send()
        await asyncio.sleep(1)

    scene = play(Mirror(target="new", share=1), act)
    assert scene.world.names() == ["b/x"]
    assert [(record.model, record.target) for record in scene.notebook.records] == [("m", "b/x")]
