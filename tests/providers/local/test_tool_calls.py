"""Calls that a grammar made the model write as JSON, given to the client as OpenAI's `tool_calls`."""

import json
import random
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from tests.providers.local.grammar_walk import walk
from tests.providers.local.test_requests import EMBEDDED, chat_request, sent

from aqueduct.providers.local import LocalOperation

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 7}},
    "required": ["city", "days"],
}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "time"}},
]
CALL = '{"name": "weather", "arguments": {"city": "Köln {}", "days": 3}}'
ARGUMENTS = '{"city": "Köln {}", "days": 3}'
CHAT = LocalOperation("chat")


def plain(content: str, finish_reason: str = "stop", **members: Any) -> Any:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content}}
    body = {
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [choice],
        "timings": {"x": 1},
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    return CHAT.read_response(chat_request(tools=TOOLS, **members), json.dumps(body).encode())


def stream_of(pieces: list[str], finish_reason: str = "stop") -> bytes:
    def event(delta: dict[str, Any], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps({'id': 'chatcmpl-1', 'model': 'm', 'choices': [choice]})}\n\n"

    events = [event({"role": "assistant", "content": None}), *(event({"content": piece}) for piece in pieces)]
    usage = 'data: {"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}\n\n'
    return "".join([*events, event({}, finish_reason), usage, "data: [DONE]\n\n"]).encode()


def choices_of(data: bytes, cut: int, **members: Any) -> tuple[Any, list[Any]]:
    reader = CHAT.stream_reader(chat_request(tools=TOOLS, stream=True, **members))
    events = [event for start in range(0, len(data), cut) for event in reader.feed(data[start : start + cut])]
    events += reader.finish()
    return reader, [json.loads(event.payload)["choices"][0] for event in events if event.payload]


def pieces_of(text: str, source: random.Random) -> Iterator[str]:
    while text:
        length = source.randint(1, 7)
        yield text[:length]
        text = text[length:]


def test_a_plain_call_is_rewrapped() -> None:
    answer = plain(CALL)
    (choice,) = json.loads(answer.body)["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == answer.finish_reason == "tool_calls"
    assert choice["message"]["content"] is None
    assert call["function"] == {"name": "weather", "arguments": ARGUMENTS}
    assert call["id"].startswith("call_")
    assert answer.contents == {}
    assert "timings" not in json.loads(answer.body)


def test_text_and_json_that_is_no_call_stay_content() -> None:
    for content in ("It rains.", '{"name": "weather"}', '{"name": "other", "arguments": {}}', ""):
        answer = plain(content)
        assert json.loads(answer.body)["choices"][0]["message"]["content"] == content
        assert answer.contents == {0: content}


def test_a_call_that_the_limit_cut_keeps_what_there_is() -> None:
    (choice,) = json.loads(plain(CALL[:-12], "length").body)["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == ARGUMENTS[:-11]
    assert json.loads(plain('{"name": "wea', "length").body)["choices"][0]["message"]["content"] is None


@pytest.mark.parametrize("cut", [1, 7, 64, 10_000])
def test_a_streamed_call_is_rewrapped_on_the_way_however_it_is_cut(cut: int) -> None:
    for seed in range(5):
        reader, choices = choices_of(stream_of(list(pieces_of(CALL, random.Random(seed)))), cut)
        calls = [call for choice in choices for call in choice["delta"].get("tool_calls") or ()]
        assert calls[0]["function"]["name"] == "weather"
        assert calls[0]["id"].startswith("call_")
        assert "".join(call["function"]["arguments"] for call in calls) == ARGUMENTS
        assert all(call["index"] == 0 and "name" not in call["function"] for call in calls[1:])
        assert not any(choice["delta"].get("content") for choice in choices)
        assert choices[-1]["finish_reason"] == reader.finish_reason == "tool_calls"
        assert reader.contents() == {}
        assert reader.units == {"input_tokens": 1, "output_tokens": 2}
        assert reader.is_done


@pytest.mark.parametrize("text", ["It rains.", '{"name": "other", "arguments": {}}', '{"name"', "{", ""])
def test_streamed_text_stays_text(text: str) -> None:
    reader, choices = choices_of(stream_of(list(text)), 50)
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == text
    assert choices[-1]["finish_reason"] == "stop"
    assert reader.contents() == {0: text}


def test_a_streamed_call_that_the_limit_cut_keeps_what_there_is() -> None:
    for length in range(len(CALL)):
        reader, choices = choices_of(stream_of(list(CALL[:length]), "length"), 10_000)
        arguments = "".join(
            call["function"]["arguments"] for choice in choices for call in choice["delta"].get("tool_calls") or ()
        )
        assert CALL[:length].endswith(arguments)
        assert choices[-1]["finish_reason"] == reader.finish_reason == "length"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_forced_call_obeys_the_tool_s_schema(choice: Any) -> None:
    grammar = sent(tools=TOOLS, tool_choice=choice)["grammar"]
    names = set()
    for seed in range(20):
        call = json.loads(walk(grammar, random.Random(seed)))
        names.add(call["name"])
        jsonschema_rs.validate(WEATHER if call["name"] == "weather" else {"maxProperties": 0}, call["arguments"])
    assert names == ({"weather", "time"} if choice == "required" else {"weather"})


def test_a_free_choice_allows_text_and_calls() -> None:
    grammar = sent(tools=TOOLS)["grammar"]
    texts = [walk(grammar, random.Random(seed)) for seed in range(60)]
    assert any(text.startswith('{"name": ') for text in texts)
    assert any(not text.startswith("{") for text in texts)


def test_tools_beside_a_schema_allow_a_call_or_an_answer_that_satisfies_it() -> None:
    schema = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    request = chat_request(tools=TOOLS, response_format=form)
    assert CHAT.flows(request, EMBEDDED)
    grammar = json.loads(CHAT.build_request(request, EMBEDDED).body)["grammar"]
    for seed in range(20):
        value = json.loads(walk(grammar, random.Random(seed)))
        assert value == {"a": 1} or value["name"] in ("weather", "time")


def test_a_schema_of_arguments_that_is_none_loosens_the_grammar_only() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": 5, "properties": {"a": 3}}}}]
    call = json.loads(walk(sent(tools=tools, tool_choice="required")["grammar"], random.Random(1)))
    assert call["name"] == "f"
    assert isinstance(call["arguments"], dict)
