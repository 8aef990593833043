"""Models on Bedrock through a real gateway: OpenAI's client reads what botocore reads from the same bytes."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.acceptance.asking import chat
from tests.gateway_process import GatewayProcess
from tests.providers.asking import SCHEMA
from tests.providers.bedrock.asking import event, exception, streamed, whole
from tests.providers.bedrock.test_recordings import ERRORS, PLAIN, STREAMS, own_reading, told_by
from tests.providers.hearing import told
from tests.recordings import Recorded
from tests.scripted_upstream import LAST_CHUNK, ScriptedUpstream, Send, Step, chunked, json_reply, reply

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CONFIG = """
providers:
  - name: signed
    kind: bedrock
    base_url: "{url}"
    breaker: false
    options: {{region: eu-west-1}}
    credentials: {{access_key_id: AKIDEXAMPLE, secret_access_key: {secret}, session_token: a-session-token}}
  - name: keyed
    kind: bedrock
    base_url: "{url}"
    breaker: false
    options: {{region: eu-west-1}}
    api_key: bedrock-api-key-0123
models:
  - name: nova
    targets: [{{provider: signed, model: "eu.amazon.nova-2-lite-v1:0"}}]
  - name: haiku
    targets: [{{provider: keyed, model: "eu.anthropic.claude-haiku-4-5-20251001-v1:0"}}]
"""
REQUEST_ID = ("x-amzn-requestid", "f0ec8cd8-49c3-4e98-a290-7377cc8ade17")
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def _aws() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def aws(_aws: ScriptedUpstream) -> ScriptedUpstream:
    """The upstream behind the models."""
    _aws.reset()
    return _aws


@pytest.fixture(scope="module")
def aws_gateway(tmp_path_factory: pytest.TempPathFactory, _aws: ScriptedUpstream) -> Iterator[GatewayProcess]:
    """A gateway in front of it."""
    url = f"http://127.0.0.1:{_aws.port}"
    with GatewayProcess(tmp_path_factory.mktemp("aws"), CONFIG.format(url=url, secret=SECRET)) as process:
        yield process


@pytest.fixture
def client(aws_gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    with openai.OpenAI(base_url=aws_gateway.url, api_key=aws_gateway.token, max_retries=0) as client:
        yield client


def answered(body: bytes) -> list[Step]:
    """Answer with a whole answer."""
    return reply(body, headers=[("content-type", "application/json"), REQUEST_ID])


def event_stream(body: bytes, every: int = 0) -> list[Step]:
    """Answer with a stream of AWS's."""
    lines = ["HTTP/1.1 200 OK", "content-type: application/vnd.amazon.eventstream", "transfer-encoding: chunked"]
    return [Send("\r\n".join(lines).encode() + b"\r\n\r\n"), Send(chunked(body), every), Send(LAST_CHUNK)]


def read(client: openai.OpenAI, model: str = "nova") -> dict[str, Any]:
    """Ask without a stream and return what the client reads."""
    answer = client.chat.completions.create(model=model, messages=HELLO).model_dump()
    (choice,) = answer["choices"]
    return told(choice["message"], choice["finish_reason"], answer["usage"])


def read_stream(client: openai.OpenAI, model: str = "nova") -> dict[str, Any]:
    """Ask for a stream and return what the client reads, by its own accumulation."""
    with client.chat.completions.stream(model=model, messages=HELLO, stream_options={"include_usage": True}) as stream:
        answer = stream.get_final_completion().model_dump()
    (choice,) = answer["choices"]
    return told(choice["message"], choice["finish_reason"], answer["usage"])


@pytest.mark.parametrize("exchange", PLAIN[::6])
def test_a_recorded_answer_reads_the_same(client: openai.OpenAI, aws: ScriptedUpstream, exchange: Recorded) -> None:
    aws.script(answered(exchange.body))
    assert read(client) == told_by(own_reading(exchange))


@pytest.mark.parametrize("exchange", STREAMS[::2])
@pytest.mark.parametrize("size", [7, 0])
def test_a_recorded_stream_reads_the_same(
    client: openai.OpenAI, aws: ScriptedUpstream, exchange: Recorded, size: int
) -> None:
    aws.script(event_stream(exchange.body, size))
    assert read_stream(client) == told_by(own_reading(exchange))


@pytest.mark.parametrize("exchange", ERRORS)
def test_a_recorded_error_is_raised_as_its_kind(
    client: openai.OpenAI, aws: ScriptedUpstream, exchange: Recorded
) -> None:
    kept = [(name, value) for name, value in exchange.headers if name in ("content-type", "x-amzn-errortype")]
    aws.script(reply(exchange.body, status=exchange.status, headers=kept))
    with pytest.raises(openai.APIStatusError) as caught:
        read(client)
    expected = {403: (502, "upstream_unauthorized"), 400: (400, "context_length_exceeded")}[exchange.status]
    assert (caught.value.status_code, caught.value.code) == expected


def test_the_request_is_signed_and_its_id_is_recorded(aws_gateway: GatewayProcess, aws: ScriptedUpstream) -> None:
    aws.script(answered(whole({"text": "Hi"})))
    answer = chat(aws_gateway, "nova", seed=1, temperature=1.5)
    assert answer.status == 200
    assert answer.headers["x-aqueduct-dropped-params"] == "seed, temperature"
    (received,) = aws.received
    assert (received.method, received.path) == ("POST", "/model/eu.amazon.nova-2-lite-v1%3A0/converse")
    assert received.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/bedrock/aws4_request" in received.headers["authorization"]
    assert received.headers["x-amz-security-token"] == "a-session-token"
    assert SECRET not in str(received.headers)
    record = aws_gateway.usage(answer.headers["x-request-id"])
    assert record["attempts"][0]["upstream_request_id"] == REQUEST_ID[1]
    assert record["units"] == {"input_tokens": 3, "output_tokens": 2}


def test_an_api_key_goes_as_a_bearer(client: openai.OpenAI, aws: ScriptedUpstream) -> None:
    aws.script(answered(whole({"text": "Hi"})))
    assert read(client, "haiku")["text"] == "Hi"
    (received,) = aws.received
    assert received.headers["authorization"] == "Bearer bedrock-api-key-0123"
    assert "x-amz-date" not in received.headers


def test_plain_completions_are_refused_clearly(client: openai.OpenAI, aws: ScriptedUpstream) -> None:
    with pytest.raises(openai.BadRequestError, match="does not support completions"):
        client.completions.create(model="nova", prompt="Once")
    assert aws.received == []


def test_several_choices_are_several_calls(client: openai.OpenAI, aws: ScriptedUpstream) -> None:
    aws.script(answered(whole({"text": "Hi"})))
    answer = client.chat.completions.create(model="nova", messages=HELLO, n=3)
    assert [choice.message.content for choice in answer.choices] == ["Hi"] * 3
    assert len(aws.received) == 3


def test_throttling_is_asked_again_and_in_a_stream_too(client: openai.OpenAI, aws: ScriptedUpstream) -> None:
    busy = json_reply({"message": "busy"}, status=503, headers=[("x-amzn-errortype", "ServiceUnavailableException")])
    aws.script(busy, answered(whole({"text": "Hi"})))
    assert read(client)["text"] == "Hi"
    begun = event("messageStart", role="assistant") + exception("serviceUnavailableException", "busy")
    aws.script(event_stream(begun), event_stream(streamed({"text": "Hi"})))
    assert read_stream(client)["text"] == "Hi"


def test_an_exception_after_the_commit_is_raised_in_the_stream(client: openai.OpenAI, aws: ScriptedUpstream) -> None:
    begun = event("messageStart", role="assistant")
    begun += event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hi there"})
    for rest in (exception("modelStreamErrorException", "oops"), b""):
        aws.reset()
        aws.script(event_stream(begun + rest))
        with pytest.raises(openai.APIError):
            read_stream(client)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("model", ["nova", "haiku"])
def test_a_schema_is_kept_to_natively_or_by_a_tool(
    client: openai.OpenAI, aws: ScriptedUpstream, model: str, is_stream: bool
) -> None:
    native = {"text": '{"name": "Ada"}'}
    used = {"toolUse": {"toolUseId": "t", "name": "answer", "input": {"name": "Ada"}}}
    if model == "nova":
        aws.script(answered(whole(used, stop_reason="tool_use")))
    else:
        aws.script(event_stream(streamed(native)) if is_stream else answered(whole(native)))
    if is_stream:
        chunks = client.chat.completions.create(model=model, messages=HELLO, response_format=FORMAT, stream=True)
        found = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    else:
        answer = client.chat.completions.create(model=model, messages=HELLO, response_format=FORMAT)
        assert answer.choices[0].finish_reason == "stop"
        found = answer.choices[0].message.content or ""
    assert json.loads(found) == {"name": "Ada"}
    (received,) = aws.received
    if model == "nova":
        assert received.json["toolConfig"]["toolChoice"] == {"tool": {"name": "answer"}}
    else:
        schema = received.json["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
        assert json.loads(schema) == SCHEMA


def test_reasoning_comes_out_and_goes_back_in(client: openai.OpenAI, aws: ScriptedUpstream) -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s1"}}}
    use = {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {}}}
    tools: Any = [{"type": "function", "function": {"name": "f"}}]
    aws.script(event_stream(streamed(thought, use, stop_reason="tool_use")))
    with client.chat.completions.stream(model="haiku", messages=HELLO, tools=tools, reasoning_effort="low") as stream:
        said = stream.get_final_completion().choices[0].message
    assert said.model_extra is not None
    assert said.model_extra["reasoning_content"] == "Hm."
    aws.script(answered(whole({"text": "Done"})))
    history: Any = [
        *HELLO,
        said.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": "tooluse_1", "content": "1"},
    ]
    client.chat.completions.create(model="haiku", messages=history, tools=tools, reasoning_effort="low")
    assert aws.received[-1].json["messages"][1]["content"] == [thought, use]
