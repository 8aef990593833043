"""Two gateways with one Valkey server, seen from outside: what one finds out of a target, both act by."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.asking import chat, fetch
from tests.contract.counters.valkey_process import ValkeyProcess
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import Hold, ScriptedUpstream, completion, error_reply, json_reply

CONFIG = """
providers:
  - {{name: a, kind: openai, base_url: "{0}", breaker: {{failures: 1, cooling: 1}}, api_key: sk-of-a}}
  - {{name: b, kind: openai, base_url: "{1}", health_check: {{interval: 1}}, breaker: {{failures: 1, cooling: 60}}}}
  - {{name: c, kind: openai, base_url: "{2}"}}
  - {{name: d, kind: openai, base_url: "{3}", api_keys: [sk-first-of-d, sk-second-of-d]}}
models:
  - {{name: pair, strategy: priority, targets: [{{provider: a, model: m}}, {{provider: c, model: m, priority: 2}}]}}
  - {{name: lonely, targets: [{{provider: a, model: lonely}}]}}
  - {{name: early, targets: [{{provider: a, model: early}}]}}
  - {{name: checked, targets: [{{provider: b, model: m}}, {{provider: c, model: m, priority: 2}}]}}
  - {{name: keyed, targets: [{{provider: d, model: m, weight: 3, context_window: 8000}}]}}
"""
WELL = json_reply(completion())

Upstreams = list[ScriptedUpstream]
Gateways = tuple[GatewayProcess, GatewayProcess]


@pytest.fixture(scope="module")
def _servers() -> Iterator[Upstreams]:
    with ScriptedUpstream() as a, ScriptedUpstream() as b, ScriptedUpstream() as c, ScriptedUpstream() as d:
        yield [a, b, c, d]


@pytest.fixture
def upstreams(_servers: Upstreams) -> Upstreams:
    for each in _servers:
        each.reset()
        each.script(WELL)
    return _servers


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory, _servers: Upstreams) -> Iterator[Gateways]:
    for each in _servers:
        each.script(WELL)
    config = CONFIG.format(*(each.base_url for each in _servers))
    with ValkeyProcess() as valkey:
        settings = {"AQUEDUCT_VALKEY_URL": valkey.url}
        folders: list[Path] = [tmp_path_factory.mktemp(name) for name in ("one", "other")]
        with GatewayProcess(folders[0], config, settings) as one:
            _servers[0].script(error_reply(401), WELL)
            assert chat(one, "early").status == 502
            with GatewayProcess(folders[1], config, settings) as other:
                yield one, other


def health(gateway: GatewayProcess, target: str, key: int = 1) -> dict[str, Any]:
    listed = fetch(gateway, "GET", "/api/admin/targets").json["data"]
    return next(dict(each) for each in listed if (each["target"], each["key"]) == (target, key))


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> float:
    """Return how long it took until something holds."""
    began_at = time.monotonic()
    while not holds():
        assert time.monotonic() < began_at + seconds, "it does not come to hold"
        time.sleep(0.05)
    return time.monotonic() - began_at


def state(gateway: GatewayProcess, target: str, key: int = 1) -> str:
    return str(health(gateway, target, key)["state"])


def answered_by(gateway: GatewayProcess, model: str) -> str:
    answer = chat(gateway, model)
    assert answer.status == 200
    return answer.headers["x-aqueduct-target"]


def test_what_one_gateway_finds_out_both_act_by_and_one_at_a_time_tries_again(
    gateways: Gateways, upstreams: Upstreams
) -> None:
    one, other = gateways
    a = upstreams[0]
    a.script(error_reply(500))
    assert answered_by(one, "pair") == "c/m"
    wait_until(lambda: state(other, "a/m") != "closed")
    assert health(other, "a/m")["reason"] == "failure"
    assert len(a.received) == 1

    # Whoever tries it is held up; meanwhile nobody else tries, here or there.
    a.reset()
    trial = Hold()
    a.script([trial, *error_reply(500)], error_reply(500))
    wait_until(lambda: state(one, "a/m") == state(other, "a/m") == "half_open")
    with ThreadPoolExecutor(8) as pool:
        answers: list[Future[str]] = []
        while not a.received or len(answers) < 60:
            answers.append(pool.submit(answered_by, gateways[len(answers) % 2], "pair"))
            wait(answers[-8:], timeout=0.1, return_when=FIRST_COMPLETED)
        wait_until(lambda: sum(each.done() for each in answers) == len(answers) - 1)
        assert len(a.received) == 1
        trial.gate.open()
    assert {each.result() for each in answers} == {"c/m"}
    wait_until(lambda: state(one, "a/m") == state(other, "a/m") == "open")

    a.script(WELL)
    wait_until(lambda: answered_by(one, "pair") == "a/m")
    wait_until(lambda: state(other, "a/m") == "closed")
    assert answered_by(other, "pair") == "a/m"
    assert one.metric("aqueduct_target_health_is_shared") == 1


def test_a_gateway_that_starts_knows_what_is_out_of_use(gateways: Gateways, upstreams: Upstreams) -> None:
    assert health(gateways[1], "a/early")["reason"] == "refusal"
    assert chat(gateways[1], "early").status == 503
    assert upstreams[0].received == []


def test_a_lone_target_is_tried_by_the_first_request_that_comes_when_its_time_is_up(
    gateways: Gateways, upstreams: Upstreams
) -> None:
    one, other = gateways
    upstreams[0].script(error_reply(500), WELL)
    assert chat(one, "lonely").status == 502
    wait_until(lambda: state(other, "a/lonely") == "half_open")
    assert answered_by(other, "lonely") == "a/lonely"
    wait_until(lambda: state(one, "a/lonely") == "closed")


def test_an_outage_is_noticed_without_a_request_and_so_is_its_end(gateways: Gateways, upstreams: Upstreams) -> None:
    one, b = gateways[0], upstreams[1]
    b.script(error_reply(503))
    wait_until(lambda: state(one, "b/m") == "open")
    asked = [request.path for request in b.received]
    assert set(asked) == {"/v1/models"}
    assert answered_by(one, "checked") == "c/m"
    assert {request.path for request in b.received} == {"/v1/models"}
    b.script(WELL)
    # Long before the minute is over.
    wait_until(lambda: state(one, "b/m") == "closed")
    assert answered_by(one, "checked") == "b/m"


def test_a_request_that_is_clearly_too_long_for_a_window_is_not_sent(gateways: Gateways, upstreams: Upstreams) -> None:
    text = "to be or not to be " * 4_000
    answer = chat(gateways[0], "keyed", messages=[{"role": "user", "content": text}])
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert upstreams[3].received == []


def test_the_next_key_takes_over_at_a_rate_limit_and_the_command_line_shows_each(
    gateways: Gateways, upstreams: Upstreams
) -> None:
    one, d = gateways[0], upstreams[3]
    d.script(error_reply(429, headers=[("retry-after", "60")]), WELL)
    for _ in range(3):
        assert answered_by(one, "keyed") == "d/m"
    used = [request.headers["authorization"] for request in d.received]
    assert used == ["Bearer sk-first-of-d", *["Bearer sk-second-of-d"] * 3]

    d.script(error_reply(401))
    table = one.run("models", "--probe", "--url", one.url, "--config", str(one.config_file), status=1)
    (first, second) = [line for line in table.splitlines() if "d/m" in line]
    assert "out (rate limit) until" in first
    assert "in use" in second
    for words in ("priority", "1.5", "8000", "refuses the credential (401)"):
        assert words in first
        assert words in second
    assert "sk-" not in table
