"""What Cohere says beside plain text, in OpenAI's words: plain and streamed alike."""

import json
from typing import Any

import pytest
from tests.providers.cohere.asking import CHAT, START, chat, end, message_delta, sse
from tests.providers.hearing import Heard, failure, feed, heard_in, heard_of

from aqueduct.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamNoCredit,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnauthorized,
)

HI = {"type": "text", "text": "Hi."}
SOURCE = {"type": "document", "id": "d1", "document": {"title": "Page", "url": "https://a.example/p"}}


def answer(*content: Any, reason: str = "COMPLETE", **members: Any) -> bytes:
    message = {"role": "assistant", "content": list(content), **members.pop("message", {})}
    return json.dumps({"id": "1", "message": message, "finish_reason": reason, **members}).encode()


def plain(*content: Any, **members: Any) -> Heard:
    return heard_of(CHAT.read_response(chat(), answer(*content, **members)).body)


def streamed(*events: dict[str, Any]) -> Heard:
    return heard_in(feed(CHAT.stream_reader(chat(stream=True)), [sse(START, *events)]))


def broken(*events: dict[str, Any]) -> UpstreamError:
    return failure(CHAT.stream_reader(chat(stream=True)), [sse(START, *events)])


def text_delta(text: str, index: int = 0) -> dict[str, Any]:
    return message_delta("content-delta", index, content={"text": text})


def test_thoughts_are_reasoning() -> None:
    heard = plain({"type": "thinking", "thinking": "Hm."}, HI)
    assert (heard.text, heard.reasoning, heard.finish_reason) == ("Hi.", "Hm.", "stop")
    heard = streamed(
        message_delta("content-start", 0, content={"type": "thinking", "thinking": ""}),
        message_delta("content-delta", 0, content={"thinking": "Hm."}),
        message_delta("content-start", 1, content={"type": "text", "text": ""}),
        text_delta("Hi.", 1),
        end(),
    )
    assert (heard.text, heard.reasoning, heard.finish_reason) == ("Hi.", "Hm.", "stop")


def test_citations_are_annotations_of_the_whole_text() -> None:
    citation = {"start": 0, "end": 2, "text": "Hi", "sources": [SOURCE], "content_index": 1, "type": "TEXT_CONTENT"}
    first = {"type": "text", "text": "Well. "}
    cited = {"url": "https://a.example/p", "title": "Page", "start_index": 6, "end_index": 8}
    expected = [{"type": "url_citation", "url_citation": cited}]
    assert plain(first, HI, message={"citations": [citation]}).annotations == expected
    heard = streamed(
        text_delta("Well. "), text_delta("Hi.", 1), message_delta("citation-start", citations=citation), end()
    )
    assert heard.annotations == expected


def test_what_is_cited_in_a_plan_is_no_part_of_the_text() -> None:
    citation = {"start": 0, "end": 2, "text": "Hi", "sources": [SOURCE], "type": "PLAN"}
    assert plain(HI, message={"citations": [citation]}).annotations == []


def test_parallel_calls_of_a_stream_are_told_apart() -> None:
    def begin(index: int, name: str) -> dict[str, Any]:
        call = {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        return message_delta("tool-call-start", index, tool_calls=call)

    heard = streamed(
        begin(0, "now"),
        {"type": "tool-call-end", "index": 0},
        begin(1, "weather"),
        message_delta("tool-call-delta", 1, tool_calls={"function": {"arguments": '{"place":'}}),
        message_delta("tool-call-delta", 1, tool_calls={"function": {"arguments": '"Ulm"}'}}),
        {"type": "tool-call-end", "index": 1},
        end("TOOL_CALL"),
    )
    assert heard.functions == [("now", {}), ("weather", {"place": "Ulm"})]
    assert heard.finish_reason == "tool_calls"


def test_log_probabilities_are_told_piece_by_piece() -> None:
    item = {"text": "Hi.", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}
    expected = [{"token": "Hi.", "logprob": -0.75, "bytes": [72, 105, 46], "top_logprobs": []}]
    assert plain(HI, logprobs=[item]).logprobs == expected
    assert streamed({**text_delta("Hi."), "logprobs": item}, end()).logprobs == expected


@pytest.mark.parametrize(
    ("reason", "told"),
    [("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("ERROR_LIMIT", "length"), ("ERROR_TOXIC", "content_filter")],
)
def test_finish_reasons(reason: str, told: str) -> None:
    assert plain(HI, reason=reason).finish_reason == told
    assert streamed(text_delta("Hi."), end(reason)).finish_reason == told


@pytest.mark.parametrize(("reason", "kind"), [("ERROR", UpstreamServerError), ("TIMEOUT", UpstreamTimeout)])
def test_an_answer_that_failed_is_an_error(reason: str, kind: type[UpstreamError]) -> None:
    with pytest.raises(kind):
        plain(HI, reason=reason)
    assert isinstance(broken(text_delta("Hi."), end(reason)), kind)


def test_an_error_at_the_end_of_a_stream() -> None:
    assert isinstance(broken(text_delta("Hi."), end("ERROR", error="oh")), UpstreamServerError)
    overflow = broken(end("ERROR", error="too many tokens: size limit exceeded by 3 tokens."))
    assert isinstance(overflow, UpstreamRejected)
    assert overflow.rejection.code == "context_length_exceeded"


def test_usage_is_what_is_billed_or_else_what_was_used() -> None:
    tokens = {"tokens": {"input_tokens": 500, "output_tokens": 9}, "cached_tokens": 400}
    billed = {"billed_units": {"input_tokens": 7, "output_tokens": 3}}
    assert CHAT.read_response(chat(), answer(HI, usage={**billed, **tokens})).units == {
        "input_tokens": 7,
        "output_tokens": 3,
    }
    assert CHAT.read_response(chat(), answer(HI, usage=tokens)).units == {
        "input_tokens": 500,
        "output_tokens": 9,
        "cached_tokens": 400,
    }
    silent = CHAT.read_response(chat(), answer(HI))
    assert (silent.units, silent.output_text) == (None, "Hi.")


def test_a_stream_commits_at_the_first_piece_of_a_plan() -> None:
    reader = CHAT.stream_reader(chat(stream=True))
    assert not any(event.is_content for event in reader.feed(sse(START)))
    (event,) = reader.feed(sse(message_delta("tool-plan-delta", tool_plan="I")))
    assert event.is_content


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"message": 1, "finish_reason": "COMPLETE"}', b"\xff"])
def test_rubbish_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        CHAT.read_response(chat(), body)
    reader = CHAT.stream_reader(chat(stream=True))
    assert isinstance(failure(reader, [b"data: [1]\n\n"]), UpstreamInvalidResponse)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UpstreamUnauthorized),
        (402, UpstreamNoCredit),
        (403, UpstreamUnauthorized),
        (404, UpstreamModelMissing),
        (429, UpstreamRateLimited),
        (499, UpstreamInvalidResponse),
        (500, UpstreamServerError),
        (503, UpstreamOverloaded),
        (504, UpstreamTimeout),
        (200, UpstreamInvalidResponse),
    ],
)
def test_errors_by_status(status: int, kind: type[UpstreamError]) -> None:
    error = CHAT.read_error(status, ((b"retry-after", b"7"),), b'{"id": "1", "message": "oh"}')
    assert type(error) is kind
    if status == 429:
        assert error.retry_after_seconds == 7


def test_a_word_on_a_deny_list_is_a_refusal_by_policy() -> None:
    error = CHAT.read_error(498, (), b'{"message": "deny-listed"}')
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.status, error.rejection.code) == (400, "content_filter")


def test_a_refusal_keeps_cohere_s_words() -> None:
    error = CHAT.read_error(422, (), b'{"message": "invalid k", "error_type": "BAD_K"}')
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.status, error.rejection.message, error.rejection.code) == (422, "invalid k", "bad_k")
