"""Gemini and Vertex AI behind the real gateway, as the official OpenAI client sees them."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from joserfc.jwk import RSAKey
from openai.types.chat import ChatCompletionMessageParam
from tests.aqueduct_process import COMMAND
from tests.gateway_process import GatewayProcess
from tests.recordings import Recorded, exchanges
from tests.scripted_upstream import ScriptedUpstream, Step, json_reply, raw_stream, reply

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
CONFIG = """
providers:
  - {{name: google, kind: gemini, base_url: "http://127.0.0.1:{port}/v1beta", api_key: a-secret-key, breaker: false}}
  - name: cloud
    kind: vertex
    breaker: false
    base_url: "http://127.0.0.1:{port}/v1beta1"
    options: {{project: a-project, location: europe-west4}}
    credentials: {{service_account: '{service_account}'}}
models:
  - {{name: gemini, targets: [{{provider: google, model: gemini-2.5-flash}}]}}
  - {{name: vertex, targets: [{{provider: cloud, model: gemini-2.5-flash}}]}}
  - {{name: new, targets: [{{provider: google, model: gemini-3.8-flash}}]}}
"""
ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "Hi."}], "role": "model"}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "thoughtsTokenCount": 4},
    "modelVersion": "gemini-2.5-flash",
}


@pytest.fixture(scope="module")
def google() -> Iterator[ScriptedUpstream]:
    """Stands for the Gemini API, Vertex AI and the token endpoint."""
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def process(google: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    key = RSAKey.generate_key(2048).as_pem(private=True).decode()
    account = {"client_email": "a@b.example", "private_key": key, "token_uri": f"http://127.0.0.1:{google.port}/token"}
    config = CONFIG.format(port=google.port, service_account=json.dumps(account))
    with GatewayProcess(tmp_path_factory.mktemp("gemini"), config) as process:
        yield process


@pytest.fixture
def client(process: GatewayProcess, google: ScriptedUpstream) -> Iterator[openai.OpenAI]:
    google.reset()
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key=process.token, max_retries=0) as client:
        yield client


def recorded(exchange: Recorded) -> list[Step]:
    """Play a recorded answer, a stream in small pieces."""
    if exchange.is_stream:
        return raw_stream(exchange.body, every=37)
    return reply(exchange.body, status=exchange.status, headers=[("content-type", "application/json; charset=UTF-8")])


def parts_of(exchange: Recorded) -> list[dict[str, Any]]:
    body = exchange.body.decode()
    answers = (
        [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
        if exchange.is_stream
        else [json.loads(body)]
    )
    return [part for answer in answers for part in answer["candidates"][0]["content"]["parts"]]


STREAMS = exchanges(
    "gemini",
    where=lambda each: each.is_stream and ("supports_streaming" in each.name or "multi-turn_stream" in each.name),
)
PLAIN = exchanges("gemini", where=lambda each: "parallel_tool" in each.name and each.status == 200)


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream(exchange: Recorded, client: openai.OpenAI, google: ScriptedUpstream) -> None:
    google.script(recorded(exchange))
    with client.chat.completions.stream(model="gemini", messages=HELLO) as stream:
        completion = stream.get_final_completion()
    (choice,) = completion.choices
    assert (choice.message.content or "") == "".join(part.get("text", "") for part in parts_of(exchange))
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or ()]
    assert calls == [
        (part["functionCall"]["name"], part["functionCall"]["args"])
        for part in parts_of(exchange)
        if "functionCall" in part
    ]
    assert choice.finish_reason == ("tool_calls" if calls else "stop")
    assert google.received[0].path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert google.received[0].headers["x-goog-api-key"] == "a-secret-key"
    assert "authorization" not in google.received[0].headers


@pytest.mark.parametrize("exchange", PLAIN)
def test_a_recorded_answer(exchange: Recorded, client: openai.OpenAI, google: ScriptedUpstream) -> None:
    google.script(recorded(exchange))
    message = client.chat.completions.create(model="gemini", messages=HELLO).choices[0].message
    names = [call.function.name for call in message.tool_calls or () if call.type == "function"]
    assert names == [part["functionCall"]["name"] for part in parts_of(exchange) if "functionCall" in part]


@pytest.mark.parametrize("exchange", exchanges("gemini", "vertexai", where=lambda each: "context_length" in each.name))
def test_a_recorded_refusal(exchange: Recorded, client: openai.OpenAI, google: ScriptedUpstream) -> None:
    if exchange.status == 200:  # the token endpoint's
        return
    google.script(recorded(exchange))
    with pytest.raises(openai.APIStatusError) as refusal:
        client.chat.completions.create(model="gemini", messages=HELLO)
    if exchange.status == 429:
        assert refusal.value.status_code == 429
        assert refusal.value.response.headers["retry-after"] == "48"
    else:
        assert (refusal.value.status_code, refusal.value.code) == (400, "context_length_exceeded")


def test_vertex_is_asked_with_an_access_token_that_is_bought_once(
    client: openai.OpenAI, google: ScriptedUpstream
) -> None:
    google.script(json_reply({"access_token": "t1", "expires_in": 3599}), json_reply(ANSWER))
    for _ in range(2):
        answer = client.chat.completions.create(model="vertex", messages=HELLO)
        assert answer.choices[0].message.content == "Hi."
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 6)
    bought, first, second = google.received
    assert bought.path == "/token"
    path = "/v1beta1/projects/a-project/locations/europe-west4/publishers/google/models/gemini-2.5-flash"
    assert first.path == second.path == f"{path}:generateContent"
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer t1"


def test_choices_are_made_one_by_one_and_streamed_together(client: openai.OpenAI, google: ScriptedUpstream) -> None:
    google.script(raw_stream(b"data: " + json.dumps(ANSWER).encode() + b"\r\n\r\n"))
    chunks = client.chat.completions.create(
        model="gemini", messages=HELLO, n=2, stream=True, stream_options={"include_usage": True}
    )
    texts = {0: "", 1: ""}
    usage = None
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == {0: "Hi.", 1: "Hi."}
    assert usage is not None
    assert usage.completion_tokens == 12


def test_an_answer_that_breaks_its_schema_is_asked_for_again(client: openai.OpenAI, google: ScriptedUpstream) -> None:
    good = json.loads(json.dumps(ANSWER))
    good["candidates"][0]["content"]["parts"][0]["text"] = '{"name": "Ada"}'
    google.script(json_reply(ANSWER), json_reply(good))
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"name": {"type": "string", "minLength": 1}},
        "required": ["name"],
    }
    answer = client.chat.completions.create(
        model="new",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema}},
    )
    assert answer.choices[0].message.content == '{"name": "Ada"}'
    first, second = (asked.json for asked in google.received)
    assert first["generationConfig"]["responseJsonSchema"]["properties"] == {"name": {"type": "string"}}
    assert len(second["contents"]) == 3


def test_a_malformed_call_is_tried_again(client: openai.OpenAI, google: ScriptedUpstream) -> None:
    broken = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}], "modelVersion": "m"}
    google.script(json_reply(broken), json_reply(ANSWER))
    assert client.chat.completions.create(model="gemini", messages=HELLO).choices[0].message.content == "Hi."


def test_what_is_left_out_is_named(client: openai.OpenAI, google: ScriptedUpstream) -> None:
    google.script(json_reply(ANSWER))
    raw = client.chat.completions.with_raw_response.create(model="gemini", messages=HELLO, verbosity="low")
    assert raw.headers["x-aqueduct-dropped-params"] == "verbosity"


def test_plain_completions_are_refused_clearly(client: openai.OpenAI, google: ScriptedUpstream) -> None:
    with pytest.raises(openai.BadRequestError, match="does not support completions") as refusal:
        client.completions.create(model="gemini", prompt="Once")
    assert refusal.value.param == "model"
    assert google.received == []


def test_a_key_that_cannot_sign_is_refused_when_the_config_is_read(tmp_path: Path) -> None:
    file = tmp_path / "aqueduct.yaml"
    file.write_text(CONFIG.format(port=1, service_account="/nowhere/key.json"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")}
    done = subprocess.run(
        [COMMAND, "check", "--config", file],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert "the provider 'cloud': the credential 'service_account' names a file" in " ".join(done.stderr.split())
