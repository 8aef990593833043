"""Answers as they are kept and given again."""

import json
from typing import Any

import openai.types.chat as chat_types
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from tests.recordings import Recorded, exchanges
from tests.scripted_upstream import DONE, ROLE, STOP, USAGE, chunk, completion, event

from aqueduct.gateway.cache.answer import StoredAnswer, completion_of, decode, encode, is_worth_keeping
from aqueduct.wire.replay import replay, replay_completion
from aqueduct.wire.sse import DONE_PAYLOAD, SseSplitter


def stream(*chunks: dict[str, Any]) -> bytes:
    return b"".join(map(event, chunks)) + DONE


def test_a_stream_is_kept_as_the_completion_that_it_is() -> None:
    named = {"system_fingerprint": "fp_1", "service_tier": "default", "obfuscation": "xyz", "usage": None}
    found = json.loads(completion_of(stream(ROLE | named, chunk({"content": "Hello."}, **named), STOP, USAGE), []))
    expected = completion()
    expected["choices"][0] = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello."},
        "finish_reason": "stop",
    }
    assert found == expected | {"system_fingerprint": "fp_1", "service_tier": "default"}


def test_usage_that_the_client_did_not_ask_for_is_put_in() -> None:
    units = [{"input_tokens": 5, "output_tokens": 2, "cached_tokens": 1}, {"input_tokens": 5, "output_tokens": 1}]
    usage = json.loads(completion_of(stream(ROLE, STOP), units))["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (10, 3)
    assert usage["prompt_tokens_details"] == {"cached_tokens": 1}
    assert "usage" not in json.loads(completion_of(stream(ROLE, STOP), []))


def test_several_choices_calls_and_log_probabilities_survive_both_ways() -> None:
    def at(index: int, delta: dict[str, Any], reason: str | None = None, token: str = "") -> dict[str, Any]:
        logprobs: dict[str, Any] = {
            "content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": []}],
            "refusal": None,
        }
        piece = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": logprobs if token else None}
        return chunk() | {"choices": [piece]}

    call = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}
    chunks = [
        at(1, {"role": "assistant", "content": "B"}, token="B"),
        at(0, {"role": "assistant", "tool_calls": [call]}),
        at(0, {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        at(1, {"content": "b"}, token="b"),
        at(0, {}, "tool_calls"),
        at(1, {}, "stop"),
    ]
    body = completion_of(stream(*chunks), [])
    whole = chat_types.ChatCompletion.model_validate_json(body)
    assert [choice.finish_reason for choice in whole.choices] == ["tool_calls", "stop"]
    assert whole.choices[1].logprobs is not None
    assert [each.token for each in whole.choices[1].logprobs.content or ()] == ["B", "b"]
    state = ChatCompletionStreamState()
    for payload in replay(body, wants_usage=False):
        state.handle_chunk(chat_types.ChatCompletionChunk.model_validate_json(payload))
    replayed = state.get_final_completion()
    assert replayed.choices[1].message.content == "Bb"
    calls = replayed.choices[0].message.tool_calls or []
    assert [(each.id, each.function.arguments) for each in calls] == [("call_a", "{}")]


def test_a_plain_completion_is_replayed_a_chunk_a_choice() -> None:
    body = json.dumps({"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": "x"}], "usage": {}})
    assert [json.loads(each) for each in replay_completion(body.encode(), wants_usage=True)] == [
        {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": "x"}], "usage": None},
        {"id": "c", "object": "text_completion", "choices": [], "usage": {}},
    ]


@pytest.mark.parametrize(
    ("body", "is_kept"),
    [
        (completion(), True),
        (completion(finish_reason="length"), True),
        (completion(None, finish_reason="tool_calls", tool_calls=[]), True),
        (completion(finish_reason="content_filter"), False),
        (completion(refusal="No."), False),
        (completion(None, audio={"id": "a"}), False),
        (completion() | {"choices": []}, False),
        (completion() | {"choices": [*completion()["choices"], {"index": 1, "finish_reason": None}]}, False),
        (completion() | {"choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]}, False),
        ({"error": {}}, False),
        ([], False),
    ],
)
def test_only_what_would_be_said_again_is_kept(body: Any, is_kept: bool) -> None:
    assert is_worth_keeping(json.dumps(body).encode(), "chat") is is_kept


def test_a_kept_answer_is_read_as_it_was_written_and_nothing_else_is_one() -> None:
    answer = StoredAnswer(
        body=b"{}",
        stored_at=1e9,
        finish_reason="stop",
        response_model="m",
        input_tokens=1,
        output_tokens=2,
        is_estimated=False,
        cost_nano=3,
        currency="USD",
        dropped=("logit_bias",),
    )
    data = encode(answer)
    assert decode(data) == answer
    for other in (b"", data[:-3], b"\x93abc", b"\xc1"):
        assert decode(other) is None


RECORDED = exchanges(
    "openai", "deepseek", "mistral", "openrouter", "xai", where=lambda each: each.is_stream and "/chat/" in each.path
)


@pytest.mark.parametrize("recorded", RECORDED)
def test_what_was_really_streamed_says_the_same_when_it_was_kept(recorded: Recorded) -> None:
    chunks = [json.loads(each) for each in read_events(recorded.body)]
    body = completion_of(b"".join(map(event, chunks)) + DONE, [])
    again = [json.loads(each) for each in replay(body, wants_usage=True)]
    said = heard(chunks)
    assert heard(again) == said
    whole = chat_types.ChatCompletion.model_validate_json(body)
    message = whole.choices[0].message
    names = [(each.id, getattr(each, "function").arguments) for each in message.tool_calls or []]  # noqa: B009
    assert (message.content or "", names, whole.choices[0].finish_reason) == said[:3]


def heard(chunks: list[dict[str, Any]]) -> tuple[str, list[tuple[str, str]], str | None, int | None]:
    """Return text, calls, finish reason and output tokens, put together by hand."""
    text, reason, tokens = "", None, None
    calls: dict[int, tuple[str, str]] = {}
    for each in chunks:
        if usage := each.get("usage"):
            tokens = usage["completion_tokens"]
        for choice in each.get("choices") or ():
            delta = choice.get("delta") or {}
            text += delta.get("content") or ""
            reason = choice.get("finish_reason") or reason
            for call in delta.get("tool_calls") or ():
                known, arguments = calls.get(call["index"], ("", ""))
                function = call.get("function") or {}
                calls[call["index"]] = (call.get("id") or known, arguments + (function.get("arguments") or ""))
    return text, [calls[index] for index in sorted(calls)], reason, tokens


def read_events(body: bytes) -> list[bytes]:
    splitter = SseSplitter()
    return [each for each in [*splitter.feed(body), *splitter.finish()] if each != DONE_PAYLOAD]
