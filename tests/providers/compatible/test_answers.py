"""What a client reads of services that speak OpenAI's format with quirks: OpenAI's, whatever they write."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.asking import asked
from tests.providers.compatible.asking import chat, chunk, events, read_stream
from tests.recordings import cuts

from aqueduct.errors import UpstreamError
from aqueduct.providers.compatible.quirks import UsageReport
from aqueduct.providers.compatible.rows import QUIRKS

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
HI = chunk({"role": "assistant", "content": "hi"})
STOP = chunk({}, "stop")
WANTED = {"stream_options": {"include_usage": True}}


def plain(kind: str, message: dict[str, Any], usage: dict[str, Any] = USAGE) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return json.dumps({"id": "c", "model": "m-1", "choices": [choice], "usage": usage}).encode()


@pytest.mark.parametrize("kind", QUIRKS)
def test_an_answer_without_quirks_keeps_its_bytes(kind: str) -> None:
    body = plain(kind, {"content": "a  \u00e9 <b>"})
    assert chat(kind).read_response(asked(), body).body == body
    _, payloads = read_stream(kind, [events(HI, STOP)])
    assert payloads == [json.dumps(HI).encode(), json.dumps(STOP).encode()]


APART = [HI, STOP, {**STOP, "choices": [], "usage": USAGE}]
STREAMS = {
    UsageReport.APART: [APART],
    UsageReport.LAST_CHUNK: [APART, [HI, {**STOP, "usage": USAGE}]],
    UsageReport.EVERY_CHUNK: [
        APART,
        [{**HI, "usage": {**USAGE, "completion_tokens": 1, "total_tokens": 4}}, {**STOP, "usage": USAGE}],
    ],
    UsageReport.X_GROQ: [APART, [HI, {**STOP, "x_groq": {"id": "r", "usage": USAGE}}]],
}


@pytest.mark.parametrize(
    ("kind", "stream"), [(kind, stream) for kind, quirks in QUIRKS.items() for stream in STREAMS[quirks.usage]]
)
def test_usage_comes_once_at_the_end_and_only_to_who_asked(kind: str, stream: list[dict[str, Any]]) -> None:
    reader, payloads = read_stream(kind, [events(*stream)])
    assert reader.units == {"input_tokens": 3, "output_tokens": 2}
    assert all("usage" not in json.loads(payload) for payload in payloads)
    _, payloads = read_stream(kind, [events(*stream)], **WANTED)
    *others, last = [json.loads(payload) for payload in payloads]
    assert (last["choices"], last["usage"], last["id"], last["model"]) == ([], USAGE, "c", "m-1")
    assert not any(other.get("usage") for other in others)


def test_the_usage_of_a_stream_that_ends_without_done_is_reported_too() -> None:
    body = events(HI, {**STOP, "usage": USAGE}).removesuffix(b"data: [DONE]\n\n")
    _, payloads = read_stream("perplexity", [body], **WANTED)
    assert json.loads(payloads[-1])["usage"] == USAGE


def test_tokens_of_reasoning_are_among_those_of_the_completion() -> None:
    usage = {**USAGE, "total_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 7}}
    answer = chat("xai").read_response(asked(), plain("xai", {"content": "hi"}, usage))
    assert answer.units == {"input_tokens": 3, "output_tokens": 9, "reasoning_tokens": 7}
    assert json.loads(answer.body)["usage"]["completion_tokens"] == 9
    reader, payloads = read_stream("xai", [events(HI, {**STOP, "usage": usage})], **WANTED)
    assert (reader.units, json.loads(payloads[-1])["usage"]["completion_tokens"]) == (answer.units, 9)
    already = {**usage, "completion_tokens": 9}
    assert chat("xai").read_response(asked(), plain("xai", {"content": "hi"}, already)).units == answer.units


@pytest.mark.parametrize("kind", [kind for kind, quirks in QUIRKS.items() if quirks.reasoning.name == "REASONING"])
def test_reasoning_is_read_as_reasoning_content(kind: str) -> None:
    answer = chat(kind).read_response(asked(), plain(kind, {"content": "4", "reasoning": "2+2"}))
    message = json.loads(answer.body)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "4", "reasoning_content": "2+2"}
    thought = chunk({"content": "", "reasoning": '"reasoning":'})
    _, payloads = read_stream(kind, [events(thought, HI, STOP)])
    assert json.loads(payloads[0])["choices"][0]["delta"] == {"content": "", "reasoning_content": '"reasoning":'}
    assert payloads[1] == json.dumps(HI).encode()


def test_content_in_parts_becomes_text_and_thoughts() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}
    answer = chat("mistral").read_response(
        asked(), plain("mistral", {"content": [thinking, {"type": "text", "text": "4"}]})
    )
    message = json.loads(answer.body)["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"], answer.contents) == ("4", "2+2", {0: "4"})
    reader, payloads = read_stream("mistral", [events(chunk({"content": [thinking]}), HI, STOP)])
    assert json.loads(payloads[0])["choices"][0]["delta"] == {"content": "", "reasoning_content": "2+2"}
    assert reader.contents() == {0: "hi"}


def told(payloads: list[bytes]) -> tuple[str, str]:
    deltas = [choice["delta"] for payload in payloads for choice in json.loads(payload)["choices"]]
    return tuple("".join(delta.get(name) or "" for delta in deltas) for name in ("reasoning_content", "content"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("text", "thoughts", "content"),
    [
        ("<think>a < b</think>\n\n{}", "a < b", "{}"),
        ("\n<think></thin</think>x</think>", "</thin", "x</think>"),
        ("<think>never ends</thi", "never ends</thi", ""),
        ("about <think>tags</think>", "", "about <think>tags</think>"),
        ("<thin", "", "<thin"),
        ("<think>only</think>", "only", ""),
        ("", "", ""),
    ],
)
@given(data=st.data())
def test_thoughts_between_tags_are_told_from_text_however_they_are_cut(
    text: str, thoughts: str, content: str, data: st.DataObject
) -> None:
    pieces = [piece.decode() for piece in data.draw(cuts(text.encode()))]
    stream = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in pieces), STOP]
    reader, payloads = read_stream("perplexity", [events(*stream)])
    assert told(payloads) == (thoughts, content)
    assert reader.contents() == {0: content}
    answer = chat("perplexity").read_response(asked(), plain("perplexity", {"content": text}))
    message = json.loads(answer.body)["choices"][0]["message"]
    if text.lstrip().startswith("<think>"):
        assert (message["reasoning_content"], message["content"]) == (thoughts, content)
    else:
        assert message["content"] == text


def test_tags_are_text_where_the_kind_does_not_say_otherwise() -> None:
    _, payloads = read_stream("vllm", [events(chunk({"content": "<think>a</think>b"}), STOP)])
    assert told(payloads) == ("", "<think>a</think>b")


def test_azures_first_chunk_of_filters_passes_and_commits_nothing() -> None:
    filters = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": []}
    reader = chat("azure").stream_reader(asked(stream=True))
    first, *_ = reader.feed(events(filters, HI, STOP))
    assert (json.loads(first.payload), first.is_content) == (filters, False)
    assert reader.response_model == "m-1"


@pytest.mark.parametrize("kind", QUIRKS)
@pytest.mark.parametrize(
    "rubbish",
    [
        b'"reasoning" "usage" "thinking" <think>',
        b'["reasoning","usage","thinking","<think>"]',
        b'{"choices":[1,"<think>"],"usage":3,"reasoning":1,"thinking":2}',
        b'{"choices":[{"delta":{"content":7},"message":{"content":7}}],"usage":{"a":1}}',
        b'{"choices":"<think>","usage":{"prompt_tokens":1}}',
        b'{"error":{"message":"overloaded"},"usage":{"prompt_tokens":1},"choices":[]}',
    ],
)
def test_rubbish_is_an_error_of_the_upstreams_and_never_ours(kind: str, rubbish: bytes) -> None:
    with pytest.raises(UpstreamError):
        read_stream(kind, [b"data: " + rubbish + b"\n\n"])
    with pytest.raises(UpstreamError):
        chat(kind).read_response(asked(), rubbish)


def test_a_stream_that_breaks_off_reports_no_usage() -> None:
    reader = chat("perplexity").stream_reader(asked(stream=True, **WANTED))
    reader.feed(events({**HI, "usage": USAGE}).removesuffix(b"data: [DONE]\n\n"))
    with pytest.raises(UpstreamError):
        reader.finish()
    assert reader.units == {"input_tokens": 3, "output_tokens": 2}
