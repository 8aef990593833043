"""What reaches Anthropic of a client's chat, and what is refused or left out by name."""

import base64
from typing import Any

import pytest
from tests.providers.anthropic.asking import CHAT, HAIKU, dropped, sent, target, turns
from tests.providers.asking import USER, asked

from aqueduct.errors import InvalidRequest
from aqueduct.providers.registry import KINDS

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = base64.b64encode(b"%PDF-1.7 a").decode()
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Tells.", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "time"}},
]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
CACHED = {"type": "ephemeral"}


def refusal(at: str = HAIKU, **members: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        sent(at, **members)
    return caught.value


def content(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def text(words: str, **members: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **members}


def test_the_request_goes_where_it_belongs_with_anthropics_headers() -> None:
    request = CHAT.build_request(asked(), target())
    assert (request.method, request.path) == ("POST", "/v1/messages")
    headers = dict(request.headers)
    assert headers[b"x-api-key"] == b"sk-ant-key"
    assert headers[b"anthropic-version"] == b"2023-06-01"
    assert b"authorization" not in headers
    assert (
        dict(CHAT.build_request(asked(), target(version="2026-10-21")).headers)[b"anthropic-version"] == b"2026-10-21"
    )


def test_a_small_request_is_small() -> None:
    assert sent() == {
        "model": HAIKU,
        "max_tokens": 64_000,
        "messages": [{"role": "user", "content": [text("Hello")]}],
    }
    assert sent(stream=True)["stream"] is True
    assert sent(target("*"))["model"] == "m"


def test_instructions_of_all_places_become_the_system() -> None:
    body = sent(
        messages=[
            {"role": "system", "content": "One"},
            USER,
            {"role": "developer", "content": [text("Two", cache_control=CACHED)]},
        ]
    )
    assert body["system"] == [text("One"), text("Two", cache_control=CACHED)]
    assert body["messages"] == [{"role": "user", "content": [text("Hello")]}]
    assert refusal(messages=[USER, {"role": "system", "content": [image(PNG)]}]).param == "messages[1].content"


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def test_instructions_alone_are_what_the_user_says() -> None:
    body = sent(messages=[{"role": "system", "content": "Greet me."}])
    assert body["messages"] == [{"role": "user", "content": [text("Greet me.")]}]
    assert "system" not in body


def test_turns_of_one_role_are_one() -> None:
    found = turns(USER, USER, {"role": "assistant", "content": "Hi"}, {"role": "assistant", "content": "there"}, USER)
    assert [(turn["role"], len(turn["content"])) for turn in found] == [("user", 2), ("assistant", 2), ("user", 1)]


def test_a_conversation_begins_with_the_user() -> None:
    assert [turn["role"] for turn in turns({"role": "assistant", "content": "Hi"}, USER)] == [
        "user",
        "assistant",
        "user",
    ]


def test_empty_text_is_left_out_and_nothing_but_it_is_refused() -> None:
    assert turns(content(text("  "), text("a")), {"role": "assistant", "content": ""}, USER) == [
        {"role": "user", "content": [text("a"), text("Hello")]}
    ]
    assert refusal(messages=[{"role": "user", "content": " "}]).param == "messages"


def test_the_models_last_words_begin_its_answer_where_it_can_go_on_from_them() -> None:
    last = {"role": "assistant", "content": "It is "}
    assert turns(USER, last)[-1] == {"role": "assistant", "content": [text("It is")]}
    assert turns(USER, last, at="claude-opus-4-7")[-1] == {"role": "user", "content": [text(".")]}
    assert sent(messages=[USER, last], reasoning_effort="low")["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://example.org/a.png", {"type": "url", "url": "https://example.org/a.png"}),
        (PNG, {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}),
        ("data:image/jpg;base64,AAAA", {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}),
        ("data:image/webp;charset=x;base64,AAAA", {"type": "base64", "media_type": "image/webp", "data": "AAAA"}),
    ],
)
def test_images(url: str, source: dict[str, str]) -> None:
    assert turns(content(image(url)))[0]["content"] == [{"type": "image", "source": source}]


@pytest.mark.parametrize(
    "url", ["", "ftp://example.org/a", "data:image/png,abc", "data:image/tiff;base64,AAAA", "AAAA"]
)
def test_other_images_are_refused_by_their_place(url: str) -> None:
    assert refusal(messages=[content(text("a"), image(url))]).param == "messages[0].content[1].image_url.url"


def test_documents() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    words = {"type": "text", "media_type": "text/plain", "data": "æ"}
    encoded = base64.b64encode("æ".encode()).decode()
    for file, source in (
        ({"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}, pdf),
        ({"filename": "a.pdf", "file_data": PDF}, pdf),
        ({"filename": "a.md", "file_data": f"data:text/markdown;base64,{encoded}"}, words),
        ({"filename": "a.txt", "file_data": encoded}, words),
    ):
        (block,) = turns(content({"type": "file", "file": file}))[0]["content"]
        assert block == {"type": "document", "source": source, "title": file["filename"]}


@pytest.mark.parametrize(
    ("file", "member"),
    [
        ({"file_id": "file-1"}, ".file_id"),
        ({}, ""),
        ({"file_data": "data:application/zip;base64,AAAA"}, ".file_data"),
        ({"file_data": "data:text/plain;base64,/w=="}, ".file_data"),
    ],
)
def test_other_files_are_refused_by_their_place(file: dict[str, str], member: str) -> None:
    assert refusal(messages=[content({"type": "file", "file": file})]).param == f"messages[0].content[0].file{member}"


@pytest.mark.parametrize(
    "part", [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, {"type": "video_url"}]
)
def test_parts_that_the_model_cannot_take_are_refused(part: dict[str, Any]) -> None:
    assert refusal(messages=[content(part)]).param == "messages[0].content[0]"


def test_calls_in_parallel_and_their_results_are_two_turns() -> None:
    found = turns(
        USER,
        {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": [text("no such city")], "is_error": True},
        {"role": "user", "content": "And?"},
    )
    use = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}}
    assert found[1]["content"] == [text("Let me see."), use, {**use, "id": "call_2"}]
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": [text("rain")]}
    failed = {"type": "tool_result", "tool_use_id": "call_2", "content": [text("no such city")], "is_error": True}
    assert found[2] == {"role": "user", "content": [result, failed, text("And?")]}


def test_results_come_first_in_their_turn() -> None:
    found = turns(
        USER,
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "user", "content": "Wait"},
        {"role": "tool", "tool_call_id": "call_1", "content": ""},
    )
    assert found[2]["content"] == [{"type": "tool_result", "tool_use_id": "call_1"}, text("Wait")]


def test_ids_of_calls_are_made_fit_and_distinct() -> None:
    call = {**CALL, "id": "functions.weather:0"}
    answered: list[dict[str, Any]] = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "functions.weather:0", "content": "rain"},
    ]
    found = turns(USER, *answered, *answered)
    ids = [block.get("id") or block.get("tool_use_id") for turn in found[1:] for block in turn["content"]]
    assert ids == ["functions_weather_0"] * 2 + ["functions_weather_0_2"] * 2


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("", {}), ("[1]", {"arguments": "[1]"}), ('{"a"', {"arguments": '{"a"'}), ('{"a":1e400}', None)],
)
def test_arguments_that_are_no_object_become_one(arguments: str, given: dict[str, Any] | None) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}
    request = CHAT.build_request(asked(messages=[USER, {"role": "assistant", "tool_calls": [call]}, USER]), target())
    if given is None:
        assert b'"input":{"a":1e400}' in request.body
    else:
        found = turns(USER, {"role": "assistant", "tool_calls": [call]}, USER)
        assert found[1]["content"][0]["input"] == given


def test_calls_in_the_old_form() -> None:
    called = {"role": "assistant", "function_call": {"name": "weather", "arguments": "{}"}}
    found = turns(USER, called, {"role": "function", "name": "weather", "content": "rain"})
    assert found[1]["content"] == [{"type": "tool_use", "id": "call_weather", "name": "weather", "input": {}}]
    assert found[2]["content"] == [{"type": "tool_result", "tool_use_id": "call_weather", "content": [text("rain")]}]


def test_tools() -> None:
    assert sent(tools=TOOLS)["tools"] == [
        {"name": "weather", "description": "Tells.", "input_schema": {"type": "object"}},
        {"name": "time", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert "tools" not in sent(tools=[])
    assert refusal(tools=[TOOLS[0], {"type": "custom", "custom": {"name": "c"}}]).param == "tools[1]"
    assert refusal(tools=[{"type": "web_search_20250305", "name": "web_search"}]).param == "tools[0]"


FORCED = {"type": "function", "function": {"name": "time"}}
ALLOWED = {"mode": "required", "tools": [FORCED]}


@pytest.mark.parametrize(
    ("members", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, None),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": FORCED}, {"type": "tool", "name": "time"}),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": ALLOWED}}, {"type": "any"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
    ],
)
def test_the_choice_of_tools(members: dict[str, Any], choice: dict[str, Any] | None) -> None:
    body = sent(tools=TOOLS, **members)
    assert body.get("tool_choice") == choice
    narrowed = isinstance(members.get("tool_choice"), dict) and "allowed_tools" in members["tool_choice"]
    assert len(body["tools"]) == (1 if narrowed else 2)


@pytest.mark.parametrize(
    "choice",
    [
        "often",
        {"type": "function", "function": {"name": "nobody"}},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "often", "tools": []}},
    ],
)
def test_other_choices_are_refused(choice: Any) -> None:
    assert refusal(tools=TOOLS, tool_choice=choice).param == "tool_choice"


def test_a_model_that_cannot_be_forced_is_not() -> None:
    assert refusal("claude-opus-5-5", tools=TOOLS, tool_choice="required").param == "tool_choice"
    assert sent("claude-opus-5-5", tools=TOOLS, tool_choice="none")["tool_choice"] == {"type": "none"}


EXACT = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def test_strict_tools_are_held_to_the_schema_where_they_can_be() -> None:
    parameters = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": parameters}}
    (found,) = sent(tools=[tool])["tools"]
    assert found["strict"] is True
    assert found["input_schema"]["additionalProperties"] is False
    assert dropped(tools=[tool]) == ()
    free = {"type": "function", "function": {"name": "g", "strict": True, "parameters": {"type": "object"}}}
    assert "strict" not in sent(tools=[free])["tools"][0]
    assert dropped(tools=[tool, free]) == ()  # the gateway keeps the promise
    exact = {"type": "function", "function": {"name": "f", "strict": True, "parameters": EXACT}}
    assert CHAT.holds_calls(asked(tools=[exact]), target())
    assert not CHAT.holds_calls(asked(tools=[exact], stop="x"), target())
    assert not CHAT.holds_calls(asked(tools=[exact]), target("claude-opus-4-1"))
    assert not CHAT.holds_calls(asked(tools=[tool]), target())  # a number's bounds are said in words only
    assert not CHAT.holds_calls(asked(tools=[exact, free]), target())


def test_cache_breakpoints_of_either_kind() -> None:
    hour = {"type": "ephemeral", "ttl": "1h"}
    body = sent(
        messages=[
            {"role": "system", "content": "S", "cache_control": hour},
            content(text("a", prompt_cache_breakpoint={"mode": "explicit"}), text("b", cache_control=hour)),
            {"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain", "cache_control": CACHED},
        ],
        tools=[{**TOOLS[0], "cache_control": CACHED}, TOOLS[1]],
        cache_control=CACHED,
    )
    assert body["system"][0]["cache_control"] == hour
    assert [block["cache_control"] for block in body["messages"][0]["content"]] == [CACHED, hour]
    (result,) = body["messages"][2]["content"]
    assert (result["cache_control"], result["content"]) == (CACHED, [text("rain")])
    assert [tool.get("cache_control") for tool in body["tools"]] == [CACHED, None]
    assert body["cache_control"] == CACHED


@pytest.mark.parametrize("value", ["ephemeral", {}, {"type": "ephemeral", "ttl": "1d"}])
def test_other_cache_breakpoints_are_refused(value: Any) -> None:
    refused = refusal(messages=[content(text("a", cache_control=value))])
    assert refused.param == "messages[0].content[0].cache_control"
    assert refusal(tools=[{**TOOLS[0], "cache_control": value}]).param == "tools[0].cache_control"


def test_stop_sequences() -> None:
    assert sent(stop="END")["stop_sequences"] == ["END"]
    assert sent(stop=["a", "b"])["stop_sequences"] == ["a", "b"]
    assert refusal(stop=["a", "\n"]).param == "stop"
    assert "stop_sequences" not in sent(target(drop_fields=["stop"]), stop="\n")
    assert dropped(target(drop_fields=["stop"]), stop="\n") == ("stop",)


def test_the_limit_is_the_clients_or_the_models() -> None:
    assert sent(max_tokens=5)["max_tokens"] == 5
    assert sent(max_completion_tokens=6)["max_tokens"] == 6
    assert [sent(model)["max_tokens"] for model in ("claude-3-haiku-20240307", "claude-opus-5-5", "kimi")] == [
        4_096,
        128_000,
        8_192,
    ]
    assert CHAT.limits_output(asked())
    assert not CHAT.limits_output(asked(max_tokens=5))


@pytest.mark.parametrize(
    ("model", "given", "expected", "left"),
    [
        (HAIKU, {"temperature": 0.5}, {"temperature": 0.5}, ()),
        (HAIKU, {"temperature": 1.5}, {"temperature": 1.0}, ("temperature",)),
        (HAIKU, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
        (HAIKU, {"top_p": 0.9, "top_k": 5}, {"top_p": 0.9, "top_k": 5}, ()),
        ("claude-3-haiku", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}, ()),
        ("claude-opus-4-7", {"temperature": 0.5, "top_p": 0.9}, {}, ("temperature", "top_p")),
        (
            HAIKU,
            {"temperature": 0.5, "top_p": 0.5, "top_k": 5, "reasoning_effort": "low"},
            {},
            ("temperature", "top_p", "top_k"),
        ),
        (HAIKU, {"temperature": 1, "reasoning_effort": "low"}, {"temperature": 1}, ()),
    ],
)
def test_sampling(model: str, given: dict[str, Any], expected: dict[str, Any], left: tuple[str, ...]) -> None:
    body = sent(model, **given)
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == expected
    assert set(dropped(model, **given)) == set(left)


def test_the_new_version_of_the_api_has_no_sampling() -> None:
    assert "temperature" not in sent(target(version="2026-10-21"), temperature=0.5)
    assert dropped(target(version="2026-10-21"), temperature=0.5) == ("temperature",)


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "config", "left"),
    [
        (HAIKU, "high", {"type": "enabled", "budget_tokens": 16_384}, None, ()),
        (HAIKU, "minimal", {"type": "enabled", "budget_tokens": 1_024}, None, ()),
        (HAIKU, "none", None, None, ()),
        ("claude-3-5-haiku-20241022", "high", None, None, ("reasoning_effort",)),
        ("claude-opus-4-6", "high", {"type": "adaptive", "display": "summarized"}, "high", ()),
        ("claude-opus-4-6", "xhigh", {"type": "adaptive", "display": "summarized"}, "high", ()),
        ("claude-opus-4-6", "none", None, None, ()),
        ("claude-opus-5", "minimal", {"type": "adaptive", "display": "summarized"}, "low", ()),
        ("claude-opus-5", "none", {"type": "disabled"}, None, ()),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None, ()),
        ("claude-opus-5-5", "none", None, "low", ("reasoning_effort",)),
        ("claude-opus-5-5", "xhigh", {"type": "adaptive", "display": "summarized"}, "xhigh", ()),
    ],
)
def test_the_effort_becomes_what_the_model_knows(
    model: str, effort: str, thinking: dict[str, Any] | None, config: str | None, left: tuple[str, ...]
) -> None:
    body = sent(model, reasoning_effort=effort)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == config
    assert dropped(model, reasoning_effort=effort) == left


def test_thinking_leaves_room_for_the_answer() -> None:
    assert sent(reasoning_effort="high", max_tokens=4_000)["thinking"]["budget_tokens"] == 3_000
    assert "thinking" not in sent(reasoning_effort="high", max_tokens=1_000)
    assert dropped(reasoning_effort="high", max_tokens=1_000) == ("reasoning_effort",)


def test_thinking_gives_way_to_a_forced_call() -> None:
    members: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "reasoning_effort": "high"}
    assert "thinking" not in sent(**members)
    assert dropped(**members) == ("reasoning_effort",)
    assert sent("claude-opus-5", **members)["output_config"] == {"effort": "high"}


def test_thinking_of_the_clients_own_goes_as_it_is() -> None:
    own = {"type": "enabled", "budget_tokens": 2_000}
    assert sent(thinking=own, reasoning_effort="low")["thinking"] == own
    assert refusal(thinking="yes").param == "thinking"
    assert refusal(reasoning_effort="a lot").param == "reasoning_effort"


@pytest.mark.parametrize(
    "members",
    [
        {"logprobs": True},
        {"logit_bias": {"1": 5}},
        {"audio": {"voice": "a", "format": "wav"}},
        {"modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
        {"web_search_options": {}},
        {"service_tier": "priority"},
        {"response_format": {"type": "grammar"}},
        {"moderation": {"model": "m"}},
    ],
)
def test_what_changes_the_answer_is_refused_by_name(members: dict[str, Any]) -> None:
    (name,) = members
    assert refusal(**members).param == name
    assert name in dropped(target(drop_fields=[name]), **members)
    sent(target(drop_fields=[name]), **members)


def test_what_does_not_is_left_out_by_name() -> None:
    members: dict[str, Any] = {
        "seed": 1,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.5,
        "verbosity": "low",
        "logprobs": False,
        "prompt_cache_key": "k",
        "vendor_extension": 1,
        "service_tier": "auto",
    }
    assert dropped(**members) == (
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "verbosity",
        "prompt_cache_key",
        "vendor_extension",
    )
    assert sent(**members).keys() == {"model", "max_tokens", "messages"}


def test_members_of_messages_that_have_no_place_are_named_once() -> None:
    named = {**USER, "name": "ann"}
    small = content({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}})
    assert dropped(messages=[named, named, small]) == ("messages.name", "messages.content.image_url.detail")
    answered = {"role": "tool", "tool_call_id": "call_1", "content": "a", "name": "weather"}
    assert dropped(messages=[USER, {"role": "assistant", "tool_calls": [CALL]}, answered]) == ()


def test_the_end_user_goes_as_metadata() -> None:
    assert sent(user="u-1")["metadata"] == {"user_id": "u-1"}
    assert sent(safety_identifier="s-1")["metadata"] == {"user_id": "s-1"}
    assert dropped(user="u-1", safety_identifier="s-1", metadata={"a": "b"}) == ()


def test_each_choice_is_a_call_of_its_own() -> None:
    calls = CHAT.calls(asked(n=3, temperature=0.5))
    assert [CHAT.build_request(call, target()).body for call in calls] == [
        CHAT.build_request(asked(temperature=0.5), target()).body
    ] * 3


def test_only_chats_are_answered() -> None:
    assert KINDS["anthropic"].adapter.keys() == {"chat"}
