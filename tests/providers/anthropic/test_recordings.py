"""Recorded traffic, cut anywhere: a client reads what Anthropic's own client reads from the same bytes."""

import json
from functools import cache
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.anthropic.asking import CHAT, plain, read_stream, sent, streamed_message
from tests.providers.hearing import told
from tests.recordings import Recorded, cuts, exchanges

from aqueduct.errors import UpstreamError, UpstreamRejected, UpstreamUnauthorized

FINISH_REASONS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "stop_sequence": "stop"}
PLAIN = exchanges("anthropic", where=lambda exchange: exchange.status == 200 and not exchange.is_stream)
STREAMS = exchanges("anthropic", where=lambda exchange: exchange.status == 200 and exchange.is_stream)
ERRORS = exchanges("anthropic", where=lambda exchange: exchange.status != 200)


@cache
def own_reading(exchange: Recorded) -> anthropic.types.Message:
    """Return what Anthropic's client makes of the recorded bytes."""
    answer = httpx2.Response(exchange.status, headers=list(exchange.headers), content=exchange.body)
    with (
        httpx2.Client(transport=httpx2.MockTransport(lambda request: answer)) as http,
        anthropic.Anthropic(api_key="k", base_url="http://upstream", http_client=http, max_retries=0) as client,
    ):
        question: Any = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}]}
        if exchange.is_stream:
            with client.messages.stream(**question) as stream:
                return stream.get_final_message()
        answered: anthropic.types.Message = client.messages.create(**question)
        return answered


def told_by(message: anthropic.types.Message) -> dict[str, Any]:
    """Return what matters of a message, in OpenAI's terms."""
    usage = message.usage
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "calls": [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"],
        "finish_reason": FINISH_REASONS[message.stop_reason or ""],
        "usage": (usage.input_tokens + cached + written, usage.output_tokens),
        "model": message.model,
    }


@pytest.mark.parametrize("exchange", PLAIN)
def test_a_recorded_message_reads_the_same(exchange: Recorded) -> None:
    answer = plain(exchange.body)
    document = json.loads(answer.body)
    (choice,) = document["choices"]
    found = told(choice["message"], choice["finish_reason"], document["usage"]) | {"model": document["model"]}
    assert found == told_by(own_reading(exchange))


@pytest.mark.parametrize("exchange", STREAMS)
@given(data=st.data())
def test_a_recorded_stream_reads_the_same_wherever_it_is_cut(exchange: Recorded, data: st.DataObject) -> None:
    pieces = data.draw(cuts(exchange.body))
    reader, chunks = read_stream(pieces, stream_options={"include_usage": True})
    *body, last = chunks
    reasons = [choice["finish_reason"] for chunk in body for choice in chunk["choices"] if choice["finish_reason"]]
    found = told(streamed_message(body), reasons[0], last["usage"]) | {"model": last["model"]}
    assert found == told_by(own_reading(exchange))
    assert (reader.is_done, reader.finish_reason, len(reasons)) == (True, reasons[0], 1)


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream_that_breaks_off_is_never_whole(exchange: Recorded) -> None:
    end = exchange.body.index(b"event: message_delta")
    for cut in range(0, end, max(1, end // 50)):
        with pytest.raises(UpstreamError):
            read_stream([exchange.body[:cut]])


@pytest.mark.parametrize("exchange", ERRORS)
def test_a_recorded_error_is_the_same_kind(exchange: Recorded) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        own_reading(exchange)
    error = CHAT.read_error(
        exchange.status, tuple((n.encode(), v.encode()) for n, v in exchange.headers), exchange.body
    )
    assert error.status == caught.value.status_code
    if isinstance(caught.value, anthropic.AuthenticationError):
        assert isinstance(error, UpstreamUnauthorized)
    else:
        assert isinstance(error, UpstreamRejected)
        assert (error.rejection.code, error.rejection.param) == ("context_length_exceeded", "messages")


CONVERSATIONS = exchanges(
    "anthropic", where=lambda exchange: exchange.status == 200 and len(json.loads(exchange.request)["messages"]) > 1
)


@pytest.mark.parametrize("exchange", CONVERSATIONS)
def test_a_conversation_in_openais_words_becomes_what_was_recorded(exchange: Recorded) -> None:
    recorded = json.loads(exchange.request)
    messages = [message for turn in recorded["messages"] for message in in_openais_words(turn)]
    body = sent(recorded["model"], messages=messages)
    assert body["messages"] == recorded["messages"]


def in_openais_words(turn: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages that a client of OpenAI's would have sent for a recorded turn."""
    texts = [block for block in turn["content"] if block["type"] == "text"]
    results = [block for block in turn["content"] if block["type"] == "tool_result"]
    calls = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"])},
        }
        for block in turn["content"]
        if block["type"] == "tool_use"
    ]
    messages: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": result["tool_use_id"], "content": result["content"]} for result in results
    ]
    if texts or calls:
        said: dict[str, Any] = {"role": turn["role"], "content": texts or None}
        messages.append({**said, "tool_calls": calls} if calls else said)
    return messages
