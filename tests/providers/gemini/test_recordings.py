"""Recorded answers of the Gemini API and Vertex AI give what Google's own SDK reads from the same bytes."""

import json

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.gemini.exchange import CHAT, Heard, chat, heard_in, heard_of, target
from tests.providers.hearing import feed
from tests.recordings import Recorded, cuts, exchanges

from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamRateLimited, UpstreamRejected, UpstreamUnauthorized
from aqueduct.wire.sse import SseSplitter


def is_generation(exchange: Recorded) -> bool:
    return "enerateContent" in exchange.url


ANSWERS = exchanges(
    "gemini", "vertexai", where=lambda each: is_generation(each) and each.status == 200 and not each.is_stream
)
STREAMS = exchanges(
    "gemini", "vertexai", where=lambda each: is_generation(each) and each.status == 200 and each.is_stream
)
CALLS = exchanges("gemini", "vertexai", where=lambda each: b'"functionCall"' in each.body and not each.is_stream)


def sdk_response(body: bytes) -> types.GenerateContentResponse:
    """Read as the SDK's client does: what its types do not know is passed over."""
    return types.GenerateContentResponse._from_response(response=json.loads(body), kwargs={})


def as_sdk_reads(answers: list[types.GenerateContentResponse]) -> tuple[Heard, Units]:
    """Return what Google's SDK makes of an answer, or of a stream's events; all recordings have one candidate."""
    heard = Heard()
    for answer in answers:
        for part in answer.parts or []:
            if part.text and not part.thought:
                heard.text += part.text
            if part.text and part.thought:
                heard.reasoning += part.text
        for call in answer.function_calls or []:
            heard.calls.append({"function": {"name": call.name, "arguments": json.dumps(call.args)}})
        if answer.candidates and answer.candidates[0].finish_reason:
            heard.finish_reason = answer.candidates[0].finish_reason.name
    usage = answers[-1].usage_metadata
    assert usage is not None
    thoughts = usage.thoughts_token_count or 0
    units = {
        "input_tokens": usage.prompt_token_count or 0,
        "output_tokens": (usage.candidates_token_count or 0) + thoughts,
    }
    if usage.cached_content_token_count:
        units["cached_tokens"] = usage.cached_content_token_count
    if thoughts:
        units["reasoning_tokens"] = thoughts
    assert usage.total_token_count == sum(units[name] for name in ("input_tokens", "output_tokens"))
    return heard, units


def assert_same(heard: Heard, read: Heard) -> None:
    assert (heard.text, heard.reasoning, heard.functions) == (read.text, read.reasoning, read.functions)
    reasons = {"STOP": "tool_calls" if read.calls else "stop", "MAX_TOKENS": "length"}
    assert heard.finish_reason == reasons[read.finish_reason or ""]


@pytest.mark.parametrize("exchange", ANSWERS)
def test_an_answer_is_what_the_sdk_reads(exchange: Recorded) -> None:
    read, units = as_sdk_reads([sdk_response(exchange.body)])
    answer = CHAT.read_response(chat(), exchange.body)
    (heard,) = heard_of(answer.body)
    assert_same(heard, read)
    assert answer.units == units
    assert answer.response_model == json.loads(exchange.body)["modelVersion"]


@pytest.mark.parametrize("exchange", STREAMS)
@given(data=st.data())
@settings(max_examples=30)
def test_a_stream_cut_anywhere_is_what_the_sdk_reads(exchange: Recorded, data: st.DataObject) -> None:
    splitter = SseSplitter()
    frames = [*splitter.feed(exchange.body), *splitter.finish()]
    read, units = as_sdk_reads([sdk_response(frame) for frame in frames])
    reader = CHAT.stream_reader(chat(stream=True))
    events = feed(reader, data.draw(cuts(exchange.body)))
    assert_same(heard_in(events)[0], read)
    assert reader.units == units
    assert reader.is_done


@pytest.mark.parametrize("exchange", STREAMS)
@given(data=st.data())
@settings(max_examples=20)
def test_a_stream_that_breaks_off_before_its_finish_reason_is_not_whole(
    exchange: Recorded, data: st.DataObject
) -> None:
    before = exchange.body.rindex(b"data: ")
    cut = data.draw(st.integers(0, before))
    reader = CHAT.stream_reader(chat(stream=True))
    with pytest.raises(Exception, match=r"ended early|not an answer"):
        feed(reader, [exchange.body[:cut]])
    assert not reader.is_done


@pytest.mark.parametrize("exchange", CALLS)
def test_an_answer_that_is_sent_back_keeps_calls_and_signatures_as_they_came(exchange: Recorded) -> None:
    said = json.loads(exchange.body)["candidates"][0]["content"]["parts"]
    (heard,) = heard_of(CHAT.read_response(chat(), exchange.body).body)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "15 degrees"} for call in heard.calls]
    request = chat(messages=[{"role": "user", "content": "Hello"}, heard.message, *results])
    body = json.loads(CHAT.build_request(request, target("gemini-2.5-flash")).body)
    assert body["contents"][1]["parts"] == said
    types.Content.model_validate(body["contents"][-1])
    answered = [part["functionResponse"]["name"] for part in body["contents"][-1]["parts"] if heard.calls]
    assert answered == [name for name, _ in heard.functions]


@pytest.mark.parametrize(
    "exchange", exchanges("gemini", "vertexai", where=lambda each: is_generation(each) and each.status != 200)
)
def test_a_recorded_error_is_classified(exchange: Recorded) -> None:
    error = CHAT.read_error(
        exchange.status, tuple((n.encode(), v.encode()) for n, v in exchange.headers), exchange.body
    )
    if "auth_error" in exchange.name:
        assert isinstance(error, UpstreamUnauthorized)
    elif exchange.status == 429:
        assert isinstance(error, UpstreamRateLimited)
        assert error.retry_after_seconds == 48
    else:
        assert isinstance(error, UpstreamRejected)
        assert error.rejection.code == "context_length_exceeded"
        assert error.rejection.param == "messages"
