"""Recorded traffic, cut anywhere: a client reads what AWS's own library reads from the same bytes."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.anthropic.asking import streamed_message
from tests.providers.bedrock import botocore_reading
from tests.providers.bedrock.asking import CHAT, plain, read_stream, sent, target
from tests.providers.hearing import told
from tests.recordings import Recorded, cuts, exchanges

from aqueduct.errors import UpstreamError, UpstreamRejected, UpstreamUnauthorized

FINISH_REASONS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "stop_sequence": "stop"}
PLAIN = exchanges("bedrock", where=lambda exchange: exchange.status == 200 and not exchange.is_stream)
STREAMS = exchanges("bedrock", where=lambda exchange: exchange.status == 200 and exchange.is_stream)
ERRORS = exchanges("bedrock", where=lambda exchange: exchange.status != 200)
REQUESTS = exchanges("bedrock", where=lambda exchange: exchange.status == 200)


def own_reading(exchange: Recorded) -> dict[str, Any]:
    """Return what botocore makes of the recorded bytes."""
    if exchange.is_stream:
        return botocore_reading.read_stream(exchange.body)
    return botocore_reading.read_answer(exchange.status, dict(exchange.headers), exchange.body)


def told_by(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what matters of an answer of Converse's, in OpenAI's terms."""
    blocks, usage = answer["output"]["message"]["content"], answer["usage"]
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    return {
        "text": "".join(block.get("text", "") for block in blocks),
        "calls": [(call["toolUseId"], call["name"], call["input"]) for call in calls],
        "finish_reason": FINISH_REASONS[answer["stopReason"]],
        "usage": (usage["inputTokens"] + cached, usage["outputTokens"]),
    }


@pytest.mark.parametrize("exchange", PLAIN)
def test_a_recorded_answer_reads_the_same(exchange: Recorded) -> None:
    document = json.loads(plain(exchange.body).body)
    (choice,) = document["choices"]
    assert told(choice["message"], choice["finish_reason"], document["usage"]) == told_by(own_reading(exchange))


@pytest.mark.parametrize("exchange", STREAMS)
@given(data=st.data())
def test_a_recorded_stream_reads_the_same_wherever_it_is_cut(exchange: Recorded, data: st.DataObject) -> None:
    pieces = data.draw(cuts(exchange.body))
    reader, chunks = read_stream(pieces, stream_options={"include_usage": True})
    *body, last = chunks
    reasons = [choice["finish_reason"] for chunk in body for choice in chunk["choices"] if choice["finish_reason"]]
    assert told(streamed_message(body), reasons[0], last["usage"]) == told_by(own_reading(exchange))
    assert (reader.is_done, reader.finish_reason, len(reasons)) == (True, reasons[0], 1)


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream_that_breaks_off_is_never_whole(exchange: Recorded) -> None:
    end = exchange.body.index(b"messageStop")
    for cut in range(0, end, max(1, end // 50)):
        with pytest.raises(UpstreamError):
            read_stream([exchange.body[:cut]])
    with pytest.raises(UpstreamError):
        read_stream([exchange.body[:-1]])


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream_with_a_flipped_bit_is_refused(exchange: Recorded) -> None:
    for place in range(0, len(exchange.body), max(1, len(exchange.body) // 60)):
        flipped = bytearray(exchange.body)
        flipped[place] ^= 0x10
        with pytest.raises(UpstreamError):
            read_stream([bytes(flipped)])


@pytest.mark.parametrize("exchange", ERRORS)
def test_a_recorded_error_is_the_same_kind(exchange: Recorded) -> None:
    own = own_reading(exchange)["Error"]
    error = CHAT.read_error(
        exchange.status, tuple((n.encode(), v.encode()) for n, v in exchange.headers), exchange.body
    )
    assert error.status == exchange.status
    if own["Code"] == "UnrecognizedClientException":
        assert isinstance(error, UpstreamUnauthorized)
    else:
        assert own["Code"] == "ValidationException"
        assert isinstance(error, UpstreamRejected)
        assert (error.rejection.code, error.rejection.param) == ("context_length_exceeded", "messages")


@pytest.mark.parametrize("exchange", REQUESTS)
def test_a_conversation_in_openais_words_becomes_what_was_recorded(exchange: Recorded) -> None:
    recorded = json.loads(exchange.request)
    model = unquote(exchange.path.split("/")[2])
    messages = [{"role": "system", "content": block["text"]} for block in recorded.get("system", ())]
    messages += [message for turn in recorded["messages"] for message in in_openais_words(turn)]
    specs = [tool["toolSpec"] for tool in recorded.get("toolConfig", {}).get("tools", ())]
    tools = [{"type": "function", "function": {**_function(spec)}} for spec in specs]
    members: dict[str, Any] = {"tools": tools} if tools else {}
    schema: dict[str, Any] | None = None
    if "outputConfig" in recorded:
        asked = recorded["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        schema = {"name": asked["name"], "schema": json.loads(asked["schema"])}
        members["response_format"] = {"type": "json_schema", "json_schema": schema}
    members |= {name: value for name, value in recorded["inferenceConfig"].items() if name == "temperature"}
    body = sent(model, messages=messages, **members)
    assert body.get("inferenceConfig", {}) == recorded["inferenceConfig"]
    compared = ("messages", "system", "toolConfig")
    assert {name: body.get(name) for name in compared} == {name: recorded.get(name) for name in compared}
    if schema is not None:
        ours = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        assert (ours["name"], json.loads(ours["schema"])) == (schema["name"], schema["schema"])
    assert botocore_reading.faults(model, body) == ""
    assert target(model).model == model


def _function(spec: dict[str, Any]) -> dict[str, Any]:
    return {"name": spec["name"], "description": spec["description"], "parameters": spec["inputSchema"]["json"]}


def in_openais_words(turn: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages that a client of OpenAI's would have sent for a recorded turn."""
    texts = [{"type": "text", "text": block["text"]} for block in turn["content"] if "text" in block]
    results = [block["toolResult"] for block in turn["content"] if "toolResult" in block]
    calls = [
        {
            "id": block["toolUse"]["toolUseId"],
            "type": "function",
            "function": {"name": block["toolUse"]["name"], "arguments": json.dumps(block["toolUse"]["input"])},
        }
        for block in turn["content"]
        if "toolUse" in block
    ]
    messages: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": result["toolUseId"], "content": result["content"][0]["text"]}
        for result in results
    ]
    if texts or calls:
        said: dict[str, Any] = {"role": turn["role"], "content": texts or None}
        messages.append({**said, "tool_calls": calls} if calls else said)
    return messages
