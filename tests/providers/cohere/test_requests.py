"""What a chat request becomes at Cohere, field by field; every body is one that Cohere's types take."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.asking import USER, WEATHER
from tests.providers.cohere.asking import CHAT, COMMAND, REASONING, chat, checked, dropped, sent, target
from tests.unit.wire.request_strategies import chats

from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import InvalidRequest
from aqueduct.providers.registry import KINDS
from aqueduct.wire.chat import ChatRequest, parse_chat

PIXEL = f"data:image/png;base64,{base64.b64encode(b'PNG').decode()}"
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"place":"Ulm"}'}}


def schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def refused(model: str = COMMAND, **members: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refusal:
        sent(model, **members)
    return refusal.value.param


def test_a_plain_chat() -> None:
    assert sent() == {"model": COMMAND, "messages": [USER], "stream": False}
    request = CHAT.build_request(chat(stream=True), target(headers=(("X-Team", "a"),)))
    assert request.path == "/v2/chat"
    assert json.loads(request.body)["stream"] is True
    assert {(b"authorization", b"Bearer a-key"), (b"x-team", b"a")} <= set(request.headers)


def test_a_client_may_choose_the_model_of_a_wildcard_target() -> None:
    assert checked(chat(model="command-r7b-12-2024"), target("*"))["model"] == "command-r7b-12-2024"


def test_every_role_has_its_own() -> None:
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind."}]},
        {
            "role": "user",
            "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "I will look."},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "15"}]},
        {"role": "assistant", "content": None, "refusal": "No."},
    ]
    assert sent(messages=messages)["messages"] == [
        {"role": "system", "content": "Be\nkind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
        },
        {"role": "assistant", "tool_calls": [CALL], "tool_plan": "I will look."},
        {"role": "tool", "tool_call_id": "c1", "content": "15"},
        {"role": "assistant", "content": "No."},
    ]


def test_a_thought_goes_back_to_a_model_that_has_them() -> None:
    messages = [USER, {"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."}]
    said = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi."}]
    assert sent(REASONING, messages=messages)["messages"][1]["content"] == said
    assert sent(messages=messages)["messages"][1] == {"role": "assistant", "content": "Hi."}


def test_the_old_form_of_a_call_and_arguments_that_are_no_object_are_mended() -> None:
    old = {"role": "assistant", "content": None, "function_call": {"name": "now", "arguments": "soon"}}
    body = sent(messages=[USER, old, {"role": "function", "name": "now", "content": "12"}])
    call, result = body["messages"][1]["tool_calls"][0], body["messages"][2]
    assert json.loads(call["function"]["arguments"]) == {"arguments": "soon"}
    assert call["id"] == result["tool_call_id"]


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ([{"type": "input_audio", "input_audio": {"data": "YQ==", "format": "wav"}}], "messages[0].content[0]"),
        ([{"type": "file", "file": {"file_id": "f"}}], "messages[0].content[0]"),
        ([{"type": "image_url", "image_url": {"url": "ftp://a/b"}}], "messages[0].content[0].image_url.url"),
    ],
)
def test_what_cohere_cannot_read_is_refused_by_its_place(content: Any, param: str) -> None:
    assert refused(messages=[{"role": "user", "content": content}]) == param


def test_parameters_have_cohere_s_names() -> None:
    body = sent(
        max_completion_tokens=10, temperature=0.5, top_p=0.9, top_k=40, stop="END", seed=-1, logprobs=True,
        frequency_penalty=0.5, presence_penalty=1,
    )  # fmt: skip
    expected = {"max_tokens": 10, "temperature": 0.5, "p": 0.9, "k": 40, "stop_sequences": ["END"], "logprobs": True}
    expected |= {"frequency_penalty": 0.5, "presence_penalty": 1.0, "seed": 2**63 - 1}
    assert {name: body[name] for name in expected} == expected


def test_what_is_out_of_cohere_s_range_is_mended_and_named() -> None:
    body = sent(top_p=1, frequency_penalty=1.5, presence_penalty=-1)
    assert (body["p"], body["frequency_penalty"]) == (0.99, 1)
    assert "presence_penalty" not in body
    assert dropped(top_p=1, frequency_penalty=1.5, presence_penalty=-1, verbosity="low") == {
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "verbosity",
    }


@pytest.mark.parametrize(
    ("effort", "thinking"),
    [
        ("none", {"type": "disabled"}),
        ("low", {"type": "enabled", "token_budget": 2048}),
        ("max", {"type": "enabled"}),
    ],
)
def test_an_effort_is_a_budget(effort: str, thinking: dict[str, Any]) -> None:
    assert sent(REASONING, reasoning_effort=effort)["thinking"] == thinking


def test_a_budget_leaves_room_and_a_model_without_thoughts_gets_none() -> None:
    assert sent(REASONING, reasoning_effort="high", max_tokens=1000)["thinking"]["token_budget"] == 750
    assert "thinking" not in sent(COMMAND, reasoning_effort="high")
    assert dropped(COMMAND, reasoning_effort="high") == {"reasoning_effort"}
    assert refused(REASONING, reasoning_effort="odd") == "reasoning_effort"
    own = {"type": "enabled", "token_budget": 7}
    assert sent(REASONING, reasoning_effort="high", thinking=own)["thinking"] == own


def test_cohere_s_own_members_go_as_they_are() -> None:
    own: dict[str, Any] = {
        "documents": ["A text.", {"id": "d1", "data": {"title": "T", "text": "t"}}],
        "citation_options": {"mode": "OFF"},
        "safety_mode": "STRICT",
    }
    body = sent(**own)
    assert {name: body[name] for name in own} == own
    assert refused(documents=[{"text": "x"}]) == "documents[0]"
    assert refused(safety_mode=1) == "safety_mode"


def test_tools_and_the_choice_among_them() -> None:
    other = {"type": "function", "function": {"name": "now"}}
    body = sent(tools=[WEATHER, other])
    assert body["tools"][0] == WEATHER
    assert body["tools"][1]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert "tool_choice" not in body
    assert sent(tools=[WEATHER], tool_choice="none")["tool_choice"] == "NONE"
    assert sent(tools=[WEATHER], tool_choice="required")["tool_choice"] == "REQUIRED"
    one = sent(tools=[WEATHER, other], tool_choice={"type": "function", "function": {"name": "now"}})
    assert ([tool["function"]["name"] for tool in one["tools"]], one["tool_choice"]) == (["now"], "REQUIRED")
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]}
    some = sent(tools=[WEATHER, other], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert some["tools"] == [WEATHER]
    assert refused(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "gone"}}) == "tool_choice"
    assert refused(tools=[{"type": "custom", "custom": {"name": "c"}}]) == "tools[0]"
    assert refused(tools=[WEATHER], parallel_tool_calls=False) == "parallel_tool_calls"


def test_cohere_holds_the_calls_of_all_functions_or_of_none() -> None:
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    assert sent(tools=[strict])["strict_tools"] is True
    assert dropped(tools=[strict]) == set()
    assert "strict_tools" not in sent(tools=[strict, WEATHER])
    assert dropped(tools=[WEATHER, strict]) == set()  # the gateway keeps the promise
    assert CHAT.holds_calls(chat(tools=[strict]), target())
    assert not CHAT.holds_calls(chat(tools=[strict, WEATHER]), target())


def test_a_schema_is_held_natively_where_the_dialect_has_it() -> None:
    request = chat(response_format=schema_format(PERSON))
    assert CHAT.way(request, target()) is StructuredOutput.NATIVE
    assert CHAT.flows(request, target())
    body = checked(request, target())
    assert body["response_format"] == {"type": "json_object", "json_schema": PERSON}
    assert sent(response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    "members",
    [
        {"response_format": schema_format({"type": "object"})},
        {"response_format": schema_format({"type": "array", "items": {"type": "string"}})},
        {"response_format": schema_format(PERSON), "tools": [WEATHER]},
        {"response_format": schema_format(PERSON), "documents": ["x"]},
    ],
)
def test_what_cohere_cannot_be_held_to_is_said_in_words(members: dict[str, Any]) -> None:
    request = chat(**members)
    natively = request.schema == {"type": "object"}
    way = CHAT.way(request, target())
    assert way is (StructuredOutput.NATIVE if natively else StructuredOutput.INSTRUCTION)
    if not natively:
        assert not CHAT.flows(request, target())
        assert refused(**members) == "response_format"


def test_a_field_may_be_left_out_by_the_config() -> None:
    place = target(drop_fields=frozenset({"logit_bias", "tools"}))
    request = chat(logit_bias={"1": 1}, tools=[WEATHER])
    assert "tools" not in checked(request, place)
    assert set(CHAT.dropped(request, place)) == {"logit_bias", "tools"}


def test_several_choices_are_several_calls() -> None:
    assert len(CHAT.calls(chat(n=3))) == 3


def test_the_kind_is_where_cohere_is() -> None:
    assert KINDS["cohere"].default_base_url == "https://api.cohere.com/v2"
    assert KINDS["cohere"].adapter.keys() == {"chat"}


@given(chats, st.sampled_from([COMMAND, REASONING, "new"]))
def test_any_valid_chat_is_built_or_refused_by_name(members: dict[str, Any], model: str) -> None:
    try:
        request = parse_chat(json.dumps(members).encode())
    except InvalidRequest:
        return
    assert CHAT.way(request, target(model)) in StructuredOutput
    refused_param = refusal_of(request, target(model))
    assert refused_param is None or re.split(r"[.\[]", refused_param)[0] in members


def refusal_of(request: ChatRequest, place: Target) -> str | None:
    """Build the request, and all that goes with it, or return the name of what is refused."""
    try:
        checked(request, place)
        CHAT.dropped(request, place)
        CHAT.flows(request, place)
    except InvalidRequest as refusal:
        return refusal.param or "nothing"
    return None
