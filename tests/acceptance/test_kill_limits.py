"""`kill -9` under load with limits and budgets on: answers, records, rollups and budgets agree to the token.

On counters in memory the gateway starts again and seeds its budgets from the rollups; on Valkey what the dead gateway
had reserved is looked up in its journal, which another one replays, while two more go on serving.
"""

import json
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

from tests.acceptance.asking import MESSAGES, fetch
from tests.acceptance.test_kill import PRICED, TOTALS, load_and_kill, wait_until_recorded
from tests.contract.counters.valkey_process import ValkeyProcess
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply

LIMITS = (
    "--budget=1000/month",
    "--requests-per-minute=1000000",
    "--input-tokens-per-minute=100000000",
    "--output-tokens-per-minute=100000000",
    "--concurrent-requests=8",
)
OUTPUT_TOKENS = 5
BODY = {"model": "one", "messages": MESSAGES, "max_tokens": OUTPUT_TOKENS}
ESTIMATE_NANO = len(json.dumps(BODY)) // 4 * 3000 + OUTPUT_TOKENS * 9000
"""What a request reserves: a token for every four bytes, and as many as it may answer, at the prices of `PRICED`."""
SETTLED_SECONDS = 90.0
"""Until what a dead gateway held has lapsed (15 s), its journal was found (60 s) and looked up (5 s)."""


def budget_key(gateway: GatewayProcess) -> str:
    """Return what the server counts the one budget under."""
    (budget,) = gateway.query("SELECT id FROM budgets")
    return f"{{aqueduct}}b:{budget['id']}"


def spent_nano(gateway: GatewayProcess, token: str) -> int:
    """Return what the rollups say that a token spent, once the raw records, the hours and the days agree."""
    total, by_hour, by_day = gateway.query(TOTALS)
    assert total == by_hour == by_day
    (row,) = gateway.query(
        "SELECT sum(cost_nano) AS nano FROM usage_rollups WHERE period_seconds = 86400 AND api_token_id != ''"
    )
    return int(row["nano"])


def until(holds: Callable[[], bool], seconds: float = SETTLED_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_budget_in_memory_is_right_to_the_token_after_kills(
    tmp_path: Path, config: str, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    gateway = GatewayProcess(tmp_path, config.replace(*PRICED)).start()
    token = gateway.create_token(*LIMITS)
    answered: list[str] = []
    for seconds in (0.3, 1.1):
        answered += load_and_kill(gateway, seconds, is_stream=False, token=token)
        gateway.start()
    wait_until_recorded(gateway, answered[-1])
    spent = spent_nano(gateway, token)
    # Room for three more; what is set is exact, so that one request more or less would be told apart.
    each = int(gateway.query("SELECT max(cost_nano) AS nano FROM usage_requests")[0]["nano"])
    limit = spent + 2 * each + ESTIMATE_NANO
    gateway.query("UPDATE budgets SET amount_nano = ?", limit)
    gateway.create_token("--models=none")
    statuses = [fetch(gateway, "POST", "/v1/chat/completions", BODY, token=token).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    gateway.stop()
    recorded = {row["id"] for row in gateway.query("SELECT id FROM usage_requests")}
    assert set(answered) <= recorded


def test_budgets_on_valkey_are_right_to_the_token_after_one_of_three_gateways_was_killed(
    tmp_path: Path, config: str, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    with ExitStack() as stack:
        valkey = stack.enter_context(ValkeyProcess())
        gateways: list[GatewayProcess] = []
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            gateway = GatewayProcess(folder, config.replace(*PRICED), {"AQUEDUCT_VALKEY_URL": valkey.url})
            gateway.data_dir = tmp_path / "0" / "data"
            gateways.append(stack.enter_context(gateway))
        doomed, other, third = gateways
        token = other.create_token(*LIMITS)
        answered: list[str] = []
        is_over = Event()

        def go_on(gateway: GatewayProcess) -> None:
            # Steadily, and not as fast as it can: the third gateway starts meanwhile, maybe on the same core.
            while not is_over.wait(0.05):
                call = fetch(gateway, "POST", "/v1/chat/completions", BODY, token=token)
                if call.status == 200:
                    answered.append(call.headers["x-request-id"])

        threads = [Thread(target=go_on, args=(gateway,)) for gateway in (other, third)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            answered += load_and_kill(doomed, random.uniform(0.3, 1.5), is_stream=False, token=token)
            doomed.start()
        is_over.set()
        for thread in threads:
            thread.join()
        (key,) = valkey.lines("KEYS", f"{budget_key(other)}:*")

        def agrees() -> bool:
            # A claim is what makes reservations lapse that nobody renews.
            status = fetch(other, "POST", "/v1/chat/completions", BODY, token=token).status
            time.sleep(1.2)
            spent = int(valkey.command("HINCRBY", key, "spent", "0")[1:])
            reserved = int(valkey.command("HINCRBY", key, "reserved", "0")[1:])
            return status == 200 and reserved == 0 and spent == spent_nano(other, token)

        until(agrees)
        recorded = {row["id"] for row in other.query("SELECT id FROM usage_requests")}
        assert set(answered) <= recorded
        places = key.replace("}b:", "}p:")
        assert valkey.command("ZCARD", places) == ":0"
