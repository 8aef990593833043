"""What a client gets of Anthropic's answers, whole and streamed, and what it can send back of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.anthropic.asking import (
    CHAT,
    HAIKU,
    framed,
    message,
    plain,
    plain_message,
    read_stream,
    sent,
    streamed,
    streamed_message,
    turns,
)
from tests.providers.asking import USER, asked
from tests.recordings import cuts

from aqueduct.errors import (
    UpstreamInvalidResponse,
    UpstreamOverloaded,
    UpstreamUnreachable,
)

THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "EqQB"}
SECRET = {"type": "redacted_thinking", "data": "Zm9v"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
TEXT = {"type": "text", "text": "It rains.", "citations": None}
SEARCHED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, words),
    st.builds(lambda thought, sign: {"type": "thinking", "thinking": thought, "signature": sign}, words, words),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, words),
    st.builds(
        lambda number, given: {"type": "tool_use", "id": f"toolu_{number}", "name": "f", "input": given},
        st.integers(0, 10**6),
        st.dictionaries(words, words | st.integers(-9, 9), max_size=2),
    ),
    st.just(SEARCHED),
)
answers = st.lists(blocks, min_size=1, max_size=5, unique_by=lambda block: block.get("id") or json.dumps(block))


@given(answers, st.data())
def test_a_stream_says_what_a_whole_answer_says_wherever_it_is_cut(found: list[Any], data: st.DataObject) -> None:
    _, chunks = read_stream(data.draw(cuts(streamed(*found))))
    assert said(streamed_message(chunks)) == said(plain_message(message(*found)))


def said(whole: dict[str, Any]) -> dict[str, Any]:
    """Return what a message says; null and empty are the same."""
    calls = [
        {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
        for call in whole.get("tool_calls") or ()
    ]
    return {name: value for name, value in {**whole, "tool_calls": calls}.items() if value}


def test_thinking_is_reasoning_and_can_be_sent_back() -> None:
    answer = plain_message(message(THOUGHT, SECRET, TEXT, USE, stop_reason="tool_use"))
    assert answer["reasoning_content"] == "Let me see."
    assert answer["reasoning_details"] == [
        {
            "type": "reasoning.text",
            "text": "Let me see.",
            "signature": "EqQB",
            "id": "block-0",
            "format": "anthropic-claude-v1",
            "index": 0,
        },
        {
            "type": "reasoning.encrypted",
            "data": "Zm9v",
            "id": "block-1",
            "format": "anthropic-claude-v1",
            "index": 1,
        },
    ]
    assert turns(USER, answer, result())[1]["content"] == [THOUGHT, SECRET, {"type": "text", "text": "It rains."}, USE]


def result(call_id: str = "toolu_1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "rain"}


@given(st.lists(blocks, min_size=1, max_size=5, unique_by=lambda block: block.get("id") or json.dumps(block)))
def test_an_answer_that_is_sent_back_is_what_the_model_wrote(found: list[Any]) -> None:
    answer = plain_message(message(*found))
    sent_back = [
        block for turn in turns(USER, answer, USER) if turn["role"] == "assistant" for block in turn["content"]
    ]
    thinking = [block for block in found if "thinking" in block["type"]]
    calls = [block for block in found if block["type"] == "tool_use"]
    assert [block for block in sent_back if "thinking" in block["type"]] == thinking
    assert [block for block in sent_back if block["type"] == "tool_use"] == calls
    text = "".join(block["text"] for block in found if block["type"] == "text")
    assert "".join(block["text"] for block in sent_back if block["type"] == "text") == (text if text.strip() else "")


def test_thinking_between_calls_keeps_its_place() -> None:
    other = {**USE, "id": "toolu_2"}
    later = {**THOUGHT, "thinking": "And now?"}
    wrote: list[dict[str, Any]] = [THOUGHT, {"type": "text", "text": "I look."}, USE, later, other]
    _, chunks = read_stream([streamed(*wrote, stop_reason="tool_use")])
    assert turns(USER, streamed_message(chunks), result(), result("toolu_2"))[1]["content"] == wrote


def test_thinking_in_other_gateways_words_is_taken() -> None:
    litellm = {
        "role": "assistant",
        "content": "It rains.",
        "thinking_blocks": [THOUGHT, SECRET, {"type": "thinking"}, 5],
    }
    assert turns(USER, litellm, USER)[1]["content"][:2] == [THOUGHT, SECRET]
    details = [
        {"type": "reasoning.text", "text": "Let me see.", "signature": "EqQB"},
        {"type": "reasoning.text", "text": "unsigned"},
        {"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1"},
        {"type": "reasoning.summary", "summary": "s"},
        "rubbish",
    ]
    found = turns(USER, {"role": "assistant", "content": "It rains.", "reasoning_details": details}, USER)
    assert found[1]["content"] == [THOUGHT, {"type": "text", "text": "It rains."}]


def test_a_turn_that_lost_its_thinking_is_gone_on_with_without() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [USER, {"role": "assistant", "tool_calls": [call]}, result("c")]
    assert "thinking" not in sent(messages=messages, reasoning_effort="high")
    assert "thinking" in sent("claude-opus-4-7", messages=messages, reasoning_effort="high")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_finish_reasons(reason: str, expected: str) -> None:
    assert plain(message(TEXT, stop_reason=reason)).finish_reason == expected
    assert read_stream([streamed(TEXT, stop_reason=reason)])[0].finish_reason == expected


def test_a_refusal_is_told_and_is_no_answer_to_check() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "I will not."}
    answer = plain(message(stop_reason="refusal", stop_details=details))
    assert json.loads(answer.body)["choices"][0]["message"]["refusal"] == "I will not."
    assert (answer.finish_reason, answer.contents) == ("content_filter", {})
    end = {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": None}
    begin = {"type": "message_start", "message": {"model": HAIKU}}
    reader, chunks = read_stream([framed(begin, end, {"type": "message_stop"})])
    assert streamed_message(chunks)["refusal"] == "I will not."
    assert (reader.finish_reason, reader.contents()) == ("content_filter", {})


def test_usage_counts_the_cache_within_the_input() -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "output_tokens": 2,
        "output_tokens_details": {"thinking_tokens": 1},
    }
    units = {
        "input_tokens": 113,
        "output_tokens": 2,
        "cached_tokens": 100,
        "cache_write_tokens": 10,
        "reasoning_tokens": 1,
    }
    answer = plain(message(TEXT, usage=usage))
    assert answer.units == units
    assert json.loads(answer.body)["usage"] == {
        "prompt_tokens": 113,
        "completion_tokens": 2,
        "total_tokens": 115,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    reader, chunks = read_stream([streamed(TEXT, usage=usage)], stream_options={"include_usage": True})
    assert reader.units == units
    assert chunks[-1]["usage"]["prompt_tokens"] == 113
    assert plain(message(TEXT, usage={"input_tokens": -1, "output_tokens": 2})).units is None
    assert plain(message(TEXT, usage=None)).output_text == "It rains."


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        (
            {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "x"},
            {"url": "https://a.example", "title": "A", "start_index": 3, "end_index": 12},
        ),
        (
            {
                "type": "page_location",
                "cited_text": "x",
                "document_index": 0,
                "document_title": "D",
                "start_page_number": 1,
            },
            {
                "filename": "D",
                "cited_text": "x",
                "document_index": 0,
                "start_page_number": 1,
                "start_index": 3,
                "end_index": 12,
            },
        ),
    ],
)
def test_citations_become_annotations_of_the_text_they_are_about(
    citation: dict[str, Any], expected: dict[str, Any]
) -> None:
    said: list[dict[str, Any]] = [{"type": "text", "text": "So "}, {**TEXT, "citations": [citation]}]
    _, chunks = read_stream([streamed(*said)])
    for whole in (plain_message(message(*said)), streamed_message(chunks)):
        (annotation,) = whole["annotations"]
        assert annotation[annotation["type"]] == expected
        assert whole["content"] == "So It rains."


def test_a_call_without_arguments_has_empty_ones() -> None:
    use = {**USE, "input": {}}
    _, chunks = read_stream([streamed(use, stop_reason="tool_use")])
    assert streamed_message(chunks)["tool_calls"][0]["function"] == {"name": "weather", "arguments": "{}"}
    assert plain_message(message(use))["tool_calls"][0]["function"]["arguments"] == "{}"


def test_nothing_is_committed_before_the_model_says_something() -> None:
    reader = CHAT.stream_reader(asked(stream=True))
    data = streamed(THOUGHT, TEXT)
    at = data.index(b"event: content_block_delta")
    assert [event.is_content for event in reader.feed(data[:at])] == [False]
    assert all(event.is_content for event in reader.feed(data[at:]))


def test_a_call_whose_input_is_not_utf_8_is_rubbish() -> None:
    use = {**USE, "input": {"city": "OSLO"}}
    with pytest.raises(UpstreamInvalidResponse):
        plain(message(use).replace(b"OSLO", b"\xff\xfe"))
    begun = framed({"type": "content_block_start", "index": 0, "content_block": use}).replace(b"OSLO", b"\xff\xfe")
    ended = framed({"type": "content_block_stop", "index": 0})
    with pytest.raises(UpstreamInvalidResponse):
        read_stream([framed({"type": "message_start", "message": {"model": HAIKU}}) + begun + ended])


def test_events_unknown_here_are_passed_over() -> None:
    new = {"type": "content_block_delta", "index": 0, "delta": {"type": "novel_delta", "novelty": 1}}
    data = streamed(TEXT).replace(
        b"event: content_block_stop", framed({"type": "novel"}, new) + b"event: content_block_stop"
    )
    assert streamed_message(read_stream([data])[1])["content"] == "It rains."


def test_an_error_in_a_stream_ends_it() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    begun = streamed(TEXT).partition(b"event: content_block_stop")[0]
    reader = CHAT.stream_reader(asked(stream=True))
    with pytest.raises(UpstreamOverloaded):
        reader.feed(begun + framed(error))
    assert [event.is_content for event in reader.pending] == [False, True, True]


def test_a_stream_is_whole_after_a_reason_to_stop_though_its_last_event_is_missing() -> None:
    whole = streamed(TEXT)
    assert read_stream([whole.partition(b"event: message_stop")[0]])[0].is_done
    with pytest.raises(UpstreamUnreachable):
        read_stream([whole.partition(b"event: message_delta")[0]])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"type": "message"}',
        b'{"content": [], "model": "m"}',
        b'{"content": 5, "stop_reason": "end_turn"}',
        b"\xff",
    ],
)
def test_rubbish_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        plain(body)
    with pytest.raises((UpstreamInvalidResponse, UpstreamUnreachable)):
        read_stream([b"data: " + body + b"\n\n"])


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from(streamed(THOUGHT, TEXT, USE).split(b"\n\n")), max_size=8).map(b"\n\n".join)
)
def test_no_bytes_break_the_reader_in_any_other_way(data: bytes) -> None:
    try:
        reader, _ = read_stream([data + b"\n\n"])
    except (UpstreamInvalidResponse, UpstreamUnreachable):
        return
    assert reader.is_done
