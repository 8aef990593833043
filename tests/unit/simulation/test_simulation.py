"""A described traffic through the real router: what is found, and that it is the same again for a seed."""

from pathlib import Path

import pytest

from aqueduct.cli.simulate import Placeholders
from aqueduct.config.file import ConfigFile
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import KINDS
from aqueduct.simulation.file import read_scenario
from aqueduct.simulation.report import Report
from aqueduct.simulation.simulation import simulate

CONFIG = """
providers:
  - {name: a, kind: openai, api_key: "${A_KEY}"}
  - {name: b, kind: openai, api_key: "${B_KEY}"}
  - {name: c, kind: anthropic, api_key: "${C_KEY}"}
models:
  - name: m
    strategy: weighted
    price: {input_per_million: 1, output_per_million: 2}
    targets: [{provider: a, model: x}, {provider: b, model: x}, {provider: c, model: x}]
"""


class Room:
    """A folder with a config and scenarios."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snapshot(self, config: str = CONFIG) -> Snapshot:
        """Compile a config whose secrets nobody has."""
        file = self.folder / "aqueduct.yaml"
        file.write_text(config)
        return ConfigFile(file, Placeholders({}), KINDS).load()

    def run(self, scenario: str, config: str = CONFIG) -> Report:
        """Run a scenario."""
        file = self.folder / "scenario.yaml"
        file.write_text(scenario)
        snapshot = self.snapshot(config)
        return simulate(snapshot, read_scenario(file, {}, snapshot))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def traffic(per_second: float = 5, **members: object) -> str:
    """Return the beginning of a scenario: a minute of even traffic."""
    more = "".join(f", {name}: {value}" for name, value in members.items())
    arrivals = f"{{shape: constant, per_second: {per_second}}}"
    return f"duration: 60\ntraffic:\n  - {{model: m, arrivals: {arrivals}{more}}}\n"


def test_an_outage_of_one_of_three_targets_costs_no_request(room: Room) -> None:
    outage = """
targets:
  - target: b/x
    outages: [{start: 10, end: 40, answer: refused}]
expect: {success_rate: 1, extra_load: 0.05}
"""
    report = room.run(traffic(10) + outage)
    assert report.requests == report.answered == 600
    assert report.is_as_expected
    assert report.targets["b/x"].errors["upstream_unreachable"] == report.retries
    assert report.targets["b/x"].breaker_openings > 0
    assert report.targets["b/x"].share < 0.25


@pytest.mark.parametrize("answer", [429, 503, 529])
def test_breakers_cost_no_answer_where_all_targets_have_too_much_to_do(room: Room, answer: int) -> None:
    """Each carries 4 requests of 2 s, 6 a second together, of 18; the same targets without breakers measure it."""
    full = f'targets: [{{target: "*", first_token: 1, tokens_per_second: 200, concurrency: 4, overload: {answer}}}]\n'
    scenario = traffic(18) + full
    found, unbroken = (
        room.run(scenario, config) for config in (CONFIG, CONFIG.replace("kind:", "breaker: false, kind:"))
    )
    assert unbroken.success_rate > 0.3
    assert found.success_rate >= 0.95 * unbroken.success_rate
    assert found.extra_load <= unbroken.extra_load


def test_retries_cannot_multiply_an_overload(room: Room) -> None:
    """Without breakers, so that nothing but the budget of retries stands in their way."""
    config = CONFIG.replace("kind:", "breaker: false, kind:")
    overload = 'targets: [{target: "*", outages: [{start: 0, end: 90, answer: 500}]}]\n'
    report = room.run(traffic(20) + overload + "expect: {extra_load: 0.05, success_rate: 0.5}\n", config)
    assert report.errors == {"502 upstream_server_error": 1200}
    # A fifth, and the reserve: twenty, and one a second.
    assert 0.2 <= report.extra_load <= 0.2 + (20 + 61) / 1200
    assert [each.measure for each in report.failing] == ["success_rate", "extra_load"]


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(room: Room) -> None:
    scenario = """
duration: 60
traffic:
  - {model: m, arrivals: {shape: poisson, per_second: 5}, input_tokens: {p50: 100, p95: 900}}
targets:
  - {target: a/*, first_token: {p50: 0.3, p95: 2}, error_rate: 0.2}
"""
    first = room.run(scenario)
    assert room.run(scenario) == first
    other = room.run(f"seed: 2\n{scenario}")
    assert (other.requests, other.latency_seconds) != (first.requests, first.latency_seconds)


def test_latency_and_cost_are_those_of_the_sizes_that_were_described(room: Room) -> None:
    sizes = {"input_tokens": 1000, "output_tokens": 100, "streamed": 1}
    targets = 'targets: [{target: "*", first_token: 0.25, tokens_per_second: 100}]\n'
    report = room.run(traffic(1, **sizes) + targets)
    assert report.first_token_seconds.p99 == 0.25
    assert report.latency_seconds.p50 == report.latency_seconds.p99 == 1.25
    assert report.cost == {"USD": "0.072"}  # 60 times 1,000 at 1 and 100 at 2 a million
    assert sum(float(each.cost["USD"]) for each in report.targets.values()) == pytest.approx(0.072)


def test_a_full_target_lets_wait_slows_down_or_refuses(room: Room) -> None:
    one = CONFIG.replace(", {provider: b, model: x}, {provider: c, model: x}", "")
    full = (
        "targets: [{{target: a/x, first_token: 1, tokens_per_second: 1000000, concurrency: 4, overload: {overload}}}]\n"
    )
    found = {
        overload: room.run(traffic(4.5, streamed=1) + full.format(overload=overload), one)
        for overload in ("queue", "slow", "529")
    }
    assert found["queue"].success_rate == found["slow"].success_rate == 1
    assert found["queue"].latency_seconds.p99 is not None
    assert found["queue"].latency_seconds.p99 > 5  # half a request a second is left over, for a minute
    assert found["529"].targets["a/x"].errors.keys() == {"upstream_overloaded"}


def test_a_provider_s_limit_is_waited_out_where_the_config_knows_it_and_runs_into_429_where_not(room: Room) -> None:
    limit = 'targets: [{target: "*", requests_per_minute: 60}]\n'
    unknown = room.run(traffic(2.5) + limit)
    assert unknown.errors == {}
    assert unknown.targets["a/x"].errors.keys() <= {"upstream_rate_limited"}
    knowing = CONFIG.replace("model: x}", "model: x, limits: {requests_per_minute: 60}}")
    known = room.run(traffic(2.5) + limit, knowing)
    assert known.success_rate == 1
    assert sum(len(each.errors) for each in known.targets.values()) == 0


def test_a_stall_lasts_until_the_timeout_and_a_hedge_gets_round_it(room: Room) -> None:
    stall = "targets: [{target: a/x, outages: [{start: 0, end: 60, answer: stall}]}]\n"
    waiting = CONFIG.replace("    strategy: weighted", "    timeouts: {first_byte: 10}")
    hedged = waiting.replace("    timeouts", "    hedge: {after: 1}\n    timeouts")
    slow, fast = room.run(traffic(0.5) + stall, waiting), room.run(traffic(0.5) + stall, hedged)
    assert slow.success_rate == fast.success_rate == 1
    assert (slow.hedges, fast.hedges > 0) == (0, True)
    assert slow.targets["a/x"].errors["upstream_timeout"] >= 5
    assert slow.latency_seconds.p95 is not None
    assert slow.latency_seconds.p95 > 10


def test_what_is_being_answered_breaks_off_where_an_outage_says_so(room: Room) -> None:
    outage = """
targets:
  - target: a/x
    tokens_per_second: 20
    outages: [{start: 30, end: 31, answer: refused, breaks_answers: true}]
"""
    streamed = room.run(traffic(2, streamed=1) + outage)
    assert "stream broken off (upstream_unreachable)" in streamed.errors
    plain = room.run(traffic(0.5, streamed=0) + outage)
    assert plain.errors == {}  # nothing was committed: it was asked for again
    assert plain.retries > 0


def test_a_request_too_long_for_one_target_goes_to_a_larger_model(room: Room) -> None:
    config = CONFIG.replace(
        "    price:", "    context_window: 1000\n    context_overflow_fallbacks: [long]\n    price:"
    )
    config += "  - {name: long, targets: [{provider: c, model: y}]}\n"
    report = room.run(traffic(1, input_tokens=1500), config)
    assert report.success_rate == 1
    assert report.targets["c/y"].answered == 60
    assert report.requests_without_price == 60


@pytest.mark.parametrize(
    ("shape", "requests"),
    [
        ("{shape: constant, per_second: 2}", 120),
        ("{shape: ramp, from: 0, to: 4}", 120),
        ("{shape: burst, per_second: 0, burst_per_second: 10, every: 20, lasting: 2}", 60),
    ],
)
def test_as_many_arrive_as_the_shape_says(room: Room, shape: str, requests: int) -> None:
    report = room.run(f"duration: 60\ntraffic: [{{model: m, arrivals: {shape}}}]\n")
    assert report.requests == pytest.approx(requests, abs=1)


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("duration: 1\n", ":1: the file: Object missing required field `traffic`"),
        (traffic().replace("model: m", "model: n"), ":3: the model 'n' is not served"),
        (traffic().replace("constant", "wave"), ":3: traffic[0].arrivals.shape: Invalid value 'wave'"),
        (traffic(start=60), ":3: the simulation is over after 60 seconds"),
        (traffic(input_tokens="{p50: 3, p95: 1}"), ":3: traffic[0].input_tokens: 'p95' is at least 'p50'"),
        (traffic() + "targets: [{target: a/y}]\n", ":4: no target is called 'a/y' (did you mean 'a/x'?)"),
        (traffic() + "target: []\n", ":4: 'target' is not known here"),
        (
            traffic() + "targets:\n  - target: a/x\n    outages: [{start: 3, end: 2, answer: 500}]\n",
            ":6: targets[0].outages[0]: it ends before it begins",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(room: Room, scenario: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        room.run(scenario)
    assert message in str(caught.value)
