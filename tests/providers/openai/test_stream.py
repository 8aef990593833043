"""OpenAI's chunks, read as they pass: bytes kept, endings judged, usage edited."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.errors import UpstreamError, UpstreamInvalidResponse, UpstreamRateLimited, UpstreamUnreachable
from aqueduct.providers.openai_stream import OpenAIStreamReader


def chunk(delta: dict[str, Any] | None, finish: str | None = None, index: int = 0, **members: Any) -> str:
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    return "data: " + json.dumps({"id": "c", "model": "m-1", "choices": choices, **members}) + "\n\n"


ROLE = chunk({"role": "assistant", "content": ""})
HI = chunk({"content": "hi\u2028 there é"})
STOP = chunk({}, "stop")
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}}
DONE = "data: [DONE]\n\n"
WHOLE = ROLE + HI + STOP + chunk(None, usage=USAGE) + DONE


def read(text: str, *, wants_usage: bool = False, cuts: tuple[int, ...] = ()) -> tuple[OpenAIStreamReader, list[bytes]]:
    """Feed the text cut at the given places, then its end; return the reader and the payloads shown to the client."""
    reader, payloads, data = OpenAIStreamReader(wants_usage=wants_usage), [], text.encode()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        payloads += [event.payload for event in reader.feed(data[start:end])]
    payloads += [event.payload for event in reader.finish()]
    return reader, [payload for payload in payloads if payload]


def payload_of(event: str) -> bytes:
    return event.removeprefix("data: ").strip().encode()


@given(st.tuples(*[st.integers(0, 10_000)] * 6))
def test_payloads_pass_byte_for_byte_wherever_the_stream_is_cut(cuts: tuple[int, ...]) -> None:
    reader, payloads = read(WHOLE, cuts=cuts)
    assert payloads == [payload_of(ROLE), payload_of(HI), payload_of(STOP)]
    assert reader.units == {"input_tokens": 3, "output_tokens": 2, "cached_tokens": 1}
    assert (reader.finish_reason, reader.response_model) == ("stop", "m-1")
    assert reader.contents() == {0: "hi\u2028 there é"}


def test_the_usage_chunk_is_shown_only_to_who_asked() -> None:
    _, shown = read(WHOLE, wants_usage=True)
    assert json.loads(shown[-1])["usage"] == USAGE
    _, hidden = read(WHOLE)
    assert all(b"usage" not in payload for payload in hidden)


def test_a_null_usage_member_is_taken_out_and_nothing_else_changes() -> None:
    choice = '{"index":0,"delta":{"content":"\\"usage\\":null}"},"finish_reason":"stop"}'
    event = f'data: {{"id": "c",  "usage":null, "choices":[{choice}]}}\n\n'
    _, payloads = read(event + DONE)
    assert payloads == [payload_of(event).replace(b'  "usage":null,', b"")]


def test_only_content_reasoning_or_a_tool_call_commits() -> None:
    reader = OpenAIStreamReader(wants_usage=False)
    assert [event.is_content for event in reader.feed(ROLE.encode())] == [False]
    assert [event.is_content for event in reader.feed(chunk({"reasoning_content": "hm"}).encode())] == [True]
    for delta in ({"content": "a"}, {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}, {"refusal": "no"}):
        assert OpenAIStreamReader(wants_usage=False).feed(chunk(delta).encode())[0].is_content


def test_a_stream_without_done_is_whole_after_a_finish_reason_for_every_choice() -> None:
    reader, _ = read(ROLE + HI + STOP)
    assert reader.is_done
    with pytest.raises(UpstreamUnreachable):
        read(ROLE + HI + chunk({"content": "b"}, index=1) + STOP)


@pytest.mark.parametrize("text", ["", ": ping\n\n", ROLE, ROLE + HI, ROLE + HI + 'data: {"id'])
def test_a_stream_that_ends_early_is_not_whole(text: str) -> None:
    with pytest.raises((UpstreamUnreachable, UpstreamInvalidResponse)):
        read(text)


@pytest.mark.parametrize(
    "rubbish", ["data: hello\n\n", "data: 3\n\n", 'data: {"id": 1}\n\n', 'data: {"choices": 3}\n\n']
)
def test_rubbish_in_a_stream_is_an_error(rubbish: str) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        read(ROLE + rubbish)


def test_an_error_event_raises_and_keeps_the_events_before_it() -> None:
    reader = OpenAIStreamReader(wants_usage=False)
    error = 'data: {"error": {"message": "slow down", "type": "rate_limit_error", "code": 429}}\n\n'
    with pytest.raises(UpstreamRateLimited):
        reader.feed((HI + error).encode())
    assert [event.payload for event in reader.pending] == [payload_of(HI)]


def test_a_named_error_event_raises() -> None:
    with pytest.raises(UpstreamError):
        read(ROLE + 'event: error\ndata: {"message": "boom"}\n\n')


def test_what_follows_done_is_ignored() -> None:
    _, payloads = read(WHOLE + HI)
    assert len(payloads) == 3


def test_a_tool_call_is_not_held_against_a_schema() -> None:
    call = chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]})
    reader, _ = read(ROLE + call + chunk({}, "tool_calls") + DONE)
    assert reader.contents() == {}
    assert reader.output_text() == "{}"
