"""The calls of functions that are `strict` satisfy their JSON schemas, or the client gets an error."""

import json
from typing import Any

import pytest
from tests.acceptance.asking import MESSAGES, begin, chat
from tests.acceptance.test_streaming import error_event
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import (
    DONE,
    LAST_CHUNK,
    ROLE,
    Hold,
    ScriptedUpstream,
    Send,
    chunk,
    chunked,
    completion,
    event,
    json_reply,
    open_stream,
    raw_stream,
)

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
GOOD = '{"city": "Ulm", "days": 3}'
BAD = '{"city": "Ulm", "days": 30}'


def tool(name: str = "weather", *, strict: bool = True, parameters: Any = None) -> dict[str, Any]:
    """Return a function to call."""
    function = {"name": name, "strict": strict, "parameters": PARAMETERS if parameters is None else parameters}
    return {"type": "function", "function": function}


def calling(*arguments: str, name: str = "weather", finish_reason: str = "tool_calls") -> dict[str, Any]:
    """Return an answer that calls a function, once for each text of arguments."""
    calls = [
        {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": text}}
        for index, text in enumerate(arguments)
    ]
    return completion(None, finish_reason=finish_reason, tool_calls=calls)


def streamed(arguments: str) -> list[dict[str, Any]]:
    """Return the chunks of a stream with one call, its arguments in two pieces."""
    begun = {"index": 0, "id": "c0", "type": "function", "function": {"name": "weather", "arguments": arguments[:9]}}
    more = {"index": 0, "function": {"arguments": arguments[9:]}}
    return [ROLE, chunk({"tool_calls": [begun]}), chunk({"tool_calls": [more]}), chunk({}, "tool_calls")]


@pytest.mark.parametrize("model", ["one", "loose"])
@pytest.mark.parametrize("bad", [BAD, "", "no JSON", "[1]", GOOD + GOOD])
def test_a_bad_call_is_asked_for_again_with_the_validator_s_words(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str, bad: str
) -> None:
    upstream.script(json_reply(calling(GOOD, bad)), json_reply(calling(GOOD)))
    answer = chat(gateway, model, tools=[tool()])
    assert (answer.status, answer.headers["x-aqueduct-attempts"]) == (200, "2")
    assert answer.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == GOOD
    said, first, second = upstream.received[1].json["messages"][len(MESSAGES) :]
    assert said["role"] == "assistant"
    assert [call["function"]["arguments"] for call in said["tool_calls"]] == [GOOD, bad]
    assert (first["tool_call_id"], second["tool_call_id"]) == ("c0", "c1")
    assert "another call" in first["content"]
    assert "do not satisfy" in second["content"]
    if bad == BAD:
        assert "At days" in second["content"]


def test_a_bad_call_without_an_id_is_asked_for_again_under_one(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    nameless = calling(BAD)
    del nameless["choices"][0]["message"]["tool_calls"][0]["id"]
    upstream.script(json_reply(nameless), json_reply(calling(GOOD)))
    assert chat(gateway, "loose", tools=[tool()]).status == 200
    said, result = upstream.received[1].json["messages"][len(MESSAGES) :]
    assert said["tool_calls"][0]["id"] == result["tool_call_id"] == "call_0"


def test_a_call_that_stays_bad_is_an_error_that_names_the_tools(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(*[json_reply(calling(BAD))] * 3)
    answer = chat(gateway, tools=[tool("other", strict=False), tool()])
    assert (answer.status, answer.error["code"], answer.error["param"]) == (502, "schema_not_satisfied", "tools")
    assert "'weather'" in answer.error["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert len(upstream.received) == 3


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (tool(strict=False), calling(BAD)),
        (tool("other"), calling(BAD)),
        (tool(), calling(BAD, finish_reason="length")),
        (tool(), completion("I would rather talk.")),
        ({"type": "function", "function": {"name": "weather", "strict": True}}, calling("no JSON")),
    ],
    ids=["not strict", "another function", "cut", "no call", "no parameters"],
)
def test_what_was_not_promised_is_handed_on(
    gateway: GatewayProcess, upstream: ScriptedUpstream, given: dict[str, Any], answer: dict[str, Any]
) -> None:
    upstream.script(json_reply(answer))
    assert chat(gateway, tools=[given]).json == answer


def test_a_stream_of_a_target_that_holds_its_calls_flows_and_fails_at_its_end(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    for arguments in (GOOD, BAD):
        hold = Hold()
        role, first, *rest = streamed(arguments)
        ending = b"".join(map(event, rest)) + DONE
        upstream.script([*open_stream(role, first), hold, Send(chunked(ending) + LAST_CHUNK)])
        body = {"model": "one", "messages": MESSAGES, "stream": True, "tools": [tool()]}
        with begin(gateway, "POST", "/chat/completions", body).read_head() as call:
            call.read_until(event(first))
            hold.gate.open()
            call.read_all()
        if arguments == GOOD:
            assert call.events[-1] == b"[DONE]"
        else:
            error = error_event(call)
            assert (error["code"], error["param"]) == ("schema_not_satisfied", "tools")
    assert len(upstream.received) == 2


def test_another_stream_is_completed_and_checked_first(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(calling(BAD)), json_reply(calling(GOOD)))
    answer = chat(gateway, "loose", stream=True, tools=[tool()])
    assert answer.events[-1] == b"[DONE]"
    chunks = [json.loads(payload) for payload in answer.events[:-1]]
    calls = [each for value in chunks for choice in value["choices"] for each in choice["delta"].get("tool_calls", ())]
    assert [(each["index"], each["function"]["arguments"]) for each in calls] == [(0, GOOD)]
    assert not any(request.json.get("stream") for request in upstream.received)
    upstream.script(raw_stream(b"".join(map(event, streamed(BAD))) + DONE))
    assert chat(gateway, "loose", stream=True, tools=[tool(strict=False)]).events[-1] == b"[DONE]"


@pytest.mark.parametrize(
    "parameters",
    [{"type": 7}, {"$ref": "https://example.com/schema"}],
    ids=["no schema", "elsewhere"],
)
def test_parameters_that_are_no_schema_are_refused_by_their_path(gateway: GatewayProcess, parameters: Any) -> None:
    answer = chat(gateway, tools=[tool("other", strict=False), tool(parameters=parameters)])
    assert (answer.status, answer.error["code"]) == (400, "invalid_json_schema")
    assert answer.error["param"] == "tools[1].function.parameters"
    assert "response_format" not in answer.error["message"]
