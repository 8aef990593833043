"""Claude through a real gateway: OpenAI's client reads what Anthropic's client reads from the same bytes."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.acceptance.asking import chat
from tests.gateway_process import GatewayProcess
from tests.providers.anthropic.asking import message, streamed
from tests.providers.anthropic.test_recordings import ERRORS, PLAIN, STREAMS, own_reading, told_by
from tests.providers.asking import SCHEMA
from tests.providers.hearing import told
from tests.recordings import Recorded
from tests.scripted_upstream import (
    Drop,
    ScriptedUpstream,
    Send,
    chunked,
    error_reply,
    json_reply,
    raw_stream,
    reply,
    stream_head,
)

KEY = "sk-ant-api03-0123456789"
CONFIG = """
providers:
  - {{name: claude, kind: anthropic, base_url: "{url}", api_key: {key}, breaker: false}}
models:
  - name: haiku
    targets: [{{provider: claude, model: claude-haiku-4-5-20251001}}]
  - name: older
    targets: [{{provider: claude, model: claude-opus-4-1}}]
"""
REQUEST_ID = ("request-id", "req_011CeCGoAsoBVVMhJGrn3wd8")
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


@pytest.fixture(scope="module")
def _claude() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def claude(_claude: ScriptedUpstream) -> ScriptedUpstream:
    """The upstream behind the models."""
    _claude.reset()
    return _claude


@pytest.fixture(scope="module")
def claude_gateway(tmp_path_factory: pytest.TempPathFactory, _claude: ScriptedUpstream) -> Iterator[GatewayProcess]:
    """A gateway in front of it."""
    folder = tmp_path_factory.mktemp("claude")
    with GatewayProcess(folder, CONFIG.format(url=_claude.base_url, key=KEY)) as process:
        yield process


@pytest.fixture
def client(claude_gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    with openai.OpenAI(base_url=claude_gateway.url, api_key=claude_gateway.token, max_retries=0) as client:
        yield client


HELLO: Any = [{"role": "user", "content": "Hello"}]


def read(client: openai.OpenAI) -> dict[str, Any]:
    """Ask without a stream and return what the client reads."""
    answer = client.chat.completions.create(model="haiku", messages=HELLO).model_dump()
    (choice,) = answer["choices"]
    return told(choice["message"], choice["finish_reason"], answer["usage"]) | {"model": answer["model"]}


def read_stream(client: openai.OpenAI) -> dict[str, Any]:
    """Ask for a stream and return what the client reads, by its own accumulation."""
    with client.chat.completions.stream(
        model="haiku", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        answer = stream.get_final_completion().model_dump()
    (choice,) = answer["choices"]
    return told(choice["message"], choice["finish_reason"], answer["usage"]) | {"model": answer["model"]}


@pytest.mark.parametrize("exchange", PLAIN[::6])
def test_a_recorded_message_reads_the_same(client: openai.OpenAI, claude: ScriptedUpstream, exchange: Recorded) -> None:
    claude.script(reply(exchange.body, headers=[("content-type", "application/json")]))
    assert read(client) == told_by(own_reading(exchange))


@pytest.mark.parametrize("exchange", STREAMS[::3])
@pytest.mark.parametrize("size", [7, 0])
def test_a_recorded_stream_reads_the_same(
    client: openai.OpenAI, claude: ScriptedUpstream, exchange: Recorded, size: int
) -> None:
    claude.script(raw_stream(exchange.body, every=size))
    assert read_stream(client) == told_by(own_reading(exchange))


@pytest.mark.parametrize("exchange", ERRORS)
def test_a_recorded_error_is_raised_as_its_kind(
    client: openai.OpenAI, claude: ScriptedUpstream, exchange: Recorded
) -> None:
    claude.script(reply(exchange.body, status=exchange.status, headers=[("content-type", "application/json")]))
    with pytest.raises(openai.APIStatusError) as caught:
        read(client)
    expected = {401: (502, "upstream_unauthorized"), 400: (400, "context_length_exceeded")}[exchange.status]
    assert (caught.value.status_code, caught.value.code) == expected
    assert KEY not in str(caught.value)


def test_the_request_is_anthropics_and_its_id_is_recorded(
    claude_gateway: GatewayProcess, claude: ScriptedUpstream
) -> None:
    claude.script(
        reply(message({"type": "text", "text": "Hi"}), headers=[("content-type", "application/json"), REQUEST_ID])
    )
    answer = chat(claude_gateway, "haiku", seed=1, temperature=1.5)
    assert answer.status == 200
    assert answer.headers["x-aqueduct-dropped-params"] == "seed, temperature"
    (received,) = claude.received
    assert (received.method, received.path) == ("POST", "/v1/messages")
    assert received.headers["x-api-key"] == KEY
    assert received.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in received.headers
    assert received.json["max_tokens"] == 64_000
    record = claude_gateway.usage(answer.headers["x-request-id"])
    assert record["attempts"][0]["upstream_request_id"] == REQUEST_ID[1]
    assert record["units"] == {"input_tokens": 3, "output_tokens": 2}


def test_plain_completions_are_refused_clearly(client: openai.OpenAI, claude: ScriptedUpstream) -> None:
    with pytest.raises(openai.BadRequestError, match="does not support completions"):
        client.completions.create(model="haiku", prompt="Once")
    assert claude.received == []


def test_several_choices_are_several_calls(client: openai.OpenAI, claude: ScriptedUpstream) -> None:
    claude.script(reply(message({"type": "text", "text": "Hi"}), headers=[("content-type", "application/json")]))
    answer = client.chat.completions.create(model="haiku", messages=HELLO, n=3)
    assert [choice.message.content for choice in answer.choices] == ["Hi"] * 3
    assert len(claude.received) == 3
    claude.script(raw_stream(streamed({"type": "text", "text": "Hi"})))
    chunks = list(client.chat.completions.create(model="haiku", messages=HELLO, n=2, stream=True))
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


def test_an_overload_is_asked_again_and_one_in_a_stream_too(client: openai.OpenAI, claude: ScriptedUpstream) -> None:
    whole = reply(message({"type": "text", "text": "Hi"}), headers=[("content-type", "application/json")])
    claude.script(json_reply(OVERLOADED, status=529), whole)
    assert read(client)["text"] == "Hi"
    begun = streamed({"type": "text", "text": "Hi"}).partition(b"event: content_block_start")[0]
    failing = raw_stream(begun + b"event: error\ndata: " + json.dumps(OVERLOADED).encode() + b"\n\n")
    claude.script(failing, raw_stream(streamed({"type": "text", "text": "Hi"})))
    assert read_stream(client)["text"] == "Hi"


def test_an_error_after_the_commit_is_raised_in_the_stream(client: openai.OpenAI, claude: ScriptedUpstream) -> None:
    begun = streamed({"type": "text", "text": "Hi there"}).partition(b"event: message_delta")[0]
    claude.script(raw_stream(begun + b"event: error\ndata: " + json.dumps(OVERLOADED).encode() + b"\n\n"))
    with pytest.raises(openai.APIError):
        read_stream(client)
    claude.script([stream_head(), Send(chunked(begun)), Drop()])
    with pytest.raises(openai.APIError):
        read_stream(client)


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_schema_is_kept_to_natively_or_by_a_tool(
    client: openai.OpenAI, claude: ScriptedUpstream, is_stream: bool
) -> None:
    text = '{"name": "Ada"}'
    native = {"type": "text", "text": text}
    used = message({"type": "tool_use", "id": "t", "name": "answer", "input": {"name": "Ada"}}, stop_reason="tool_use")
    for model, script in (
        ("haiku", raw_stream(streamed(native)) if is_stream else reply(message(native))),
        ("older", reply(used)),
    ):
        claude.reset()
        claude.script(script)
        if is_stream:
            chunks = client.chat.completions.create(model=model, messages=HELLO, response_format=FORMAT, stream=True)
            found = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        else:
            answer = client.chat.completions.create(model=model, messages=HELLO, response_format=FORMAT)
            assert answer.choices[0].finish_reason == "stop"
            found = answer.choices[0].message.content or ""
        assert json.loads(found) == {"name": "Ada"}
        (received,) = claude.received
        if model == "haiku":
            assert received.json["output_config"]["format"]["schema"] == SCHEMA
        else:
            assert received.json["tool_choice"] == {"type": "tool", "name": "answer"}


def test_reasoning_comes_out_and_goes_back_in(client: openai.OpenAI, claude: ScriptedUpstream) -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    claude.script(raw_stream(streamed(thought, use, stop_reason="tool_use")))
    with client.chat.completions.stream(model="haiku", messages=HELLO, reasoning_effort="low") as stream:
        said = stream.get_final_completion().choices[0].message
    assert said.model_extra is not None
    assert said.model_extra["reasoning_content"] == "Hm."
    claude.script(raw_stream(streamed({"type": "text", "text": "Done"})))
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "1"}
    history: Any = [*HELLO, said.model_dump(exclude_none=True), result]
    with client.chat.completions.stream(model="haiku", messages=history, reasoning_effort="low") as stream:
        assert stream.get_final_completion().choices[0].message.content == "Done"
    sent = claude.received[-1].json
    assert sent["messages"][1]["content"] == [thought, use]
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2_048}


def test_aqueduct_models_asks_with_anthropics_credential(
    claude_gateway: GatewayProcess, claude: ScriptedUpstream
) -> None:
    claude.script(error_reply(401))
    table = claude_gateway.run("models", "--probe", "--config", str(claude_gateway.config_file), status=1)
    assert "refuses the credential (401)" in table
    received = claude.received[0]
    assert (received.method, received.path, received.headers["x-api-key"]) == ("POST", "/v1/messages", KEY)
    assert received.headers["anthropic-version"] == "2023-06-01"
