"""`kill -9` at random moments under load: what clients saw answered is in the database, once.

`AQUEDUCT_TEST_KILLS` says how often (6 by default), `--log-cli-level=info` shows the counts; a failure names the seed
of the moments.
"""

import json
import logging
import os
import random
import threading
import time
from pathlib import Path

from tests.acceptance.asking import MESSAGES
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply, stream_reply
from typing_extensions import override

KILLS = int(os.environ.get("AQUEDUCT_TEST_KILLS", "6"))
CLIENTS = 6

PRICED = (
    "model: upstream-one}",
    "model: upstream-one, price: {currency: USD, input_per_million: 3, output_per_million: 9}}",
)
SUMS = "sum(requests) AS requests, sum(input_tokens) AS i, sum(output_tokens) AS o, sum(cost_nano) AS cost_nano"
TOTALS = f"""
    SELECT count(*) AS requests, sum(units ->> 'input_tokens') AS i, sum(units ->> 'output_tokens') AS o,
        sum(cost_nano) AS cost_nano FROM usage_requests
    UNION ALL SELECT {SUMS} FROM usage_rollups WHERE period_seconds = 3600
    UNION ALL SELECT {SUMS} FROM usage_rollups WHERE period_seconds = 86400
"""
"""What raw records, hours and days say was used: a row each, in this order."""

logger = logging.getLogger(__name__)


class Client(threading.Thread):
    """Asks again and again until the gateway is gone; `answered` are the ids of the answers that came whole."""

    def __init__(self, gateway: GatewayProcess, *, is_stream: bool, token: str | None = None) -> None:
        super().__init__()
        self.answered: list[str] = []
        self._port = gateway.port
        self._fields = (("authorization", f"Bearer {token or gateway.token}"), ("content-type", "application/json"))
        self._body = json.dumps({"model": "one", "messages": MESSAGES, "stream": is_stream}).encode()

    @override
    def run(self) -> None:
        while True:
            try:
                with RawCall(self._port) as call:
                    call.request("POST", "/v1/chat/completions", self._fields, self._body).read_all()
            except OSError:
                return
            if not call.is_whole:
                return
            self.answered.append(call.headers["x-request-id"])


def load_and_kill(gateway: GatewayProcess, seconds: float, *, is_stream: bool, token: str | None = None) -> list[str]:
    """Put the gateway under load, kill it after a while, and return the ids of the answers that came whole."""
    clients = [Client(gateway, is_stream=is_stream, token=token) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(seconds)
    gateway.kill()
    for client in clients:
        client.join()
    return [request_id for client in clients for request_id in client.answered]


def wait_until_recorded(gateway: GatewayProcess, request_id: str) -> None:
    """Wait until the gateway has replayed what dead processes left, the last of it too."""
    deadline = time.monotonic() + 30
    while not gateway.query("SELECT id FROM usage_requests WHERE id = ?", request_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_answered_request_is_lost_or_doubled_however_often_the_gateway_is_killed(
    tmp_path: Path, config: str, upstream: ScriptedUpstream
) -> None:
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    gateway = GatewayProcess(tmp_path, config.replace(*PRICED))
    answered: list[str] = []
    for kill in range(KILLS):
        is_stream = kill % 2 == 1
        upstream.script(stream_reply("a", "b") if is_stream else json_reply(completion()))
        answered += load_and_kill(gateway.start(), moments.uniform(0.05, 1.5), is_stream=is_stream)
    gateway.start()
    wait_until_recorded(gateway, answered[-1])
    gateway.stop()
    recorded = [row["id"] for row in gateway.query("SELECT id FROM usage_requests")]
    attempts = gateway.query("SELECT request_id, count(*) AS attempts FROM usage_attempts GROUP BY request_id")
    once = {row["request_id"] for row in attempts if row["attempts"] == 1}
    assert len(answered) > KILLS
    assert set(answered) <= set(recorded), f"seed {seed}"
    assert len(recorded) == len(set(recorded))
    assert set(answered) <= once, f"seed {seed}"
    total, by_hour, by_day = gateway.query(TOTALS)
    assert total["requests"] == len(recorded)
    assert total["cost_nano"] > 0
    assert total == by_hour == by_day, f"seed {seed}"
    logger.info("%d kills, %d answers seen, %d requests recorded", KILLS, len(answered), len(recorded))
