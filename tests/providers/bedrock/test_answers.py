"""What a client reads of answers and errors, whole and streamed alike."""

import json
from typing import Any

import pytest
from tests.providers.anthropic.asking import streamed_message
from tests.providers.bedrock.asking import (
    CHAT,
    event,
    exception,
    framed,
    plain,
    plain_message,
    read_stream,
    streamed,
    whole,
)

from aqueduct.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamUnauthorized,
)

THOUGHT = {"reasoningContent": {"reasoningText": {"text": "Hm, so.", "signature": "s1"}}}
HIDDEN = {"reasoningContent": {"redactedContent": "aGlkZGVu"}}
USE = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}
EMPTY_USE = {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}}
CITED = {
    "citationsContent": {
        "content": [{"text": "It is blue."}],
        "citations": [
            {
                "title": "Sky",
                "sourceContent": [{"text": "blue"}],
                "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}},
            },
            {"title": "Web", "location": {"web": {"url": "https://a.example/", "domain": "a.example"}}},
        ],
    }
}


def both(*blocks: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return the message that comes of an answer, whole and streamed: they must be the same."""
    message = plain_message(whole(*blocks, **members))
    _, chunks = read_stream([streamed(*blocks, **members)])
    put_together = streamed_message(chunks)
    for name in ("content", "refusal"):
        put_together[name] = put_together.get(name) or None
        message[name] = message[name] or None
    assert put_together == message
    return message


def test_reasoning_comes_with_what_must_be_sent_back() -> None:
    message = both(THOUGHT, HIDDEN, {"text": "Yes."})
    assert message["reasoning_content"] == "Hm, so."
    assert [
        (each["type"], each["id"], each.get("signature"), each.get("data")) for each in message["reasoning_details"]
    ] == [
        ("reasoning.text", "block-0", "s1", None),
        ("reasoning.encrypted", "block-1", None, "aGlkZGVu"),
    ]


def test_reasoning_without_a_signature_is_only_read() -> None:
    message = both({"reasoningContent": {"reasoningText": {"text": "Hm, so.", "signature": ""}}}, {"text": "Yes."})
    assert message["reasoning_content"] == "Hm, so."
    assert "reasoning_details" not in message


def test_calls_come_in_parallel_and_without_arguments_as_an_empty_object() -> None:
    message = both({"text": "Well"}, USE, EMPTY_USE, stop_reason="tool_use")
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message["tool_calls"]
    ]
    assert calls == [("t1", "f", {"a": 1}), ("t2", "g", {})]


def test_citations_are_annotations_of_the_text_they_belong_to() -> None:
    message = both({"text": "Well. "}, CITED)
    assert message["content"] == "Well. It is blue."
    file, web = message["annotations"]
    assert file["file_citation"] == {
        "start_page_number": 1,
        "end_page_number": 2,
        "cited_text": "blue",
        "document_index": 0,
        "filename": "Sky",
        "start_index": 6,
        "end_index": 17,
    }
    assert web["url_citation"] == {"url": "https://a.example/", "title": "Web", "start_index": 6, "end_index": 17}


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_reasons_to_stop(stop_reason: str, finish_reason: str) -> None:
    assert plain(whole({"text": "x"}, stop_reason=stop_reason)).finish_reason == finish_reason
    assert read_stream([streamed({"text": "x"}, stop_reason=stop_reason)])[0].finish_reason == finish_reason


def test_what_the_model_got_wrong_is_asked_for_again() -> None:
    for reason in ("malformed_model_output", "malformed_tool_use"):
        with pytest.raises(UpstreamInvalidResponse):
            plain(whole({"text": "x"}, stop_reason=reason))
        with pytest.raises(UpstreamInvalidResponse):
            read_stream([streamed({"text": "x"}, stop_reason=reason)])


def test_usage_counts_the_cache_within_the_input() -> None:
    usage = {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 7}
    expected = {"input_tokens": 15, "output_tokens": 2, "cached_tokens": 5, "cache_write_tokens": 7}
    assert plain(whole({"text": "x"}, usage=usage)).units == expected
    assert read_stream([streamed({"text": "x"}, usage=usage)])[0].units == expected
    assert plain(whole({"text": "x"}, usage={"inputTokens": -1, "outputTokens": 2})).units is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"output":{}}', b'{"output":{"message":{"content":[]}}}', b"\xff"]
)
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        plain(body)


@pytest.mark.parametrize(
    ("status", "kind", "message", "error"),
    [
        (429, "ThrottlingException", "Too many requests", UpstreamRateLimited),
        (429, "ModelNotReadyException", "not ready", UpstreamOverloaded),
        (400, "ServiceQuotaExceededException", "quota", UpstreamRateLimited),
        (403, "AccessDeniedException", "You don't have access", UpstreamUnauthorized),
        (404, "ResourceNotFoundException", "no such", UpstreamModelMissing),
        (400, "ValidationException", "The provided model identifier is invalid.", UpstreamModelMissing),
        (408, "ModelTimeoutException", "slow", UpstreamOverloaded),
        (424, "ModelErrorException", "model", UpstreamServerError),
        (500, "InternalServerException", "oops", UpstreamServerError),
        (503, "ServiceUnavailableException", "later", UpstreamOverloaded),
        (400, "ValidationException", "messages: bad", UpstreamRejected),
        (418, "", "teapot", UpstreamInvalidResponse),
        (502, "", "<html>", UpstreamServerError),
    ],
)
def test_errors_by_their_name_in_a_header_in_the_body_and_in_a_stream(
    status: int, kind: str, message: str, error: type[UpstreamError]
) -> None:
    said = json.dumps({"message": message}).encode()
    header = (b"x-amzn-errortype", f"{kind}:http://internal.amazon.com/".encode())
    found = CHAT.read_error(status, (header, (b"retry-after", b"2")) if kind else (), said)
    assert (type(found), found.status) == (error, status)
    if not kind:
        return
    named = json.dumps({"Message": message, "__type": f"com.amazon#{kind}"}).encode()
    assert type(CHAT.read_error(status, (), named)) is error
    begun = event("messageStart", role="assistant")
    with pytest.raises(error):
        read_stream([begun + exception(kind[:1].lower() + kind[1:], message)])


@pytest.mark.parametrize(
    "message",
    [
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds.",
        "The model returned the following errors: prompt is too long: 200049 tokens > 200000 maximum",
        "Input is too long for requested model.",
    ],
)
def test_a_context_that_is_too_long_is_told_apart(message: str) -> None:
    found = CHAT.read_error(
        400, ((b"x-amzn-errortype", b"ValidationException"),), json.dumps({"message": message}).encode()
    )
    assert isinstance(found, UpstreamRejected)
    assert found.rejection.code == "context_length_exceeded"


def test_an_error_without_a_model_and_rubbish_in_a_stream() -> None:
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "oops"}
    with pytest.raises(UpstreamServerError):
        read_stream([framed(headers, b"")])
    with pytest.raises(UpstreamInvalidResponse):
        read_stream([framed({":message-type": "event", ":event-type": "messageStart"}, b"{")])
    with pytest.raises(UpstreamInvalidResponse):
        read_stream([event("contentBlockDelta", contentBlockIndex=0, delta={"text": "x"})])


def test_events_unknown_here_are_passed_over_and_what_comes_after_the_end_too() -> None:
    body = event("somethingNew", a=1) + streamed({"text": "Hi"}) + b"rest"
    reader, chunks = read_stream([body])
    assert streamed_message(chunks)["content"] == "Hi"
    assert reader.is_done
