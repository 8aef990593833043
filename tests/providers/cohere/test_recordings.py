"""Recorded answers of Cohere's give what is written in them, whole and cut anywhere; all are of `/v2/chat`."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.cohere.asking import CHAT, chat, checked, target
from tests.providers.hearing import Heard, failure, feed, heard_in, heard_of
from tests.recordings import Recorded, cuts, exchanges

from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamError, UpstreamRejected, UpstreamUnauthorized, UpstreamUnreachable

ANSWERS = exchanges("cohere", where=lambda each: each.status == 200 and not each.is_stream)
STREAMS = exchanges("cohere", where=lambda each: each.is_stream)
REASONS = {"COMPLETE": "stop", "TOOL_CALL": "tool_calls", "MAX_TOKENS": "length"}


def events_of(body: bytes) -> list[dict[str, Any]]:
    lines = [line[6:] for line in body.decode().split("\n") if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def written_in(message: dict[str, Any], reason: str) -> Heard:
    """Return what a recorded message says."""
    calls = [{"id": call["id"], "type": "function", "function": call["function"]} for call in message["tool_calls"]]
    return Heard(
        text="".join(block.get("text", "") for block in message["content"]),
        reasoning=message["tool_plan"],
        calls=calls,
        finish_reason=REASONS[reason],
        annotations=[
            (citation["start"], citation["end"], source["id"])
            for citation in message["citations"]
            for source in citation["sources"]
        ],
    )


def streamed_message(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put a recorded stream together; return the message and what ended it."""
    whole: dict[str, Any] = {"content": [{"text": ""}], "tool_plan": "", "tool_calls": [], "citations": []}
    for event in events_of(body):
        new = event.get("delta", {}).get("message", {})
        match event["type"]:
            case "content-delta":
                whole["content"][0]["text"] += new["content"]["text"]
            case "tool-plan-delta":
                whole["tool_plan"] += new["tool_plan"]
            case "tool-call-start":
                whole["tool_calls"].append(new["tool_calls"])
            case "tool-call-delta":
                whole["tool_calls"][-1]["function"]["arguments"] += new["tool_calls"]["function"]["arguments"]
            case "citation-start":
                whole["citations"].append(new["citations"])
            case "message-end":
                return whole, event["delta"]
    raise AssertionError("the recorded stream has no end")


def units_in(usage: dict[str, Any]) -> Units:
    return {name: int(usage["billed_units"][name]) for name in ("input_tokens", "output_tokens")}


def assert_same(heard: Heard, written: Heard) -> None:
    assert (heard.text, heard.reasoning, heard.finish_reason) == (
        written.text,
        written.reasoning,
        written.finish_reason,
    )
    assert [call["id"] for call in heard.calls] == [call["id"] for call in written.calls]
    for call in written.calls:
        call["function"]["arguments"] = call["function"]["arguments"] or "{}"
    assert heard.functions == written.functions
    cited = [each["file_citation"] for each in heard.annotations]
    assert [(each["start_index"], each["end_index"], each["file_id"]) for each in cited] == written.annotations


@pytest.mark.parametrize("exchange", ANSWERS)
def test_an_answer_says_what_is_written_in_it(exchange: Recorded) -> None:
    document = json.loads(exchange.body)
    empty = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    answer = CHAT.read_response(chat(), exchange.body)
    assert_same(heard_of(answer.body), written_in({**empty, **document["message"]}, document["finish_reason"]))
    assert answer.units == units_in(document["usage"])


@pytest.mark.parametrize("exchange", STREAMS)
@given(data=st.data())
@settings(max_examples=15)
def test_a_stream_cut_anywhere_says_what_is_written_in_it(exchange: Recorded, data: st.DataObject) -> None:
    message, ended = streamed_message(exchange.body)
    reader = CHAT.stream_reader(chat(stream=True))
    events = feed(reader, data.draw(cuts(exchange.body)))
    assert_same(heard_in(events), written_in(message, ended["finish_reason"]))
    assert reader.units == units_in(ended["usage"])
    assert reader.is_done


@pytest.mark.parametrize("exchange", STREAMS)
@given(data=st.data())
@settings(max_examples=10)
def test_a_stream_that_breaks_off_before_its_end_is_not_whole(exchange: Recorded, data: st.DataObject) -> None:
    before = exchange.body.index(b"event: message-end")
    reader = CHAT.stream_reader(chat(stream=True))
    error = failure(reader, [exchange.body[: data.draw(st.integers(0, before))]])
    assert isinstance(error, UpstreamError)
    assert not reader.is_done
    assert isinstance(failure(CHAT.stream_reader(chat(stream=True)), [exchange.body[:before]]), UpstreamUnreachable)


@pytest.mark.parametrize("exchange", exchanges("cohere", where=lambda each: b'"tool_calls":[{' in each.body))
def test_an_answer_sent_back_with_results_is_a_valid_next_turn(exchange: Recorded) -> None:
    heard = heard_of(CHAT.read_response(chat(), exchange.body).body)
    said = json.loads(exchange.body)["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "15 degrees"} for call in heard.calls]
    request = chat(messages=[{"role": "user", "content": "Hello"}, heard.message, *results])
    body = checked(request, target())
    back = body["messages"][1]
    assert back["tool_calls"] == said["tool_calls"]
    assert back.get("tool_plan") == said.get("tool_plan")
    assert [each["tool_call_id"] for each in body["messages"][2:]] == [call["id"] for call in said["tool_calls"]]


@pytest.mark.parametrize("exchange", exchanges("cohere", where=lambda each: each.status != 200))
def test_a_recorded_error_is_classified(exchange: Recorded) -> None:
    error = CHAT.read_error(exchange.status, (), exchange.body)
    if exchange.status == 401:
        assert isinstance(error, UpstreamUnauthorized)
        return
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.code, error.rejection.param) == ("context_length_exceeded", "messages")
    without_type = json.dumps({"message": json.loads(exchange.body)["message"]}).encode()
    prose = CHAT.read_error(exchange.status, (), without_type)
    assert isinstance(prose, UpstreamRejected)
    assert prose.rejection.code == "context_length_exceeded"
