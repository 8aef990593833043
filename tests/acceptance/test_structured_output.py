"""The promise of structured output: what ends in `stop` satisfies its schema, or the client gets an error."""

import json
import time
from typing import Any

import pytest
from tests.acceptance.asking import MESSAGES, begin, chat
from tests.acceptance.test_streaming import contents, error_event
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import (
    DONE,
    LAST_CHUNK,
    ROLE,
    STOP,
    Hold,
    ScriptedUpstream,
    Send,
    chunk,
    chunked,
    completion,
    error_reply,
    event,
    json_reply,
    open_stream,
    raw_stream,
)

SCHEMA = {
    "type": "object",
    "properties": {"greeting": {"type": "string"}, "count": {"type": "integer", "maximum": 10}},
    "required": ["greeting", "count"],
    "additionalProperties": False,
}
GOOD = '{"greeting": "hi", "count": 3}'
BAD = '{"greeting": "hi", "count": 30}'


def wanting(schema: dict[str, Any] | None = None, **members: object) -> dict[str, Any]:
    """Return the `response_format` that asks for a schema."""
    wanted = {"name": "greeting", "schema": SCHEMA if schema is None else schema, **members}
    return {"type": "json_schema", "json_schema": wanted}


def content(answer: Any) -> str:
    text: str = answer.json["choices"][0]["message"]["content"]
    return text


def tool_answer(arguments: str) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "answer", "arguments": arguments}}
    return completion(None, finish_reason="tool_calls", tool_calls=[call])


@pytest.mark.parametrize("strict", [True, False, None])
def test_an_answer_that_satisfies_the_schema_passes_as_it_is(
    gateway: GatewayProcess, upstream: ScriptedUpstream, strict: bool | None
) -> None:
    upstream.script(json_reply(completion(GOOD)))
    answer = chat(gateway, response_format=wanting(strict=strict))
    assert (answer.status, content(answer)) == (200, GOOD)
    assert upstream.received[0].json["response_format"] == wanting(strict=strict)


@pytest.mark.parametrize(
    "bad", [BAD, "I am sorry", "", f"```json\n{GOOD}\n```", GOOD + GOOD, '{"count": NaN, "greeting": ""}']
)
@pytest.mark.parametrize("strict", [True, None])
def test_an_answer_that_breaks_the_schema_is_asked_for_again_with_the_validator_s_words(
    gateway: GatewayProcess, upstream: ScriptedUpstream, bad: str, strict: bool | None
) -> None:
    upstream.script(json_reply(completion(bad)), json_reply(completion(GOOD)))
    answer = chat(gateway, response_format=wanting(strict=strict))
    assert (answer.status, content(answer)) == (200, GOOD)
    assert answer.headers["x-aqueduct-attempts"] == "2"
    again = upstream.received[1].json["messages"]
    assert again[: len(MESSAGES)] == MESSAGES
    assert again[-2] == {"role": "assistant", "content": bad}
    assert again[-1]["role"] == "user"
    if bad == BAD:
        assert "At count: the value is greater than the maximum of 10" in again[-1]["content"]


def test_an_answer_is_asked_for_again_at_most_twice_and_every_attempt_is_recorded(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion(BAD)))
    answer = chat(gateway, response_format=wanting())
    error = answer.error
    assert (answer.status, error["type"], error["code"], error["param"]) == (
        502,
        "upstream_error",
        "schema_not_satisfied",
        "response_format",
    )
    assert answer.headers["x-should-retry"] == "false"
    assert len(upstream.received) == 3
    record = gateway.usage(answer.headers["x-request-id"])
    assert len(record["attempts"]) == 3
    assert record["units"]["output_tokens"] == 9


def test_asking_again_stays_within_the_deadline_of_the_request(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion(BAD)), [Hold()])
    started = time.monotonic()
    answer = chat(gateway, "hasty", response_format=wanting())
    assert answer.status in (502, 504)
    assert time.monotonic() - started < 3


def test_an_answer_that_had_to_be_asked_for_again_is_billed_whole(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion(BAD)), json_reply(completion(GOOD)))
    answer = chat(gateway, response_format=wanting())
    record = gateway.usage(answer.headers["x-request-id"])
    assert (record["units"]["input_tokens"], record["units"]["output_tokens"]) == (14, 6)


@pytest.mark.parametrize(
    "answer",
    [
        completion(None, refusal="I cannot do that."),
        completion('{"greeting": "h', finish_reason="length"),
        completion(None, finish_reason="content_filter"),
        completion(
            None,
            finish_reason="tool_calls",
            tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        ),
    ],
    ids=["refusal", "length", "content filter", "tool call"],
)
def test_a_refusal_and_an_answer_that_did_not_end_in_stop_are_handed_on_unvalidated(
    gateway: GatewayProcess, upstream: ScriptedUpstream, answer: dict[str, Any]
) -> None:
    upstream.script(json_reply(answer))
    assert chat(gateway, response_format=wanting()).json == answer
    assert len(upstream.received) == 1


def test_every_choice_is_validated(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    def two(first: str, second: str) -> dict[str, Any]:
        value = completion(first)
        other = completion(second)["choices"][0]
        value["choices"].append({**other, "index": 1})
        return value

    upstream.script(json_reply(two(GOOD, BAD)), json_reply(two(GOOD, GOOD)))
    answer = chat(gateway, n=2, response_format=wanting())
    assert (answer.status, answer.headers["x-aqueduct-attempts"]) == (200, "2")


def test_a_json_object_is_promised_too(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion("[1]")), json_reply(completion('{"a": 1}')))
    answer = chat(gateway, response_format={"type": "json_object"})
    assert content(answer) == '{"a": 1}'


def test_text_promises_nothing(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion("Hello")))
    assert content(chat(gateway, response_format={"type": "text"})) == "Hello"


# Targets that do not hold themselves to a schema.


def test_a_target_without_native_support_is_held_to_it_by_a_forced_tool_call(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(tool_answer(GOOD)))
    answer = chat(gateway, "forced", response_format=wanting())
    assert (answer.status, content(answer)) == (200, GOOD)
    assert answer.json["choices"][0]["finish_reason"] == "stop"
    assert not answer.json["choices"][0]["message"].get("tool_calls")
    sent = upstream.received[0].json
    assert "response_format" not in sent
    (tool,) = sent["tools"]
    assert tool["function"]["parameters"] == SCHEMA
    assert sent["tool_choice"] == {"type": "function", "function": {"name": tool["function"]["name"]}}


def test_a_target_without_tools_is_held_to_it_by_an_instruction(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion(f"```json\n{GOOD}\n```")))
    answer = chat(gateway, "told", response_format=wanting())
    assert (answer.status, json.loads(content(answer))) == (200, json.loads(GOOD))
    sent = upstream.received[0].json
    assert "response_format" not in sent
    assert any('"maximum":10' in str(message["content"]).replace(" ", "") for message in sent["messages"])
    assert sent["messages"][-1] == MESSAGES[-1]


@pytest.mark.parametrize("model", ["forced", "told"])
def test_such_a_target_is_asked_again_as_well(gateway: GatewayProcess, upstream: ScriptedUpstream, model: str) -> None:
    make = tool_answer if model == "forced" else completion
    upstream.script(json_reply(make(BAD)), json_reply(make(GOOD)))
    answer = chat(gateway, model, response_format=wanting())
    assert (answer.status, json.loads(content(answer))) == (200, json.loads(GOOD))
    upstream.script(json_reply(make(BAD)))
    assert chat(gateway, model, response_format=wanting()).error["code"] == "schema_not_satisfied"


# Streams.


def test_a_stream_of_a_natively_capable_target_flows(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    hold = Hold()
    first = chunk({"content": GOOD[:5]})
    rest = b"".join(map(event, [chunk({"content": GOOD[5:]}), STOP])) + DONE
    upstream.script([*open_stream(ROLE, first), hold, Send(chunked(rest) + LAST_CHUNK)])
    body = {"model": "one", "messages": MESSAGES, "stream": True, "response_format": wanting()}
    with begin(gateway, "POST", "/chat/completions", body).read_head() as call:
        call.read_until(event(first))
        hold.gate.open()
        call.read_all()
    assert contents(call) == GOOD
    assert call.events[-1] == b"[DONE]"


def test_a_stream_is_validated_at_its_end_and_fails_with_an_error_event(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    hold = Hold()
    first = chunk({"content": BAD[:7]})
    rest = b"".join(map(event, [chunk({"content": BAD[7:]}), STOP])) + DONE
    upstream.script([*open_stream(ROLE, first), hold, Send(chunked(rest) + LAST_CHUNK)])
    body = {"model": "one", "messages": MESSAGES, "stream": True, "response_format": wanting()}
    with begin(gateway, "POST", "/chat/completions", body).read_head() as call:
        call.read_until(event(first))
        hold.gate.open()
        call.read_all()
    error = error_event(call)
    assert (error["type"], error["code"], error["param"]) == (
        "upstream_error",
        "schema_not_satisfied",
        "response_format",
    )
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    "events",
    [
        [chunk({"content": GOOD[:9]}), chunk({}, "length")],
        [chunk({"refusal": "I cannot do that."}), STOP],
    ],
    ids=["length", "refusal"],
)
def test_a_stream_that_is_refused_or_cut_by_its_length_passes(
    gateway: GatewayProcess, upstream: ScriptedUpstream, events: list[dict[str, Any]]
) -> None:
    upstream.script(raw_stream(b"".join(map(event, events)) + DONE))
    answer = chat(gateway, stream=True, response_format=wanting())
    assert [json.loads(payload) for payload in answer.events[:-1]] == events
    assert answer.events[-1] == b"[DONE]"


@pytest.mark.parametrize("model", ["forced", "told"])
def test_the_answer_of_another_target_is_completed_and_checked_first_then_streamed(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    make = tool_answer if model == "forced" else completion
    upstream.script(json_reply(make(BAD)), json_reply(make(GOOD)))
    options = {"include_usage": True}
    answer = chat(gateway, model, stream=True, stream_options=options, response_format=wanting())
    assert (answer.status, contents(answer)) == (200, GOOD)
    assert answer.events[-1] == b"[DONE]"
    chunks = [json.loads(payload) for payload in answer.events[:-1]]
    assert {value["object"] for value in chunks} == {"chat.completion.chunk"}
    assert [c["finish_reason"] for value in chunks for c in value["choices"] if c["finish_reason"]] == ["stop"]
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert not any(request.json.get("stream") for request in upstream.received)


@pytest.mark.parametrize("model", ["forced", "told"])
def test_such_an_answer_fails_with_a_status_of_its_own(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    upstream.script(json_reply((tool_answer if model == "forced" else completion)(BAD)))
    answer = chat(gateway, model, stream=True, response_format=wanting())
    assert (answer.status, answer.error["code"]) == (502, "schema_not_satisfied")


def test_an_upstream_failure_while_asking_again_leaves_the_attempt_budget_to_the_router(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion(BAD)), error_reply(503), json_reply(completion(GOOD)))
    answer = chat(gateway, response_format=wanting())
    assert (answer.status, content(answer)) == (200, GOOD)


# Schemas are untrusted code.


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"$schema": "https://example.com/my-own-draft"},
        {"type": "object", "properties": {"a": {"$dynamicRef": "https://example.com/x"}}},
        {"description": "x" * 70_000},
    ],
    ids=["http", "file", "draft", "dynamic", "large"],
)
def test_a_schema_that_reaches_out_or_is_too_large_is_refused(
    gateway: GatewayProcess, upstream: ScriptedUpstream, schema: dict[str, Any]
) -> None:
    for stream in (False, True):
        answer = chat(gateway, stream=stream, response_format=wanting(schema))
        assert (answer.status, answer.error["code"]) == (400, "invalid_json_schema")
    assert upstream.received == []


def test_a_schema_that_nests_too_deep_is_refused(gateway: GatewayProcess) -> None:
    schema: dict[str, Any] = {}
    for _ in range(80):
        schema = {"not": schema}
    answer = chat(gateway, response_format=wanting(schema))
    assert (answer.status, answer.error["code"]) == (400, "invalid_json_schema")


def test_a_schema_made_to_hold_the_validator_holds_nobody_else(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    links = 60
    definitions: dict[str, Any] = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]} for i in range(links)
    }
    hostile = {"$ref": "#/$defs/a0", "$defs": {**definitions, f"a{links}": {"type": "integer"}}}
    upstream.script(json_reply(completion("1")))
    body = {"model": "one", "messages": MESSAGES, "response_format": wanting(hostile)}
    with begin(gateway, "POST", "/chat/completions", body) as call:
        upstream.wait_received()
        for _ in range(20):
            started = time.monotonic()
            assert chat(gateway).status == 200
            assert time.monotonic() - started < 0.5
        assert call.read_all().error["code"] == "schema_not_satisfied"


def test_a_schema_with_definitions_and_patterns_is_honoured(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    schema = {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["code", "children"],
            }
        },
    }
    bad = '{"code": "ABC", "children": [{"code": "abc", "children": []}]}'
    upstream.script(json_reply(completion(bad)), json_reply(completion(bad.replace("abc", "DEF"))))
    answer = chat(gateway, response_format=wanting(schema))
    assert content(answer) == bad.replace("abc", "DEF")
    assert "At children[0].code" in upstream.received[1].json["messages"][-1]["content"]
