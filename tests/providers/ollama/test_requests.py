"""What a chat request becomes at Ollama, field by field; every body is one that Ollama's types take."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from tests.providers.asking import USER, WEATHER
from tests.providers.ollama.asking import CHAT, SERVER, chat, checked, dropped, sent, target
from tests.unit.wire.request_strategies import chats

from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import ConfigurationError, InvalidRequest
from aqueduct.providers.registry import KINDS
from aqueduct.wire.chat import ChatRequest, parse_chat

PIXEL = base64.b64encode(b"\x89PNG....").decode()
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": PERSON}}


def call(call_id: str, name: str = "weather", arguments: str = '{"place":"Ulm"}') -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def refused(**members: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refusal:
        sent(**members)
    return refusal.value.param


def test_a_plain_chat_is_never_cut_in_silence() -> None:
    assert sent() == {"model": "qwen3", "messages": [USER], "stream": False, "truncate": False, "shift": False}
    request = CHAT.build_request(chat(stream=True), target(api_key="k"))
    assert request.path == "/api/chat"
    assert (b"authorization", b"Bearer k") in request.headers
    assert json.loads(request.body)["stream"] is True


def test_texts_are_one_and_images_are_beside_them() -> None:
    parts = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "text", "text": "this."},
    ]
    asked = sent(messages=[{"role": "developer", "content": "Be kind."}, {"role": "user", "content": parts}])
    assert asked["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "See\nthis.", "images": [PIXEL]},
    ]


@pytest.mark.parametrize("url", ["https://a.example/a.png", "data:image/gif;base64,YQ==", "data:image/png;base64,Y"])
def test_an_image_is_data_or_refused(url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    assert refused(messages=[{"role": "user", "content": content}]) == "messages[0].content[0].image_url.url"
    assert not CHAT.fetches_urls


def test_results_find_the_names_of_their_calls_and_come_in_their_order() -> None:
    said = {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b", "now", "")]}
    body = sent(messages=[USER, said, result("b", "12"), result("a", "15"), USER])
    asked, first, second = body["messages"][1:4]
    assert [each["function"]["arguments"] for each in asked["tool_calls"]] == [{"place": "Ulm"}, {}]
    assert (first["tool_name"], first["content"]) == ("weather", "15")
    assert (second["tool_name"], second["content"]) == ("now", "12")


def test_a_result_whose_id_no_call_has_is_that_of_the_next_call() -> None:
    said = {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b", "now")]}
    body = sent(messages=[USER, said, result("x", "15"), result("y", "12")])
    assert [each["tool_name"] for each in body["messages"][2:]] == ["weather", "now"]
    assert refused(messages=[USER, result("x", "15")]) == "messages[1].tool_call_id"


def test_reasoning_goes_back_as_thinking() -> None:
    said = {"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."}
    assert sent(messages=[USER, said])["messages"][1] == {"role": "assistant", "content": "Hi.", "thinking": "Hm."}


def test_parameters_are_options() -> None:
    body = sent(
        max_tokens=10, temperature=0.5, top_p=0.9, top_k=40, min_p=0.1, stop=["END", ""], seed=-1,
        frequency_penalty=-1, presence_penalty=1, repeat_penalty=1.1, logprobs=True, top_logprobs=3,
    )  # fmt: skip
    assert body["options"] == {
        "num_predict": 10,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        "stop": ["END"],
        "seed": 2**31 - 1,
        "frequency_penalty": -1,
        "presence_penalty": 1,
        "repeat_penalty": 1.1,
    }
    assert (body["logprobs"], body["top_logprobs"]) == (True, 3)
    assert refused(top_k=-1) == "top_k"


def test_the_provider_says_how_large_the_window_is_and_how_long_the_model_stays() -> None:
    body = checked(chat(), target(options={"num_ctx": "8192", "keep_alive": "30m"}))
    assert (body["options"], body["keep_alive"]) == ({"num_ctx": 8192}, "30m")
    assert checked(chat(), target(options={**SERVER, "keep_alive": "forever"}))["keep_alive"] == -1
    assert KINDS["ollama"].options == SERVER
    assert dropped(keep_alive="5m", options={"num_ctx": 1}, verbosity="low") == {"keep_alive", "options", "verbosity"}


def compiled(options: str) -> Target:
    text = f"""
providers: [{{name: lab, kind: ollama, options: {options}}}]
models: [{{name: m, targets: [{{provider: lab, model: qwen3}}]}}]
"""
    return compile_source(parse_source(text.encode(), "a.yaml", {}), KINDS).models[0].targets[0]


@pytest.mark.parametrize(
    "options", ["{}", "{num_ctx: '8192'}", "{keep_alive: '0'}", "{keep_alive: 1h30m}", "{keep_alive: forever}"]
)
def test_good_options_are_taken_from_the_config(options: str) -> None:
    checked(chat(), compiled(options))


@pytest.mark.parametrize("options", ["{num_ctx: large}", "{num_ctx: '0'}", "{keep_alive: long}", "{keep_alive: '5'}"])
def test_an_option_that_ollama_would_not_understand_is_refused_with_the_config(options: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be"):
        compiled(options)


@pytest.mark.parametrize(
    ("effort", "think"), [("none", False), ("minimal", "low"), ("medium", "medium"), ("max", "high")]
)
def test_an_effort_is_a_level_of_thinking(effort: str, think: bool | str) -> None:
    assert sent(reasoning_effort=effort)["think"] == think
    assert refused(reasoning_effort="odd") == "reasoning_effort"


def test_the_model_chooses_among_the_tools_by_itself() -> None:
    assert sent(tools=[WEATHER], tool_choice="auto")["tools"] == [WEATHER]
    assert "tools" not in sent(tools=[WEATHER], tool_choice="none")
    assert refused(tools=[WEATHER], tool_choice="required") == "tool_choice"
    assert refused(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}}) == "tool_choice"
    assert refused(tools=[WEATHER], parallel_tool_calls=False) == "parallel_tool_calls"
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    assert dropped(tools=[strict]) == set()  # the gateway keeps the promise
    assert not CHAT.holds_calls(chat(tools=[strict]), target())


def test_references_in_a_function_s_schema_are_put_in_place() -> None:
    parameters = {
        "properties": {"at": {"$ref": "#/$defs/place", "description": "Where."}, "loop": {"$ref": "#/$defs/loop"}},
        "$defs": {"place": {"type": "string"}, "loop": {"type": "array", "items": {"$ref": "#/$defs/loop"}}},
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    (written,) = sent(tools=[tool])["tools"]
    assert written["function"]["parameters"]["properties"]["at"] == {"type": "string", "description": "Where."}
    assert "$ref" not in json.dumps(written)


def test_a_schema_is_the_format_but_beside_tools_is_said_in_words() -> None:
    request = chat(response_format=FORMAT)
    assert CHAT.way(request, target()) is StructuredOutput.NATIVE
    assert CHAT.flows(request, target())
    assert sent(response_format=FORMAT)["format"] == PERSON
    assert sent(response_format={"type": "json_object"})["format"] == "json"
    beside = chat(response_format=FORMAT, tools=[WEATHER])
    assert CHAT.way(beside, target()) is StructuredOutput.INSTRUCTION
    assert not CHAT.flows(beside, target())
    assert refused(response_format=FORMAT, tools=[WEATHER]) == "response_format"
    limited = {"type": "object", "properties": {"name": {"type": "string", "minLength": 3}}}
    exact = chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": limited}})
    assert not CHAT.flows(exact, target())


def test_a_field_may_be_left_out_by_the_config() -> None:
    place = target(drop_fields=frozenset({"reasoning_effort", "tool_choice"}))
    request = chat(reasoning_effort="high", tools=[WEATHER], tool_choice="required")
    assert "think" not in checked(request, place)
    assert set(CHAT.dropped(request, place)) == {"reasoning_effort", "tool_choice"}


def test_several_choices_are_several_calls() -> None:
    assert len(CHAT.calls(chat(n=3))) == 3


@given(chats)
def test_any_valid_chat_is_built_or_refused_by_name(members: dict[str, Any]) -> None:
    try:
        request = parse_chat(json.dumps(members).encode())
    except InvalidRequest:
        return
    assert CHAT.way(request, target()) in StructuredOutput
    refused_param = refusal_of(request)
    assert refused_param is None or re.split(r"[.\[]", refused_param)[0] in members


def refusal_of(request: ChatRequest) -> str | None:
    """Build the request, and all that goes with it, or return the name of what is refused."""
    try:
        checked(request, target())
        CHAT.dropped(request, target())
        CHAT.flows(request, target())
    except InvalidRequest as refusal:
        return refusal.param or "nothing"
    return None
