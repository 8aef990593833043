"""A sample of Cohere and Ollama through the real gateway, asked by the official client."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from tests.gateway_process import GatewayProcess
from tests.providers.ollama.asking import last, line, ndjson
from tests.recordings import Recorded, exchanges
from tests.scripted_upstream import ScriptedUpstream, Send, Step, chunked, json_reply, raw_stream, reply

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
CONFIG = """
providers:
  - {{name: cohere, kind: cohere, base_url: "http://127.0.0.1:{port}/v2", api_key: a-secret-key, breaker: false}}
  - {{name: lab, kind: ollama, base_url: "http://127.0.0.1:{port}/api", options: {{num_ctx: "8192"}}}}
models:
  - {{name: command, targets: [{{provider: cohere, model: command-a-03-2025}}]}}
  - {{name: qwen, targets: [{{provider: lab, model: qwen3}}]}}
"""
PERSON: dict[str, object] = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1}},
    "required": ["name"],
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def process(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("cohere"), CONFIG.format(port=upstream.port)) as process:
        yield process


@pytest.fixture
def client(process: GatewayProcess, upstream: ScriptedUpstream) -> Iterator[openai.OpenAI]:
    upstream.reset()
    with openai.OpenAI(base_url=f"{process.url}/v1", api_key=process.token, max_retries=0) as client:
        yield client


def lines_reply(*lines: dict[str, Any]) -> list[Step]:
    """Stream lines as Ollama does, in small pieces."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
    return [Send(head), Send(chunked(ndjson(*lines)), 7), Send(b"0\r\n\r\n")]


def recorded(exchange: Recorded) -> list[Step]:
    if exchange.is_stream:
        return raw_stream(exchange.body, every=37)
    return reply(exchange.body, status=exchange.status, headers=[("content-type", "application/json")])


STREAMS = exchanges(
    "cohere",
    where=lambda each: each.is_stream and ("supports_streaming" in each.name or "multi-turn_stream" in each.name),
)


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream_of_cohere_s(exchange: Recorded, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.script(recorded(exchange))
    with client.chat.completions.stream(
        model="command", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        completion = stream.get_final_completion()
    (choice,) = completion.choices
    body = exchange.body.decode()
    events = [json.loads(each[6:]) for each in body.splitlines() if each.startswith("data: {")]
    deltas = [event["delta"]["message"]["content"] for event in events if event["type"] == "content-delta"]
    assert (choice.message.content or "") == "".join(delta["text"] for delta in deltas)
    calls = [event for event in events if event["type"] == "tool-call-start"]
    assert choice.finish_reason == ("tool_calls" if calls else "stop")
    assert completion.usage is not None
    billed = events[-1]["delta"]["usage"]["billed_units"]
    assert completion.usage.prompt_tokens == billed["input_tokens"]
    assert upstream.received[0].path == "/v2/chat"
    assert upstream.received[0].headers["authorization"] == "Bearer a-secret-key"


@pytest.mark.parametrize("exchange", exchanges("cohere", where=lambda each: each.status != 200))
def test_a_recorded_refusal_of_cohere_s(exchange: Recorded, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.script(recorded(exchange))
    with pytest.raises(openai.APIStatusError) as refusal:
        client.chat.completions.create(model="command", messages=HELLO)
    expected = {400: (400, "context_length_exceeded"), 401: (502, "upstream_unauthorized")}
    assert (refusal.value.status_code, refusal.value.code) == expected[exchange.status]


def test_a_stream_of_ollama_s(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    calls = [{"function": {"name": "now", "arguments": {"zone": "UTC"}}}]
    upstream.script(lines_reply(line(thinking="Hm."), line("Grüße."), line(tool_calls=calls), last()))
    with client.chat.completions.stream(
        model="qwen", messages=HELLO, max_tokens=9, stream_options={"include_usage": True}
    ) as stream:
        completion = stream.get_final_completion()
    (choice,) = completion.choices
    assert (choice.message.content, choice.finish_reason) == ("Grüße.", "tool_calls")
    (call,) = choice.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("now", '{"zone":"UTC"}')
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (26, 12)
    assert upstream.received[0].path == "/api/chat"
    assert upstream.received[0].json["options"] == {"num_ctx": 8192, "num_predict": 9}


def test_an_error_in_ollama_s_stream_never_looks_whole(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.script(lines_reply(line("Hi"), {"error": "model runner has unexpectedly stopped"}))
    stream = client.chat.completions.create(model="qwen", messages=HELLO, stream=True)
    texts = [next(stream).choices[0].delta.content for _ in range(2)]
    assert texts == ["", "Hi"]
    with pytest.raises(openai.APIError):
        next(stream)


def test_choices_of_ollama_s_are_made_one_by_one(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(last("stop", "Hi.")))
    answer = client.chat.completions.create(model="qwen", messages=HELLO, n=2)
    assert [choice.message.content for choice in answer.choices] == ["Hi.", "Hi."]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 24


@pytest.mark.parametrize("model", ["command", "qwen"])
def test_an_answer_that_breaks_its_schema_is_asked_for_again(
    model: str, client: openai.OpenAI, upstream: ScriptedUpstream
) -> None:
    def answer(text: str) -> list[Step]:
        message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        cohere = {"message": message, "finish_reason": "COMPLETE"}
        return json_reply(last("stop", text) if model == "qwen" else cohere)

    upstream.script(answer('{"name": ""}'), answer('{"name": "Ada"}'))
    completion = client.chat.completions.create(
        model=model,
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}},
    )
    assert completion.choices[0].message.content == '{"name": "Ada"}'
    asked = [each.json for each in upstream.received]
    assert len(asked[1]["messages"]) == 3
    assert ("format" if model == "qwen" else "response_format") in asked[0]


@pytest.mark.parametrize("model", ["command", "qwen"])
def test_plain_completions_are_refused_clearly(model: str, client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    with pytest.raises(openai.BadRequestError, match="does not support completions") as refusal:
        client.completions.create(model=model, prompt="Once")
    assert refusal.value.param == "model"
    assert upstream.received == []
