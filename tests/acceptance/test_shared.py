"""Several gateways as one: counters in a real Valkey, records in a real PostgreSQL."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.acceptance.asking import MESSAGES, fetch
from tests.contract.counters.valkey_process import ValkeyProcess
from tests.gateway_process import GatewayProcess
from tests.postgres_server import PostgresServer
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply

SOON_SECONDS = 5.0
"""What hangs takes longer; a busy machine takes some of it, and a call to the counters 50 ms."""

BODY = {"model": "one", "messages": MESSAGES}


@pytest.fixture
def valkey() -> Iterator[ValkeyProcess]:
    with ValkeyProcess() as server:
        yield server


def test_three_gateways_share_one_limit_exactly(
    tmp_path: Path, config: str, upstream: ScriptedUpstream, valkey: ValkeyProcess
) -> None:
    upstream.script(json_reply(completion()))
    with ExitStack() as stack:
        gateways: list[GatewayProcess] = []
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            settings = {"AQUEDUCT_VALKEY_URL": valkey.url, "AQUEDUCT_LIMITS_WITHOUT_COUNTERS": "closed"}
            gateway = GatewayProcess(folder, config, settings)
            gateway.data_dir = tmp_path / "0" / "data"
            gateways.append(stack.enter_context(gateway))
        token = gateways[0].create_token("--requests-per-minute", "100")

        unknown: list[int] = []

        def ask(number: int) -> int:
            """Ask until there is an answer: on a busy machine Valkey's may come too late for a gateway."""
            while True:
                status = fetch(gateways[number % 3], "POST", "/v1/chat/completions", BODY, token=token).status
                if status != 503:
                    return status
                unknown.append(number)
                time.sleep(0.05)

        with ThreadPoolExecutor(48) as pool:
            statuses = Counter(pool.map(ask, range(1000)))
        # What was asked in vain may have been counted.
        assert 100 - len(unknown) <= statuses[200] <= 100
        assert statuses == {200: statuses[200], 429: 1000 - statuses[200]}


def test_limits_fail_open_and_budgets_closed_while_valkey_is_away(
    tmp_path: Path, config: str, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    with ValkeyProcess() as server, GatewayProcess(tmp_path, config, {"AQUEDUCT_VALKEY_URL": server.url}) as gateway:
        limited = gateway.create_token("--requests-per-minute", "1")
        budgeted = gateway.create_token("--budget", "5/month")
        for token in (limited, budgeted):
            assert fetch(gateway, "POST", "/v1/chat/completions", BODY, token=token).status == 200
        server.kill()
        assert fetch(gateway, "POST", "/v1/chat/completions", BODY, token=limited).status == 200
        refused = fetch(gateway, "POST", "/v1/chat/completions", BODY, token=budgeted)
        assert (refused.status, refused.error["code"]) == (503, "limits_unavailable")
        assert gateway.metric("aqueduct_requests_without_counters_total") == 2


def test_a_valkey_that_hangs_holds_nobody_up_and_counts_again_when_it_is_back(
    tmp_path: Path, config: str, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    with ValkeyProcess() as server, GatewayProcess(tmp_path, config, {"AQUEDUCT_VALKEY_URL": server.url}) as gateway:
        limited = gateway.create_token("--requests-per-minute", "2")
        budgeted = gateway.create_token("--budget", "5/month")

        def ask(token: str) -> tuple[int, bool]:
            started_at = time.monotonic()
            status = fetch(gateway, "POST", "/v1/chat/completions", BODY, token=token).status
            return status, time.monotonic() - started_at < SOON_SECONDS

        assert (ask(limited)[0], ask(budgeted)[0]) == (200, 200)
        server.pause()
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(ask, [limited, budgeted] * 20)) == {(200, True), (503, True)}
        server.resume()
        deadline = time.monotonic() + 30
        while ask(budgeted)[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        statuses = [ask(limited)[0] for _ in range(3)]
        assert statuses[-1] == 429


def test_a_gateway_on_postgresql_serves_records_and_reports(
    tmp_path: Path, config: str, upstream: ScriptedUpstream, postgres: PostgresServer
) -> None:
    upstream.script(json_reply(completion()))
    with GatewayProcess(tmp_path, config, {"AQUEDUCT_DATABASE_URL": postgres.create_database()}) as gateway:
        token = gateway.create_token("--requests-per-minute", "3")
        statuses = [fetch(gateway, "POST", "/v1/chat/completions", BODY, token=token).status for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
    report = gateway.run("usage", "--by", "model", "--format", "csv").splitlines()
    assert [line.split(",")[:3] for line in report if line.startswith("one,")] == [["one", "5", "2"]]
