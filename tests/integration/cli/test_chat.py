"""`aqueduct chat`, against a server that plays the gateway."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.integration.cli.conftest import CommandLine
from typing_extensions import override

TOKEN = "aq-something"


class Gateway(ThreadingHTTPServer):
    """Answers every question with its last message, turned round, letter by letter."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One answer."""

    server: Gateway

    def do_POST(self) -> None:
        """Answer as the gateway does."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        is_known = self.headers["authorization"] == f"Bearer {TOKEN}"
        self.send_response(200 if is_known else 401)
        self.end_headers()
        if not is_known:
            self.wfile.write(json.dumps({"error": {"message": "Incorrect API token."}}).encode())
            return
        for letter in reversed(asked["messages"][-1]["content"]):
            event = {"choices": [{"index": 0, "delta": {"content": letter}, "finish_reason": None}]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        if asked["model"] == "broken":
            self.wfile.write(b'data: {"error": {"message": "The upstream died."}}\n\n')
        else:
            self.wfile.write(b"data: [DONE]\n\n")

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def knowing(fresh: CommandLine) -> CommandLine:
    return CommandLine(fresh.data_dir, {"AQUEDUCT_TOKEN": TOKEN})


def test_answers_are_printed_and_the_conversation_goes_on(knowing: CommandLine, gateway: Gateway) -> None:
    done = knowing.run("chat", "some-model", "--url", gateway.url, text="abc\ndef\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "cba\nfed\n", "")
    assert gateway.asked[1]["model"] == "some-model"
    assert [message["content"] for message in gateway.asked[1]["messages"]] == ["abc", "cba", "def"]


def test_the_first_token_is_used_while_it_is_still_there(command_line: CommandLine, gateway: Gateway) -> None:
    (command_line.data_dir / "first-token").write_text(TOKEN)
    assert command_line.run("chat", "--url", gateway.url, text="abc\n").stdout == "cba\n"
    assert gateway.asked[0]["model"] == "default"


def test_an_error_is_one_line(knowing: CommandLine, gateway: Gateway) -> None:
    refused = CommandLine(knowing.data_dir, {"AQUEDUCT_TOKEN": "aq-wrong"}).run(
        "chat", "--url", gateway.url, text="a\n"
    )
    assert (refused.returncode, refused.stderr) == (1, "aqueduct: Incorrect API token.\n")
    broken = knowing.run("chat", "broken", "--url", gateway.url, text="a\n")
    assert (broken.returncode, broken.stderr) == (1, "aqueduct: The upstream died.\n")


def test_without_a_token_or_a_gateway_it_says_what_to_do(fresh: CommandLine, knowing: CommandLine) -> None:
    assert "Set AQUEDUCT_TOKEN" in fresh.run("chat", text="a\n").stderr
    nobody = knowing.run("chat", "--url", "http://127.0.0.1:9", text="a\n")
    assert nobody.returncode == 1
    assert "Is `aqueduct serve` running?" in nobody.stderr
