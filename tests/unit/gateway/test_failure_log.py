"""What the log says of attempts that fail, and of targets that are taken out of use: enough, and no more."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from structlog.testing import capture_logs
from tests.unit.gateway.routing.simulation import Behaviour, World, model, target

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.domain.routing import BreakerRules
from aqueduct.errors import (
    InvalidRequest,
    UpstreamError,
    UpstreamModelMissing,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from aqueduct.gateway.failure_log import BURST, INTERVAL_SECONDS, FailureLog
from aqueduct.gateway.routing.view import StateTeller
from aqueduct.simulation.virtual_time import now, run

ONE_FAILURE = BreakerRules(failures=1, cooling_seconds=5.0)
OFF = BreakerRules(is_enabled=False)
KEYED = Target(
    provider=Provider(name="a", kind="openai", origin=Origin("http", "a", 80), api_key="very-secret-9"), model="x"
)


def broken() -> UpstreamServerError:
    return UpstreamServerError("status 500, type 'oops', code None", status=500)


def lines_of(world: World, *pauses: float) -> list[dict[str, Any]]:
    """Send a request, and one after each pause, and return the log's lines."""
    world.traffic.failure_listeners.append(FailureLog(now))
    world.traffic.listeners.append(StateTeller(world.events.append, now))

    async def work() -> None:
        for pause in (0, *pauses):
            await asyncio.sleep(pause)
            await world.try_open()

    with capture_logs() as lines:
        run(work())
    return [dict(line) for line in lines]


def names(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


def test_an_attempt_that_moved_a_request_on_is_one_line_with_its_reason() -> None:
    world = World([model(target("a"), target("b"))])
    world.behaviours["a/x"] = lambda _: broken()
    (line,) = lines_of(world)
    assert line == {
        "event": "attempt_failed",
        "log_level": "warning",
        "request_id": "",
        "model": "m",
        "target": "a/x",
        "key": 1,
        "code": "upstream_server_error",
        "status": 500,
        "reason": "fails (500): type 'oops'",
    }


def test_an_outage_is_some_lines_and_then_one_in_a_while_that_counts_the_others() -> None:
    instant = 0.0
    log = FailureLog(lambda: instant)
    with capture_logs() as lines:
        for _ in range(100):
            log("r", "m", KEYED, UpstreamUnreachable("no connection: Connection refused"))
        assert len(lines) == BURST
        log("r", "m", KEYED, UpstreamUnauthorized("status 401", status=401))
        assert len(lines) == BURST + 1  # another kind of failure is news
        instant += INTERVAL_SECONDS
        log("r", "m", KEYED, UpstreamUnreachable("no connection: Connection refused"))
    assert lines[-1]["untold"] == 100 - BURST
    assert lines[-1]["reason"] == "cannot be reached: no connection: Connection refused"


def test_what_an_upstream_wrote_and_what_is_secret_is_in_no_line() -> None:
    refusal = InvalidRequest("You said: my prompt, very-secret-9", code="bad_thing", param="messages")
    with capture_logs() as lines:
        log = FailureLog(lambda: 0.0)
        log("r", "m\x1b[31m", KEYED, UpstreamRejected(refusal, status=400))
        log(
            "r",
            "m",
            KEYED,
            UpstreamModelMissing("status 404, type 'very-secret-9', code 'sk-abc1234567890'", status=404),
        )
    assert lines[0]["log_level"] == "info"
    assert lines[0]["reason"] == "refuses the request itself (400): code bad_thing, param messages"
    assert "\x1b" not in lines[0]["model"]
    assert lines[1]["reason"] == "does not know the model (404): type '[concealed]', code '[credential]'"


def test_a_target_that_goes_down_and_comes_back_has_a_line_each() -> None:
    world = World([model(target("a", breaker=ONE_FAILURE), queue_seconds=0.0)])
    answers: Iterator[float | UpstreamError] = iter([broken(), 0.1])
    world.behaviours["a/x"] = lambda _: next(answers)
    opened, failed, unasked, closed = lines_of(world, 1.0, 5.0)
    assert (opened["event"], opened["reason"], opened["code"]) == ("target_opened", "failure", "upstream_server_error")
    assert opened["seconds"] == 5.0
    assert (failed["event"], failed["code"]) == ("attempt_failed", "upstream_server_error")
    # Nothing could be asked: a request that ends so has a line, too.
    assert (unasked["event"], unasked["code"]) == ("attempt_failed", "target_down")
    assert unasked["reason"] == "is known to be down: no target of the model may be asked now"
    assert (closed["event"], closed["target"]) == ("target_closed", "a/x")


def test_a_short_rate_limit_is_no_line_of_the_target() -> None:
    world = World([model(target("a"), target("b"))])
    world.behaviours["a/x"] = lambda _: UpstreamRateLimited("status 429", status=429)
    assert names(lines_of(world)) == ["attempt_failed"]
    other = World([model(target("a"), target("b"))])
    other.behaviours["a/x"] = lambda _: UpstreamRateLimited("status 429", status=429, retry_after_seconds=60)
    assert sorted(names(lines_of(other))) == ["attempt_failed", "target_opened"]


def test_with_its_breaker_off_a_target_is_told_of_for_whatever_would_take_it_out_of_use() -> None:
    causes: dict[str, Behaviour] = {
        "upstream_server_error": lambda _: broken(),
        "upstream_unauthorized": lambda _: UpstreamUnauthorized("no", status=401),
        "upstream_unreachable": lambda _: UpstreamUnreachable("no"),
    }
    for code, behaviour in causes.items():
        world = World([model(target("a", breaker=OFF))])
        world.behaviours["a/x"] = behaviour
        lines_of(world)
        assert [(event.kind.value, event.data["code"]) for event in world.events] == [("target.down", code)]
    limited = World([model(target("a", breaker=OFF))])
    limited.behaviours["a/x"] = lambda _: UpstreamRateLimited("no", status=429)
    lines_of(limited)
    assert limited.events == []
