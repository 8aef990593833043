"""What Gemini says beside plain text, in OpenAI's words: plain and streamed alike."""

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.asking import USER
from tests.providers.gemini.exchange import CHAT, Heard, candidate, chat, failure, heard_in, heard_of, sent, sse, target
from tests.providers.hearing import feed

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
    UpstreamUnreachable,
)

HI = {"text": "Hi."}


def plain(answer: Any, **members: Any) -> Heard:
    (heard,) = heard_of(CHAT.read_response(chat(**members), json.dumps(answer).encode()).body)
    return heard


def streamed(*events: Any) -> Heard:
    return heard_in(feed(CHAT.stream_reader(chat(stream=True)), [sse(*events)]))[0]


def test_thoughts_are_reasoning() -> None:
    thought = {"text": "Hm.", "thought": True}
    heard = plain(candidate(thought, HI))
    assert (heard.text, heard.reasoning) == ("Hi.", "Hm.")
    heard = streamed(candidate(thought, finish=None), candidate(HI))
    assert (heard.text, heard.reasoning) == ("Hi.", "Hm.")


def test_a_stream_commits_at_the_first_thought() -> None:
    reader = CHAT.stream_reader(chat(stream=True))
    usage = {"modelVersion": "m", "usageMetadata": {"promptTokenCount": 3}}
    assert [event.is_content for event in reader.feed(sse(usage))] == [False]
    assert reader.feed(sse(candidate({"text": "Hm.", "thought": True}, finish=None)))[-1].is_content


def test_calls_have_ids_of_gemini_or_else_of_ours_and_their_signatures() -> None:
    parts: list[dict[str, Any]] = [
        {"functionCall": {"name": "weather", "args": {"place": "Rome"}, "id": "g1"}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "now"}},
    ]
    for heard in (plain(candidate(*parts)), streamed(candidate(parts[0], finish=None), candidate(parts[1]))):
        assert heard.functions == [("weather", {"place": "Rome"}), ("now", {})]
        assert [call["id"] for call in heard.calls] == ["g1", "call_0190_0_1"]
        assert [call.get("extra_content") for call in heard.calls] == [{"google": {"thought_signature": "c2ln"}}, None]
        assert heard.finish_reason == "tool_calls"


def test_the_signature_of_a_text_is_a_member_of_the_message_and_comes_back() -> None:
    heard = streamed(candidate(HI, finish=None), candidate({"text": "", "thoughtSignature": "c2ln"}))
    assert heard.members == {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    contents = sent(messages=[USER, heard.message, USER])["contents"]
    assert contents[1]["parts"] == [{"text": "Hi.", "thoughtSignature": "c2ln"}]


def test_images_that_the_model_made_are_members_of_the_message() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "YQ=="}}
    made = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,YQ=="}}]
    assert plain(candidate(image)).members == {"images": made}
    assert streamed(candidate(image)).members == {"images": made}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("OTHER", "content_filter"),
        ("A_NEW_ONE", "content_filter"),
    ],
)
def test_finish_reasons(theirs: str, ours: str) -> None:
    assert plain(candidate(HI, finish=theirs)).finish_reason == ours
    assert streamed(candidate(HI, finish=theirs)).finish_reason == ours


def test_a_candidate_without_content_is_told_by_its_finish_reason() -> None:
    answer = {"candidates": [{"finishReason": "SAFETY", "index": 0}]}
    assert plain(answer) == Heard(finish_reason="content_filter")
    assert streamed(answer) == Heard(finish_reason="content_filter")


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "PROHIBITED_CONTENT"])
def test_a_blocked_prompt_is_an_answer_that_says_so(reason: str) -> None:
    answer = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 4}}
    assert plain(answer) == Heard(finish_reason="content_filter")
    assert streamed(answer) == Heard(finish_reason="content_filter")


def test_a_malformed_call_is_a_failure_of_the_attempt() -> None:
    answer = candidate(finish="MALFORMED_FUNCTION_CALL")
    with pytest.raises(UpstreamInvalidResponse, match="MALFORMED_FUNCTION_CALL"):
        CHAT.read_response(chat(), json.dumps(answer).encode())
    events, error = failure([sse(candidate(HI, finish=None), answer)])
    assert isinstance(error, UpstreamInvalidResponse)
    assert heard_in(events)[0].text == "Hi."


@pytest.mark.parametrize("body", [b"{}", b"[]", b"", b"{", b'{"candidates": 5}', b"<html>", b'{"candidates": []}'])
def test_what_is_no_answer_is_rubbish(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        CHAT.read_response(chat(), body)


def test_several_candidates_are_choices() -> None:
    other = {"content": {"parts": [{"text": "Ho."}]}, "finishReason": "MAX_TOKENS", "index": 1}
    answer = candidate(HI)
    answer["candidates"] = [other, *answer["candidates"]]
    first, second = heard_of(CHAT.read_response(chat(), json.dumps(answer).encode()).body)
    assert [(each.text, each.finish_reason) for each in (first, second)] == [("Hi.", "stop"), ("Ho.", "length")]
    heard = heard_in(feed(CHAT.stream_reader(chat(stream=True)), [sse(answer)]))
    assert [(heard[at].text, heard[at].finish_reason) for at in (0, 1)] == [("Hi.", "stop"), ("Ho.", "length")]


def test_log_probabilities_are_in_openais_shape() -> None:
    chosen = {"token": "é", "logProbability": -0.5}
    result = {"chosenCandidates": [chosen], "topCandidates": [{"candidates": [chosen]}]}
    written = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    answer = candidate({"text": "é"}, logprobsResult=result)
    assert plain(answer).logprobs == [{**written, "top_logprobs": [written]}]
    assert streamed(answer).logprobs == [{**written, "top_logprobs": [written]}]


def test_sources_are_annotations_that_count_characters() -> None:
    text = "Café is good. Tea too."
    end = len("Café is good.".encode())
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
        "groundingSupports": [{"segment": {"endIndex": end}, "groundingChunkIndices": [0, 1, 7]}],
    }
    cited = {"citationSources": [{"startIndex": end + 1, "endIndex": len(text.encode()), "uri": "https://c.example"}]}

    def citation(url: str, title: str, start: int, end: int) -> dict[str, Any]:
        citation = {"url": url, "title": title, "start_index": start, "end_index": end}
        return {"type": "url_citation", "url_citation": citation}

    annotations = [
        citation("https://a.example", "A", 0, 13),
        citation("https://b.example", "https://b.example", 0, 13),
        citation("https://c.example", "https://c.example", 14, 22),
    ]
    answer = candidate({"text": text}, groundingMetadata=grounding, citationMetadata=cited)
    assert plain(answer).members == {"annotations": annotations}
    later = candidate({"text": text[3:]}, groundingMetadata=grounding, citationMetadata=cited)
    assert streamed(candidate({"text": text[:3]}, finish=None), later).members == {"annotations": annotations}
    del grounding["groundingSupports"]
    assert len(plain(candidate({"text": text}, groundingMetadata=grounding)).members["annotations"]) == 2


def test_usage_counts_thoughts_and_tells_what_was_cached_and_heard() -> None:
    usage = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 10,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5,
        "cachedContentTokenCount": 60,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 40}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 7}],
    }
    answer = CHAT.read_response(chat(), json.dumps({**candidate(HI), "usageMetadata": usage}).encode())
    assert answer.units == {
        "input_tokens": 110,
        "output_tokens": 25,
        "cached_tokens": 60,
        "reasoning_tokens": 5,
        "input_audio_tokens": 40,
        "output_audio_tokens": 7,
    }
    told = json.loads(answer.body)["usage"]
    assert told["completion_tokens_details"]["reasoning_tokens"] == 5
    assert (told["prompt_tokens"], told["completion_tokens"], told["total_tokens"]) == (110, 25, 135)


@pytest.mark.parametrize("usage", [None, {}, {"promptTokenCount": -1}, {"promptTokenCount": "9"}, []])
def test_incredible_usage_is_none(usage: Any) -> None:
    answer = CHAT.read_response(chat(), json.dumps({**candidate(HI), "usageMetadata": usage}).encode())
    assert answer.units is None
    assert answer.output_text == "Hi."


def test_the_last_usage_of_a_stream_counts_and_is_told_to_who_asked() -> None:
    events = [
        {**candidate(HI, finish=None), "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}},
        {**candidate(HI), "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}},
    ]
    reader = CHAT.stream_reader(chat(stream=True, stream_options={"include_usage": True}))
    last = json.loads(feed(reader, [sse(*events)])[-1].payload)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)
    assert reader.units == {"input_tokens": 3, "output_tokens": 2}


def test_a_fence_around_json_is_taken_off() -> None:
    fenced = candidate({"text": '```json\n{"a": 1}\n```'})
    format_ = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert plain(fenced, response_format=format_).text == '{"a": 1}'
    assert plain(fenced).text.startswith("```")


def test_a_stream_without_a_finish_reason_is_not_whole() -> None:
    events, error = failure([sse(candidate(HI, finish=None))])
    assert isinstance(error, UpstreamUnreachable)
    assert heard_in(events)[0].text == "Hi."


STATUS = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("error", [STATUS, [STATUS]])
def test_an_error_in_a_stream_comes_after_what_was_said(error: Any) -> None:
    events, raised = failure([sse(candidate(HI, finish=None), error)])
    assert isinstance(raised, UpstreamOverloaded)
    assert heard_in(events)[0].text == "Hi."


def status(code: int, name: str, message: str = "No.", *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"code": code, "status": name, "message": message, "details": details}}).encode()


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (400, status(400, "FAILED_PRECONDITION"), UpstreamUnauthorized),
        (400, status(400, "INVALID_ARGUMENT"), UpstreamRejected),
        (400, status(400, "INVALID_ARGUMENT", "No.", {"reason": "API_KEY_INVALID"}), UpstreamUnauthorized),
        (401, status(401, "UNAUTHENTICATED"), UpstreamUnauthorized),
        (403, status(403, "PERMISSION_DENIED"), UpstreamUnauthorized),
        (403, status(403, "PERMISSION_DENIED", "No.", {"reason": "BILLING_DISABLED"}), UpstreamNoCredit),
        (404, status(404, "NOT_FOUND"), UpstreamModelMissing),
        (413, b"", UpstreamRejected),
        (429, status(429, "RESOURCE_EXHAUSTED"), UpstreamRateLimited),
        (429, b"[" + status(429, "RESOURCE_EXHAUSTED") + b"]", UpstreamRateLimited),
        (499, status(499, "CANCELLED"), UpstreamServerError),
        (500, status(500, "INTERNAL"), UpstreamServerError),
        (503, b"<html>", UpstreamOverloaded),
        (504, status(504, "DEADLINE_EXCEEDED"), UpstreamTimeout),
        (200, b"{}", UpstreamInvalidResponse),
        (200, status(429, "RESOURCE_EXHAUSTED"), UpstreamRateLimited),
        (200, b'[{"error": {"status": "INTERNAL", "message": "m"}}]', UpstreamServerError),
    ],
)
def test_errors_are_classified_by_status_and_reason(code: int, body: bytes, kind: type[UpstreamError]) -> None:
    assert type(CHAT.read_error(code, (), body)) is kind


def test_how_long_to_wait_is_read_from_the_detail_before_the_header() -> None:
    body = status(429, "RESOURCE_EXHAUSTED", "m", {"@type": "…/google.rpc.RetryInfo", "retryDelay": "12.5s"})
    assert CHAT.read_error(429, ((b"retry-after", b"3"),), body).retry_after_seconds == 12.5
    assert CHAT.read_error(429, ((b"retry-after", b"3"),), b"").retry_after_seconds == 3


@pytest.mark.parametrize(
    "message",
    [
        "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).",
        "The input token count exceeds the maximum number of tokens allowed 1048576.",
        "Unable to submit request because the input token count is 1250074 but model only supports up to 1048576.",
    ],
)
def test_a_context_overflow_is_known_by_its_words(message: str) -> None:
    error = CHAT.read_error(400, (), status(400, "INVALID_ARGUMENT", message))
    assert isinstance(error, UpstreamRejected)
    assert error.rejection.code == "context_length_exceeded"
    other = CHAT.read_error(400, (), status(400, "INVALID_ARGUMENT", f"He said: {message}"))
    assert isinstance(other, UpstreamRejected)
    assert other.rejection.code == "invalid_argument"


PARTS = st.one_of(
    st.builds(lambda text: {"text": text}, st.text(max_size=20)),
    st.builds(lambda text: {"text": text, "thought": True}, st.text(max_size=20)),
    st.builds(
        lambda name, args, signature: (
            {"functionCall": {"name": name, "args": args}} | ({"thoughtSignature": signature} if signature else {})
        ),
        st.sampled_from(["weather", "now"]),
        st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3),
        st.sampled_from([None, "c2ln"]),
    ),
)


@given(
    parts=st.lists(PARTS, max_size=6),
    finish=st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY"]),
    cuts=st.lists(st.integers(0, 6), max_size=3),
)
def test_a_stream_says_what_the_same_answer_does_plain_and_makes_a_next_turn(
    parts: list[dict[str, Any]], finish: str, cuts: list[int]
) -> None:
    heard = plain(candidate(*parts, finish=finish))
    at = sorted({0, len(parts), *(cut for cut in cuts if cut <= len(parts))})
    events = [candidate(*parts[start:end], finish=None) for start, end in itertools.pairwise(at)]
    assert streamed(*events, candidate(finish=finish)) == heard
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "15"} for call in heard.calls]
    said = heard.message if heard.text or heard.calls else {**heard.message, "content": ""}
    for model in ("gemini-3.8-flash", "gemini-2.5-flash"):
        contents = sent(model, messages=[USER, said, *results, USER])["contents"]
        calls = [part["functionCall"] for turn in contents for part in turn["parts"] if "functionCall" in part]
        assert [(call["name"], call["args"]) for call in calls] == heard.functions
    assert CHAT.dropped(chat(), target()) == ()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = st.sampled_from(
    [
        ("candidates",),
        ("candidates", 0),
        ("candidates", 0, "index"),
        ("candidates", 0, "finishReason"),
        ("candidates", 0, "content"),
        ("candidates", 0, "content", "parts"),
        ("candidates", 0, "content", "parts", 0),
        ("candidates", 0, "content", "parts", 0, "text"),
        ("candidates", 0, "content", "parts", 0, "thoughtSignature"),
        ("candidates", 0, "content", "parts", 0, "inlineData"),
        ("candidates", 0, "content", "parts", 1, "functionCall"),
        ("candidates", 0, "content", "parts", 1, "functionCall", "args"),
        ("candidates", 0, "logprobsResult"),
        ("candidates", 0, "groundingMetadata"),
        ("candidates", 0, "citationMetadata"),
        ("promptFeedback",),
        ("usageMetadata",),
        ("usageMetadata", "promptTokensDetails"),
        ("modelVersion",),
        ("error",),
    ]
)


@given(place=PLACES, value=JSON_VALUES)
def test_whatever_an_upstream_sends_is_an_answer_or_a_failure_of_its_own(place: tuple[Any, ...], value: Any) -> None:
    answer: Any = candidate({"text": "Hi."}, {"functionCall": {"name": "now", "args": {}}})
    answer["usageMetadata"] = {"promptTokenCount": 1}
    holder = answer
    for name in place[:-1]:
        holder = holder[name]
    holder[place[-1]] = value
    body = json.dumps(answer).encode()
    for read in (
        lambda: CHAT.read_response(chat(), body),
        lambda: feed(CHAT.stream_reader(chat(stream=True)), [sse(answer)]),
    ):
        with contextlib.suppress(UpstreamError):
            read()
    assert isinstance(CHAT.read_error(429, (), body), UpstreamRateLimited)


@given(data=st.binary(max_size=60))
def test_whatever_bytes_an_upstream_sends_are_read(data: bytes) -> None:
    for read in (
        lambda: CHAT.read_response(chat(), data),
        lambda: feed(CHAT.stream_reader(chat(stream=True)), [b"data: " + data + b"\n\n"]),
    ):
        with contextlib.suppress(UpstreamError):
            read()
    CHAT.read_error(500, (), data)
