"""What happens is told to webhooks, signed: a config that was refused, a budget half spent, a target that is down."""

import base64
import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.acceptance.asking import chat, fetch
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply
from typing_extensions import override

Told = tuple[dict[str, str], bytes]


class Receiver:
    """A receiver of webhooks on loopback."""

    def __init__(self) -> None:
        self.told: queue.Queue[Told] = queue.Queue()
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                told.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            @override
            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def wait(self, kind: str, secret: str) -> dict[str, object]:
        """Return the data of the next event of a kind, its signature checked."""
        while True:
            headers, body = self.told.get(timeout=40)
            key = base64.b64decode(secret.removeprefix("whsec_"))
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
            assert f"v1,{signature}" in headers["webhook-signature"].split(" ")
            event = json.loads(body)
            if event["type"] == kind:
                data: dict[str, object] = event["data"]
                return data


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def test_what_happens_is_told_to_a_webhook_signed(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream, receiver: Receiver
) -> None:
    gateway = start_gateway(webhook_networks="127.0.0.0/8")
    secret = gateway.run("webhook", "create", "--name", "ops", "--url", receiver.url).strip()

    config = gateway.config_file.read_text()
    gateway.config_file.write_text(config + "\nnonsense: true\n")
    assert receiver.wait("config.refused", secret)["file"] == "aqueduct.yaml"
    price = "targets: [{provider: lab, model: upstream-one, price: {currency: USD, input_per_million: 1000}}]"
    gateway.config_file.write_text(config.replace("targets: [{provider: lab, model: upstream-one}]", price, 1))

    assert chat(gateway, "lost").status == 502
    down = receiver.wait("target.down", secret)
    assert (down["target"], down["code"]) == ("nowhere/m", "upstream_unreachable")
    assert str(gateway.port) not in json.dumps(down)

    usage = {"prompt_tokens": 600, "completion_tokens": 1, "total_tokens": 601}
    upstream.script(json_reply({**completion(), "usage": usage}))
    token = gateway.create_token()
    name = next(row["name"] for row in gateway.query("SELECT name FROM api_tokens ORDER BY created_at DESC"))
    gateway.run("budget", "create", "1/month", "--token", name, "--alerts", "50,90")
    body = {"model": "one", "messages": [{"role": "user", "content": "Hello"}]}
    while fetch(gateway, "POST", "/v1/chat/completions", body, token=token).status == 200:
        pass
    told = [receiver.wait("budget.threshold_reached", secret)["threshold_percent"] for _ in range(2)]
    assert sorted(told, key=str) == [50, 90]
