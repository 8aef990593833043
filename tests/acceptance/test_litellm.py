"""The long tail: a provider of kind `litellm`, whose child process calls an upstream that speaks OpenAI's format.

Each test runs against a stand-in for the SDK, and against the SDK itself where the extra `litellm` is installed.
"""

import importlib.util
import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from tests.acceptance.asking import MESSAGES, begin_chat, chat
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import (
    DONE,
    ROLE,
    USAGE,
    Drop,
    Hold,
    ScriptedUpstream,
    chunk,
    completion,
    error_reply,
    event,
    json_reply,
    open_stream,
    raw_stream,
    stream_reply,
)

STAND_INS = Path(__file__).parents[1] / "stand_ins"
KEY = "sk-upstream-0123456789abcdef"
CONFIG = """
providers:
  - name: tail
    kind: litellm
    base_url: {base_url}
    api_key: ${{TAIL_KEY}}
    options: {{provider: openai}}
    breaker: false
models:
  - name: one
    retries: {{reserve: 100000}}
    targets: [{{provider: tail, model: upstream-one}}]
  - name: hasty
    targets: [{{provider: tail, model: upstream-one, timeouts: {{first_byte: 0.4, total: 1.5}}}}]
"""
HAS_SDK = importlib.util.find_spec("litellm") is not None
sdk = pytest.param("sdk", marks=pytest.mark.skipif(not HAS_SDK, reason="the extra `litellm` is not installed"))


@pytest.fixture(scope="module")
def _upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(_upstream: ScriptedUpstream) -> ScriptedUpstream:
    _upstream.reset()
    return _upstream


@pytest.fixture(scope="module", params=["stand-in", sdk])
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _upstream: ScriptedUpstream
) -> Iterator[GatewayProcess]:
    settings = {"TAIL_KEY": KEY}
    if request.param == "stand-in":
        settings["PYTHONPATH"] = str(STAND_INS)
    config = CONFIG.format(base_url=_upstream.base_url)
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), config, settings) as process:
        assert wait_for_answer(process).status in (200, 502)
        yield process


def wait_for_answer(gateway: GatewayProcess) -> RawCall:
    """Ask while the child starts: where the SDK is real and the machine busy, its import takes a minute."""
    fields = [("authorization", f"Bearer {gateway.token}"), ("content-type", "application/json")]
    body = json.dumps({"model": "one", "messages": MESSAGES}).encode()
    with RawCall(gateway.port, timeout_seconds=130) as call:
        return call.request("POST", "/chat/completions", fields, body).read_all()


def child(gateway: GatewayProcess) -> int:
    """Return the process that has the SDK (Linux)."""
    for task in Path(f"/proc/{gateway.pid}/task").iterdir():
        for pid in (task / "children").read_text().split():
            if b"aqueduct.local.litellm.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    raise AssertionError("there is no such process")


def test_a_plain_answer_is_openais_and_the_key_goes_to_the_upstream_alone(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion("Hello.")))
    answer = chat(gateway, temperature=0.5, max_tokens=20)
    assert answer.status == 200, answer.body
    body = answer.json
    assert body["choices"][0]["message"]["content"] == "Hello."
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (7, 3)
    received = upstream.wait_received()
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert (received.json["model"], received.json["temperature"]) == ("upstream-one", 0.5)
    record = gateway.usage(answer.headers["x-request-id"])
    assert record["units"] == {"input_tokens": 7, "output_tokens": 3}


def test_a_client_cannot_say_where_the_sdk_asks_or_with_which_key(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion("Hello.")))
    evil = {"api_base": "http://127.0.0.1:1", "api_key": "k", "mock_response": "no", "custom_llm_provider": "groq"}
    answer = chat(gateway, **evil, fallbacks=["groq/m"])
    assert answer.json["choices"][0]["message"]["content"] == "Hello."
    assert set(answer.headers["x-aqueduct-dropped-params"].replace(" ", "").split(",")) == {*evil, "fallbacks"}
    assert upstream.wait_received().headers["authorization"] == f"Bearer {KEY}"


def test_a_stream_is_openais_with_usage_at_its_end_for_who_asked(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(stream_reply("Hel", "lo."))
    client = openai.OpenAI(base_url=gateway.url, api_key=gateway.token, max_retries=0)
    for wants_usage in (True, False):
        options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": wants_usage}
        chunks = list(
            client.chat.completions.create(
                model="one", messages=[{"role": "user", "content": "Hi"}], stream=True, stream_options=options
            )
        )
        assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == "Hello."
        assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
        usages = [each.usage for each in chunks if each.usage is not None]
        assert [(usage.prompt_tokens, usage.completion_tokens) for usage in usages] == [(7, 3)] * wants_usage
        assert (chunks[-1].choices == []) == wants_usage
    client.close()


def test_tool_calls_come_through_plain_and_streamed(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    upstream.script(json_reply(completion(None, finish_reason="tool_calls", tool_calls=[call])))
    message = chat(gateway, tools=tools).json["choices"][0]["message"]
    assert (message["content"], message["tool_calls"]) == (None, [call])
    pieces = [
        chunk({"tool_calls": [{"index": 0, **call}]}),
        chunk({}, "tool_calls"),
    ]
    upstream.script(raw_stream(b"".join(map(event, [ROLE, *pieces, USAGE])) + DONE))
    text = chat(gateway, tools=tools, stream=True).body.decode()
    assert '"name":"look"' in text
    assert '"finish_reason":"tool_calls"' in text
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_the_status_and_code_that_they_have_elsewhere(
    gateway: GatewayProcess, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.script(error_reply(429, "slow down", headers=[("retry-after", "61")]))
    answer = chat(gateway, stream=stream)
    assert (answer.status, answer.headers["retry-after"]) == (429, "61")
    upstream.script(error_reply(401, "Incorrect API key provided"))
    answer = chat(gateway, stream=stream)
    assert (answer.status, answer.json["error"]["code"]) == (502, "upstream_unauthorized")
    words = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
    upstream.script(error_reply(400, words, code="context_length_exceeded", type="invalid_request_error"))
    answer = chat(gateway, stream=stream)
    error = answer.json["error"]
    assert (answer.status, error["code"], error["param"]) == (400, "context_length_exceeded", "messages")
    assert "litellm" not in error["message"].lower()
    upstream.script(error_reply(503, "overloaded"))
    assert chat(gateway, stream=stream).status == 502


def test_an_upstream_that_dies_in_a_stream_does_not_look_whole(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script([*open_stream(ROLE, chunk({"content": "Hel"})), Drop()])
    with begin_chat(gateway, "hasty", stream=True) as call:
        text = call.read_all().body.decode()
    assert "Hel" in text
    assert '"error"' in text
    assert "[DONE]" not in text


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_the_call_upstream(
    gateway: GatewayProcess, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.script([*(open_stream(ROLE, chunk({"content": "Hel"})) if stream else []), Hold()])
    took = [leave(gateway, upstream, number, stream=stream) for number in (1, 2)]
    assert took[1] < 2  # the first one of a process loads what counts tokens


def leave(gateway: GatewayProcess, upstream: ScriptedUpstream, number: int, *, stream: bool) -> float:
    """Leave a request that its upstream has got, and return after how many seconds the upstream was left too."""
    call = begin_chat(gateway, stream=stream)
    received = upstream.wait_received(number)
    left_at = time.monotonic()
    call.close()
    return received.wait_closed() - left_at


def test_the_child_serves_nobody_without_its_key_and_no_secret_is_in_a_log_or_a_command_line(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion("Hello.")))
    assert chat(gateway, messages=[{"role": "user", "content": "a secret prompt"}]).status == 200
    assert KEY not in gateway.log
    assert "secret prompt" not in gateway.log
    assert KEY not in Path(f"/proc/{child(gateway)}/cmdline").read_text()
    assert KEY not in repr(Path(f"/proc/{child(gateway)}/environ").read_text().split("TAIL_KEY=")[0])
    (port,) = set(re.findall(r"LiteLLM serves.*port\W+(\d+)", gateway.log)[-1:])
    request = urllib.request.Request(f"http://127.0.0.1:{port}/chat/completions", b"{}", {"authorization": "Bearer x"})
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=5)


def test_a_child_that_dies_is_started_again_and_requests_wait_for_it(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion("Hello.")))
    assert chat(gateway).status == 200
    old = child(gateway)
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{old}").exists():  # until its parent has noticed
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert wait_for_answer(gateway).status == 200
    assert child(gateway) != old
