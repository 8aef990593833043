"""Real gateways, started once, and the upstreams behind them, told anew by every test what to do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.gateway_process import GatewayProcess, free_port
from tests.scripted_upstream import ScriptedUpstream

UPSTREAM_KEY = "sk-upstream-0123456789abcdef"

# Without breakers, and with all the retries there are: what one test's upstream did must not be held against the next
# one's. Tests that are about health (test_routing*.py) start gateways of their own.
CONFIG = """
providers:
  - {{name: lab, kind: openai, base_url: "{lab}", api_key: {key}, breaker: false}}
  - {{name: spare, kind: openai, base_url: "{spare}", api_key: {key}, breaker: false}}
  - {{name: loose, kind: vllm, base_url: "{lab}", api_key: {key}, breaker: false}}
  - {{name: nowhere, kind: openai, base_url: "http://127.0.0.1:{closed_port}/v1", breaker: false}}
models:
  - name: one
    retries: {{reserve: 100000}}
    aliases: [uno, org/one]
    targets: [{{provider: lab, model: upstream-one}}]
  - name: two
    retries: {{reserve: 100000}}
    targets: [{{provider: lab, model: upstream-one}}, {{provider: spare, model: upstream-two, priority: 2}}]
  - name: hasty
    retries: {{reserve: 100000}}
    targets: [{{provider: lab, model: upstream-one, timeouts: {{first_byte: 0.4, idle: 0.4, total: 1.5}}}}]
  - name: eager
    retries: {{reserve: 100000}}
    targets: [{{provider: lab, model: upstream-one, timeouts: {{first_content: 0.4}}}}]
  - name: forced
    retries: {{reserve: 100000}}
    targets: [{{provider: lab, model: upstream-one, structured_output: tool}}]
  - name: told
    retries: {{reserve: 100000}}
    targets: [{{provider: lab, model: upstream-one, structured_output: instruction}}]
  - name: loose
    retries: {{reserve: 100000}}
    targets: [{{provider: loose, model: upstream-one}}]
  - name: lost
    retries: {{reserve: 100000}}
    targets: [{{provider: nowhere, model: m}}]
  - name: half-lost
    retries: {{reserve: 100000}}
    targets: [{{provider: nowhere, model: m}}, {{provider: spare, model: upstream-two, priority: 2}}]
"""

WILDCARD = """
  - name: "*"
    targets: [{provider: lab, model: "*"}]
"""


@pytest.fixture(scope="session")
def _upstreams() -> Iterator[tuple[ScriptedUpstream, ScriptedUpstream]]:
    with ScriptedUpstream() as lab, ScriptedUpstream() as spare:
        yield lab, spare


@pytest.fixture
def upstream(_upstreams: tuple[ScriptedUpstream, ScriptedUpstream]) -> ScriptedUpstream:
    """The upstream behind the models `one`, `hasty`, `eager`, `forced` and `told`, and the first one behind `two`."""
    _upstreams[0].reset()
    return _upstreams[0]


@pytest.fixture
def spare(_upstreams: tuple[ScriptedUpstream, ScriptedUpstream]) -> ScriptedUpstream:
    """The second upstream behind `two` and `half-lost`."""
    _upstreams[1].reset()
    return _upstreams[1]


@pytest.fixture(scope="session")
def config(_upstreams: tuple[ScriptedUpstream, ScriptedUpstream]) -> str:
    """The config file in front of the scripted upstreams."""
    lab, spare = _upstreams
    return CONFIG.format(lab=lab.base_url, spare=spare.base_url, key=UPSTREAM_KEY, closed_port=free_port())


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, config: str) -> Iterator[GatewayProcess]:
    """A gateway with default settings in front of the scripted upstreams."""
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), config) as process:
        yield process


@pytest.fixture(scope="session")
def narrow_gateway(tmp_path_factory: pytest.TempPathFactory, config: str) -> Iterator[GatewayProcess]:
    """A gateway with small limits, quick comments and a `*` model in front of the scripted upstreams."""
    settings = {
        "AQUEDUCT_MAX_BODY_BYTES": "100000",
        "AQUEDUCT_MAX_IN_FLIGHT_BYTES": "150000",
        "AQUEDUCT_MAX_CONNECTIONS": "20",
        "AQUEDUCT_MAX_HEADER_BYTES": "8192",
        "AQUEDUCT_MAX_HEADER_COUNT": "30",
        "AQUEDUCT_HEAD_TIMEOUT_SECONDS": "1",
        "AQUEDUCT_BODY_TIMEOUT_SECONDS": "1",
        "AQUEDUCT_KEEPALIVE_INTERVAL_SECONDS": "0.3",
    }
    with GatewayProcess(tmp_path_factory.mktemp("narrow"), config + WILDCARD, settings) as process:
        yield process


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway as the first `aqueduct serve` starts it: no config, the embedded model."""
    with GatewayProcess(tmp_path_factory.mktemp("embedded"), is_installed=True) as process:
        yield process


@pytest.fixture
def start_gateway(tmp_path: Path, config: str) -> Iterator[Callable[..., GatewayProcess]]:
    """Start a gateway for one test alone, with the settings given."""
    started: list[GatewayProcess] = []

    def start(**settings: str) -> GatewayProcess:
        folder = tmp_path / f"gateway-{len(started)}"
        folder.mkdir()
        process = GatewayProcess(
            folder, config, {f"AQUEDUCT_{name.upper()}": value for name, value in settings.items()}
        )
        started.append(process.start())
        return process

    yield start
    for process in started:
        process.__exit__(None)
