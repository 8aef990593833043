"""What Ollama says, in OpenAI's words: plain, and streamed in lines cut anywhere.

All recordings of Ollama are of its compatible endpoint, which is not this protocol; only their errors' wording is used.
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.asking import USER
from tests.providers.hearing import Heard, failure, feed, heard_in, heard_of
from tests.providers.ollama.asking import CHAT, chat, checked, last, line, ndjson, target
from tests.recordings import Recorded, cuts, exchanges

from aqueduct.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)

CALLS = [
    {"function": {"name": "weather", "arguments": {"place": "Zürich"}}},
    {"id": "call_x", "function": {"index": 1, "name": "now", "arguments": {}}},
]
STREAM = ndjson(
    line(thinking="Hm, "),
    line(thinking="well."),
    line("Grüße "),
    line("an \u2028 alle."),
    line(tool_calls=CALLS[:1]),
    line(tool_calls=CALLS[1:]),
    last(),
)


def plain(answer: dict[str, Any]) -> Heard:
    return heard_of(CHAT.read_response(chat(), json.dumps(answer).encode()).body)


def streamed(*lines: dict[str, Any]) -> Heard:
    return heard_in(feed(CHAT.stream_reader(chat(stream=True)), [ndjson(*lines)]))


def broken(*lines: dict[str, Any]) -> UpstreamError:
    return failure(CHAT.stream_reader(chat(stream=True)), [ndjson(*lines)])


@given(cuts(STREAM))
def test_a_stream_cut_anywhere_says_the_same(pieces: list[bytes]) -> None:
    reader = CHAT.stream_reader(chat(stream=True))
    heard = heard_in(feed(reader, pieces))
    assert (heard.text, heard.reasoning) == ("Grüße an \u2028 alle.", "Hm, well.")
    assert heard.functions == [("weather", {"place": "Zürich"}), ("now", {})]
    assert [call["id"] for call in heard.calls] == ["call_0190_0", "call_x"]
    assert heard.finish_reason == "tool_calls"
    assert (reader.units, reader.response_model) == ({"input_tokens": 26, "output_tokens": 12}, "qwen3")


@given(st.integers(0, STREAM.rindex(b"\n", 0, -1)))
@settings(max_examples=50)
def test_a_stream_that_breaks_off_is_not_whole(cut: int) -> None:
    error = failure(CHAT.stream_reader(chat(stream=True)), [STREAM[:cut]])
    assert isinstance(error, UpstreamUnreachable | UpstreamInvalidResponse)


def test_a_whole_answer_says_what_a_stream_does() -> None:
    heard = plain(last("stop", "Hi.", thinking="Hm.", tool_calls=CALLS))
    assert (heard.text, heard.reasoning, heard.finish_reason) == ("Hi.", "Hm.", "tool_calls")
    assert [call["id"] for call in heard.calls] == ["call_0190_0", "call_x"]


def test_an_answer_sent_back_with_results_is_a_valid_next_turn() -> None:
    heard = plain(last("stop", "", thinking="Hm.", tool_calls=CALLS))
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in heard.calls]
    body = checked(chat(messages=[USER, heard.message, *results]), target())
    said = body["messages"][1]
    assert said["thinking"] == "Hm."
    assert [call["function"]["arguments"] for call in said["tool_calls"]] == [{"place": "Zürich"}, {}]
    assert [each["tool_name"] for each in body["messages"][2:]] == ["weather", "now"]
    checked(chat(messages=[USER, plain(last()).message, USER]), target())


@pytest.mark.parametrize(("reason", "told"), [("stop", "stop"), ("length", "length"), (None, "stop")])
def test_finish_reasons(reason: str | None, told: str) -> None:
    assert plain(last(reason, "Hi.")).finish_reason == told
    assert streamed(line("Hi."), last(reason)).finish_reason == told


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_a_model_that_was_only_loaded_has_given_no_answer(reason: str) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        plain(last(reason))
    assert isinstance(broken(last(reason)), UpstreamInvalidResponse)


def test_log_probabilities_have_their_alternatives() -> None:
    said = [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -1.5}]}]
    other = {"token": "Ho", "logprob": -1.5, "bytes": [72, 111]}
    expected = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [other]}]
    assert plain(last("stop", "Hi", logprobs=said)).logprobs == expected
    assert streamed(line("Hi", logprobs=said), last()).logprobs == expected


def test_usage_is_what_ollama_counted_or_nothing() -> None:
    def units(**counts: Any) -> Any:
        return CHAT.read_response(chat(), json.dumps({**last("stop", "Hi."), **counts}).encode()).units

    assert units() == {"input_tokens": 26, "output_tokens": 12}
    assert units(prompt_eval_cached_count=20)["cached_tokens"] == 20
    assert units(eval_count=None) == {"input_tokens": 26, "output_tokens": 0}
    assert units(prompt_eval_count=None) is None


def test_an_error_in_the_middle_of_a_stream_is_an_error() -> None:
    assert isinstance(broken(line("Hi"), {"error": "model runner has unexpectedly stopped"}), UpstreamServerError)
    assert isinstance(broken({"error": {"message": "odd"}}), UpstreamServerError)
    overflow = broken(line("Hi"), {"error": "the prompt is longer than the context length currently available"})
    assert isinstance(overflow, UpstreamRejected)
    assert overflow.rejection.code == "context_length_exceeded"


@pytest.mark.parametrize(
    "text",
    [
        "the prompt is longer than the context length currently available to the model; shorten the prompt",
        "the input length exceeds the context length",
        '{"error":{"code":400,"message":"request (33000 tokens) exceeds the available context size (32768 tokens)"}}',
    ],
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_context_overflow_is_told_whoever_words_it(text: str, status: int) -> None:
    error = CHAT.read_error(status, (), json.dumps({"error": text}).encode())
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.status, error.rejection.code) == (400, "context_length_exceeded")
    assert error.rejection.param == "messages"


@pytest.mark.parametrize("exchange", exchanges("ollama", where=lambda each: each.status != 200))
def test_the_recorded_wordings_are_known(exchange: Recorded) -> None:
    text = json.loads(exchange.body)["error"]["message"]
    for body in (exchange.body, json.dumps({"error": text}).encode()):
        error = CHAT.read_error(exchange.status, (), body)
        if exchange.status == 401:
            assert isinstance(error, UpstreamUnauthorized)
        else:
            assert isinstance(error, UpstreamRejected)
            assert error.rejection.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ('"qwen2.5:7b" does not support thinking', "reasoning_effort"),
        ("registry.ollama.ai/library/gemma:2b does not support tools", "tools"),
        ("invalid options", None),
    ],
)
def test_what_a_model_cannot_do_names_the_parameter(text: str, param: str | None) -> None:
    error = CHAT.read_error(400, (), json.dumps({"error": text}).encode())
    assert isinstance(error, UpstreamRejected)
    assert error.rejection.param == param


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UpstreamUnauthorized),
        (404, UpstreamModelMissing),
        (429, UpstreamRateLimited),
        (500, UpstreamServerError),
        (502, UpstreamServerError),
        (503, UpstreamOverloaded),
        (200, UpstreamServerError),
    ],
)
def test_errors_by_status(status: int, kind: type[UpstreamError]) -> None:
    assert type(CHAT.read_error(status, (), b'{"error": "oh"}')) is kind
    assert type(CHAT.read_error(200, (), b"<html>")) is UpstreamInvalidResponse


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"message": 1}', b'{"message": {}, "done": false}', b"\xff"])
def test_rubbish_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        CHAT.read_response(chat(), body)
    assert isinstance(failure(CHAT.stream_reader(chat(stream=True)), [b"<html>\n"]), UpstreamInvalidResponse)
