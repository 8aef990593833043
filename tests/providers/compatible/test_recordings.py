"""Recorded traffic, cut anywhere: a client reads what OpenAI's own types read from the same bytes."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.providers.asking import asked
from tests.providers.compatible.asking import chat, read_stream
from tests.recordings import Recorded, cuts, exchanges

from aqueduct.errors import (
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
)

KINDS = {
    "azure": "azure",
    "cohere": "cohere-openai",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "ollama": "ollama-openai",
    "openai": "azure",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "xai": "xai",
}
"""The kind that reads what was recorded of a provider; OpenAI's own errors are those of its models at Azure too."""

CHATS = ("azure", "deepseek", "mistral", "ollama", "openrouter", "perplexity")
"""Of the others other protocols were recorded, so that only their errors are read here."""

WANTED = {"stream_options": {"include_usage": True}}


def is_chat(exchange: Recorded) -> bool:
    return exchange.status == 200 and exchange.path.endswith("/chat/completions")


PLAIN = exchanges(*CHATS, where=lambda exchange: is_chat(exchange) and not exchange.is_stream)
STREAMS = exchanges(*CHATS, where=lambda exchange: is_chat(exchange) and exchange.is_stream)
ERRORS = exchanges(*KINDS, where=lambda exchange: exchange.status != 200)


def kind_of(exchange: Recorded) -> str:
    return KINDS[exchange.name.partition("/")[0]]


def payloads_of(body: bytes) -> list[bytes]:
    """Return the data of a recorded stream's events, split in the plainest way."""
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    data = [line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:")]
    return [payload for payload in data if payload != b"[DONE]"]


def told(chunks: list[ChatCompletionChunk]) -> dict[str, Any]:
    """Return what matters of a stream, as a client of OpenAI's puts it together."""
    calls: dict[int, list[str]] = {}
    for choice in [choice for chunk in chunks for choice in chunk.choices]:
        for call in choice.delta.tool_calls or ():
            written = calls.setdefault(call.index, ["", "", ""])
            name = call.function.name if call.function else None
            arguments = call.function.arguments if call.function else None
            calls[call.index] = [written[0] or call.id or "", written[1] or name or "", written[2] + (arguments or "")]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    return {
        "text": "".join(delta.content or "" for delta in deltas),
        "thoughts": "".join(thoughts(delta) for delta in deltas),
        "calls": list(calls.values()),
        "finish_reason": next(c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason),
        "usage": (usages[-1].prompt_tokens, usages[-1].completion_tokens),
        "model": next(chunk.model for chunk in chunks if chunk.model),
    }


def told_whole(completion: ChatCompletion) -> dict[str, Any]:
    """Return what matters of a whole answer."""
    (choice,) = completion.choices
    calls = [call for call in choice.message.tool_calls or () if call.type == "function"]
    assert completion.usage is not None
    return {
        "text": choice.message.content or "",
        "thoughts": thoughts(choice.message),
        "calls": [[call.id, call.function.name, call.function.arguments] for call in calls],
        "finish_reason": choice.finish_reason,
        "usage": (completion.usage.prompt_tokens, completion.usage.completion_tokens),
        "model": completion.model,
    }


def thoughts(message: Any) -> str:
    """Return what was thought, as the service calls it or as we do."""
    extra = message.model_extra or {}
    return extra.get("reasoning_content") or extra.get("reasoning") or ""


@pytest.mark.parametrize("exchange", PLAIN)
def test_a_recorded_answer_reads_the_same(exchange: Recorded) -> None:
    answer = chat(kind_of(exchange)).read_response(asked(), exchange.body)
    theirs = told_whole(ChatCompletion.construct(**json.loads(exchange.body)))
    ours = told_whole(ChatCompletion.construct(**json.loads(answer.body)))
    assert ours == theirs
    assert answer.units is not None
    assert (answer.units["input_tokens"], answer.units["output_tokens"]) == ours["usage"]
    assert (answer.finish_reason, answer.response_model) == (ours["finish_reason"], ours["model"])
    assert answer.contents == ({0: ours["text"]} if ours["finish_reason"] == "stop" else {})
    assert b'"reasoning":"' not in answer.body


@cache
def payloads_uncut(exchange: Recorded) -> list[bytes]:
    return read_stream(kind_of(exchange), [exchange.body], **WANTED)[1]


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream_reads_the_same(exchange: Recorded) -> None:
    reader, payloads = read_stream(kind_of(exchange), [exchange.body], **WANTED)
    chunks = [ChatCompletionChunk.construct(**json.loads(payload)) for payload in payloads]
    theirs = [ChatCompletionChunk.construct(**json.loads(payload)) for payload in payloads_of(exchange.body)]
    ours = told(chunks)
    assert ours == told(theirs)
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (chunks[-1].choices, reader.is_done) == ([], True)
    assert reader.units is not None
    assert (reader.units["input_tokens"], reader.units["output_tokens"]) == ours["usage"]
    assert (reader.finish_reason, reader.response_model) == (ours["finish_reason"], ours["model"])


@pytest.mark.parametrize("exchange", STREAMS)
@settings(max_examples=20)
@given(data=st.data())
def test_a_recorded_stream_is_the_same_wherever_it_is_cut(exchange: Recorded, data: st.DataObject) -> None:
    _, payloads = read_stream(kind_of(exchange), data.draw(cuts(exchange.body)), **WANTED)
    assert payloads == payloads_uncut(exchange)


@pytest.mark.parametrize("exchange", STREAMS)
def test_no_usage_is_shown_to_who_did_not_ask(exchange: Recorded) -> None:
    _, payloads = read_stream(kind_of(exchange), [exchange.body])
    assert not any("usage" in json.loads(payload) for payload in payloads)


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_recorded_stream_that_breaks_off_is_never_whole(exchange: Recorded) -> None:
    end = next(
        exchange.body.index(payload)
        for payload in payloads_of(exchange.body)
        if any(choice.get("finish_reason") for choice in json.loads(payload)["choices"])
    )
    for cut in range(0, end, max(1, end // 10)):
        with pytest.raises(UpstreamError):
            read_stream(kind_of(exchange), [exchange.body[:cut]])


@pytest.mark.parametrize("exchange", ERRORS)
def test_a_recorded_error_is_what_it_means(exchange: Recorded) -> None:
    headers = tuple((name.encode(), value.encode()) for name, value in exchange.headers)
    error = chat(kind_of(exchange)).read_error(exchange.status, headers, exchange.body)
    if "auth_error" in exchange.name:
        assert isinstance(error, UpstreamUnauthorized)
    elif exchange.status == 429:
        assert isinstance(error, UpstreamRateLimited)
    else:
        assert isinstance(error, UpstreamRejected)
        assert (error.rejection.code, error.rejection.param) == ("context_length_exceeded", "messages")
