import json
from typing import Any

import msgspec
import pytest

from aqueduct.errors import InvalidJsonSchema, InvalidRequest
from aqueduct.wire.chat import ChatRequest, parse_chat
from aqueduct.wire.messages import ROLES, OtherPart, TextPart
from aqueduct.wire.request import Request

USER = {"role": "user", "content": "Hello"}
FUNCTION = {"type": "function", "function": {"name": "look_up"}}


def chat(**members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [USER], **members}


def parsed(**members: Any) -> ChatRequest:
    return parse_chat(json.dumps(chat(**members)).encode())


def refusal(body: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat(json.dumps(body).encode())
    return caught.value


def assistant(**members: Any) -> dict[str, Any]:
    return chat(messages=[USER, {"role": "assistant", **members}])


def part(**members: Any) -> dict[str, Any]:
    return chat(messages=[USER, {"role": "user", "content": [{"type": "text", "text": "a"}, members]}])


def schema_format(**members: Any) -> dict[str, Any]:
    return chat(response_format={"type": "json_schema", "json_schema": {"name": "n", **members}})


def tool(**members: Any) -> dict[str, Any]:
    return chat(tools=[FUNCTION, {"type": "function", "function": members}])


def call(**members: Any) -> dict[str, Any]:
    return assistant(content=None, tool_calls=[{"id": "c", "type": "function", **members}])


REFUSALS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"messages": [USER]}, "model", "missing_required_parameter"),
    ({"model": "m"}, "messages", "missing_required_parameter"),
    (chat(model=5), "model", "invalid_type"),
    (chat(model=None), "model", "invalid_type"),
    (chat(model=""), "model", "string_below_min_length"),
    (chat(messages=[]), "messages", "empty_array"),
    (chat(messages=USER), "messages", "invalid_type"),
    (chat(messages=[USER, "Hello"]), "messages[1]", "invalid_type"),
    (chat(messages=[{"content": "Hello"}]), "messages[0].role", "missing_required_parameter"),
    (chat(messages=[{**USER, "role": "robot"}]), "messages[0].role", "invalid_value"),
    (chat(messages=[{**USER, "role": 5}]), "messages[0].role", "invalid_value"),
    (chat(messages=[{"role": "user"}]), "messages[0].content", "missing_required_parameter"),
    (chat(messages=[{"role": "user", "content": None}]), "messages[0].content", "invalid_type"),
    (chat(messages=[{"role": "user", "content": []}]), "messages[0].content", "empty_array"),
    (chat(messages=[{"role": "user", "content": ["a"]}]), "messages[0].content[0]", "invalid_type"),
    (chat(messages=[{**USER, "name": 1}]), "messages[0].name", "invalid_type"),
    (chat(messages=[{"role": "tool", "content": "a"}]), "messages[0].tool_call_id", "missing_required_parameter"),
    (chat(messages=[{"role": "function", "content": "a"}]), "messages[0].name", "missing_required_parameter"),
    (part(text="a"), "messages[1].content[1].type", "missing_required_parameter"),
    (part(type=1), "messages[1].content[1].type", "invalid_value"),
    (part(type="text"), "messages[1].content[1].text", "missing_required_parameter"),
    (part(type="text", text=1), "messages[1].content[1].text", "invalid_type"),
    (part(type="refusal"), "messages[1].content[1].refusal", "missing_required_parameter"),
    (part(type="image_url"), "messages[1].content[1].image_url", "missing_required_parameter"),
    (part(type="image_url", image_url="http://x"), "messages[1].content[1].image_url", "invalid_type"),
    (part(type="image_url", image_url={}), "messages[1].content[1].image_url.url", "missing_required_parameter"),
    (part(type="image_url", image_url={"url": 1}), "messages[1].content[1].image_url.url", "invalid_type"),
    (
        part(type="input_audio", input_audio={"data": [], "format": "wav"}),
        "messages[1].content[1].input_audio.data",
        "invalid_type",
    ),
    (
        part(type="input_audio", input_audio={"data": ""}),
        "messages[1].content[1].input_audio.format",
        "missing_required_parameter",
    ),
    (part(type="file", file={"file_data": {}}), "messages[1].content[1].file.file_data", "invalid_type"),
    (assistant(), "messages[1].content", "invalid_type"),
    (assistant(content=None, tool_calls=[]), "messages[1].content", "invalid_type"),
    (call(), "messages[1].tool_calls[0].function", "missing_required_parameter"),
    (call(function={"name": "f"}), "messages[1].tool_calls[0].function.arguments", "missing_required_parameter"),
    (call(function={"name": "f", "arguments": {}}), "messages[1].tool_calls[0].function.arguments", "invalid_type"),
    (chat(temperature=2.1), "temperature", "decimal_above_max_value"),
    (chat(temperature=-0.1), "temperature", "decimal_below_min_value"),
    (chat(temperature="1"), "temperature", "invalid_type"),
    (chat(temperature=True), "temperature", "invalid_type"),
    (chat(top_p=1.01), "top_p", "decimal_above_max_value"),
    (chat(presence_penalty=3), "presence_penalty", "decimal_above_max_value"),
    (chat(frequency_penalty=-3), "frequency_penalty", "decimal_below_min_value"),
    (chat(n=0), "n", "integer_below_min_value"),
    (chat(n=129), "n", "integer_above_max_value"),
    (chat(n=1.5), "n", "invalid_type"),
    (chat(max_tokens=0), "max_tokens", "integer_below_min_value"),
    (chat(max_tokens=10**30), "max_tokens", "integer_above_max_value"),
    (chat(max_completion_tokens="many"), "max_completion_tokens", "invalid_type"),
    (chat(max_tokens=1, max_completion_tokens=1), "max_tokens", "invalid_parameter_combination"),
    (chat(seed=2**63), "seed", "integer_above_max_value"),
    (chat(stop=5), "stop", "invalid_type"),
    (chat(stop=[]), "stop", "empty_array"),
    (chat(stop=list("abcde")), "stop", "array_above_max_length"),
    (chat(stop=["a", 5]), "stop[1]", "invalid_type"),
    (chat(stream="true"), "stream", "invalid_type"),
    (chat(stream_options={}), "stream_options", None),
    (chat(stream=False, stream_options={"include_usage": True}), "stream_options", None),
    (chat(stream=True, stream_options={"include_usage": 1}), "stream_options.include_usage", "invalid_type"),
    (chat(stream=True, stream_options=[]), "stream_options", "invalid_type"),
    (chat(logprobs=1), "logprobs", "invalid_type"),
    (chat(logprobs=True, top_logprobs=21), "top_logprobs", "integer_above_max_value"),
    (chat(logprobs=False, top_logprobs=2), "top_logprobs", None),
    (chat(top_logprobs=2), "top_logprobs", None),
    (chat(logit_bias={"5": 101}), "logit_bias.5", "integer_above_max_value"),
    (chat(logit_bias={"5": 1, "6": "x"}), "logit_bias.6", "invalid_type"),
    (chat(logit_bias=[]), "logit_bias", "invalid_type"),
    (chat(user=5), "user", "invalid_type"),
    (chat(safety_identifier="x" * 65), "safety_identifier", "string_above_max_length"),
    (chat(metadata={"a": 5}), "metadata.a", "invalid_type"),
    (chat(metadata={"a": "x" * 513}), "metadata.a", "string_above_max_length"),
    (chat(metadata={"x" * 65: "a"}), "metadata", "string_above_max_length"),
    (chat(metadata={str(i): "a" for i in range(17)}), "metadata", "object_above_max_properties"),
    (chat(response_format="json"), "response_format", "invalid_type"),
    (chat(response_format={}), "response_format.type", "missing_required_parameter"),
    (chat(response_format={"type": "json_schema"}), "response_format.json_schema", "missing_required_parameter"),
    (schema_format(name=None), "response_format.json_schema.name", "invalid_type"),
    (schema_format(name="a b"), "response_format.json_schema.name", "invalid_value"),
    (schema_format(name="a\n"), "response_format.json_schema.name", "invalid_value"),
    (schema_format(name="x" * 65), "response_format.json_schema.name", "invalid_value"),
    (schema_format(schema=True), "response_format.json_schema.schema", "invalid_type"),
    (schema_format(strict="yes"), "response_format.json_schema.strict", "invalid_type"),
    (chat(tools={}), "tools", "invalid_type"),
    (chat(tools=[{"function": {"name": "f"}}]), "tools[0].type", "missing_required_parameter"),
    (chat(tools=[{"type": "function"}]), "tools[0].function", "missing_required_parameter"),
    (tool(description="d"), "tools[1].function.name", "missing_required_parameter"),
    (tool(name="a.b"), "tools[1].function.name", "invalid_value"),
    (tool(name="f", parameters=[]), "tools[1].function.parameters", "invalid_type"),
    (chat(tools=[{"type": "custom", "custom": {}}]), "tools[0].custom.name", "missing_required_parameter"),
    (chat(tool_choice="auto"), "tool_choice", None),
    (chat(tools=[FUNCTION], tool_choice=True), "tool_choice", "invalid_type"),
    (
        chat(tools=[FUNCTION], tool_choice={"type": "function", "function": {}}),
        "tool_choice.function.name",
        "missing_required_parameter",
    ),
    (chat(functions=[]), "functions", "empty_array"),
    (chat(functions=[{"name": 1}]), "functions[0].name", "invalid_type"),
    (chat(function_call=5), "function_call", "invalid_type"),
    (chat(parallel_tool_calls="no"), "parallel_tool_calls", "invalid_type"),
    (chat(audio={"voice": "alloy"}), "audio.format", "missing_required_parameter"),
    (chat(modalities="text"), "modalities", "invalid_type"),
    (chat(prediction={"type": "content", "content": 5}), "prediction.content", "invalid_type"),
    (chat(reasoning_effort=1), "reasoning_effort", "invalid_type"),
    (chat(service_tier=1), "service_tier", "invalid_type"),
    (chat(store="yes"), "store", "invalid_type"),
    (
        chat(web_search_options={"user_location": {"type": "approximate"}}),
        "web_search_options.user_location.approximate",
        "missing_required_parameter",
    ),
    (chat(Temperature=1), "Temperature", "unknown_parameter"),
]


@pytest.mark.parametrize(("body", "param", "code"), REFUSALS)
def test_a_wrong_member_is_refused_by_its_path(body: dict[str, Any], param: str, code: str | None) -> None:
    error = refusal(body)
    assert (error.status, error.type, error.param, error.code) == (400, "invalid_request_error", param, code)
    assert f"'{param}'" in error.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (chat(stop=5), "Invalid type for 'stop': expected a string or an array, but got an integer instead."),
        (chat(n=130), "Invalid 'n': expected a value of at most 128, but got 130."),
        (chat(stop=list("abcde")), "Invalid 'stop': expected an array of length at most 4, but got one of length 5."),
        (
            chat(messages=[{**USER, "role": "robot"}]),
            f"Invalid value for 'messages[0].role': 'robot' is none of {', '.join(ROLES)}.",
        ),
        (
            tool(name="a.b"),
            "Invalid 'tools[1].function.name': the string must match the pattern '^[a-zA-Z0-9_-]{1,64}$'.",
        ),
        ({"model": "m"}, "Missing required parameter: 'messages'."),
    ],
)
def test_a_refusal_says_what_was_expected(body: dict[str, Any], message: str) -> None:
    assert refusal(body).message == message


@pytest.mark.parametrize(
    "body",
    [
        part(type="video_url", video_url={"url": "x"}),
        part(type="file_url", file=5),
        part(type="thinking", text={"deep": []}),
        assistant(tool_calls=[{"type": "mcp", "function": 5}]),
        chat(tools=[{"type": "web_search", "function": 5}, FUNCTION]),
        chat(tools=[{"type": "custom", "custom": {"name": "c", "format": {"type": "ebnf"}}}]),
        chat(tools=[FUNCTION], tool_choice={"type": "hosted", "function": 5}),
        chat(tools=[FUNCTION], tool_choice="sometimes"),
        chat(response_format={"type": "structural_tag", "json_schema": 5}),
        chat(prediction={"type": "draft", "content": 5}),
        chat(service_tier="express", reasoning_effort="extreme", modalities=["smell"], verbosity="chatty"),
        chat(vendor={"anything": [1]}, top_k=5),
        chat(messages=[{**USER, "vendor": 1}]),
    ],
)
def test_what_is_unknown_travels_on_unchanged(body: dict[str, Any]) -> None:
    fields = parse_chat(json.dumps(body).encode()).fields
    assert {name: json.loads(bytes(raw)) for name, raw in fields.items()} == body


def test_what_is_known_is_still_checked_beside_the_unknown() -> None:
    body = part(type="video_url")
    body["messages"].append({"role": "user", "content": [{"type": "new"}, {"type": "text"}]})
    assert refusal(body).param == "messages[2].content[1].text"


OPTIONAL = [name for name in parsed().parameters.__struct_fields__ if name not in {"model", "messages"}]


@pytest.mark.parametrize("name", OPTIONAL)
def test_null_is_accepted_for_every_optional_member(name: str) -> None:
    request = parsed(**{name: None})
    assert bytes(request.fields[name]) == b"null"


def test_null_is_accepted_in_what_clients_send_back() -> None:
    reply: dict[str, Any] = {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "audio": None,
        "tool_calls": None,
        "function_call": None,
        "annotations": [],
        "name": None,
    }
    parsed(messages=[USER, reply, USER])


def test_every_role_and_kind_of_part_is_accepted() -> None:
    request = parsed(
        messages=[
            {"role": "developer", "content": "d"},
            {"role": "system", "content": [
                {"type": "text", "text": "s", "prompt_cache_breakpoint": {"mode": "explicit"}},
            ]},
            {"role": "user", "name": "u", "content": [
                {"type": "text", "text": "t"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_data": "AAAA", "filename": "f.pdf"}},
                {"type": "new"},
            ]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            {"role": "assistant", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "2", "type": "custom", "custom": {"name": "c", "input": "i"}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "r"},
            {"role": "assistant", "audio": {"id": "a"}},
            {"role": "assistant", "refusal": "never"},
            {"role": "assistant", "function_call": {"name": "g", "arguments": "[]"}},
            {"role": "function", "name": "g", "content": None},
        ]
    )  # fmt: skip
    parts = request.parameters.messages[2].content
    assert isinstance(parts, list)
    assert isinstance(parts[0], TextPart)
    assert isinstance(parts[4], OtherPart)
    assert request.input_text() == "d\ns\nt\nno\nf\n{}\nc\ni\nr\nnever\ng\n[]"


def test_a_request_answers_what_the_gateway_asks_of_it() -> None:
    request: Request = parsed(
        stream=True, stream_options={"include_usage": True}, n=3, user="u", safety_identifier="s", extra=1
    )
    assert (request.operation, request.model, request.choices, request.end_user) == ("chat", "m", 3, "u")
    assert (request.is_stream, request.wants_usage, request.schema) == (True, True, None)
    assert list(request.fields) == [
        "model", "messages", "stream", "stream_options", "n", "user", "safety_identifier", "extra",
    ]  # fmt: skip


def test_a_whole_number_is_an_integer_however_it_is_written() -> None:
    body = '{"model": "m", "messages": [{"role": "user", "content": "a"}], "n": 2.0, "max_tokens": 1e2, "seed": -0.0}'
    request = parse_chat(body.encode())
    assert (request.choices, request.parameters.max_tokens, request.parameters.seed) == (2, 100, 0)
    assert bytes(request.fields["max_tokens"]) == b"1e2"


def test_defaults_are_those_of_openai() -> None:
    request = parsed()
    assert (request.choices, request.end_user, request.is_stream, request.wants_usage) == (1, None, False, False)
    assert parsed(safety_identifier="s").end_user == "s"


def test_the_schema_of_the_answer_is_read() -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    assert parsed(response_format={"type": "json_object"}).schema == {"type": "object"}
    assert parsed(response_format={"type": "text"}).schema is None
    assert parsed(response_format={"type": "grammar"}).schema is None
    named = {"type": "json_schema", "json_schema": {"name": "schema"}}
    assert parsed(response_format=named).schema is True
    for value, expected in ((schema, schema), ({}, {}), (None, True)):
        named = {"type": "json_schema", "json_schema": {"name": "schema", "schema": value}}
        assert parsed(response_format=named).schema == expected


@pytest.mark.parametrize("schema", ['{"maximum": 1e999}', '{"description": "' + "x" * 300_000 + '"}'])
def test_a_schema_that_cannot_be_held_is_not_valid(schema: str) -> None:
    head = '{"model": "m", "messages": [{"role": "user", "content": "a"}], "response_format": '
    body = head + '{"type": "json_schema", "json_schema": {"name": "n", "schema": ' + schema + "}}}"
    with pytest.raises(InvalidJsonSchema) as caught:
        parse_chat(body.encode())
    assert (caught.value.code, caught.value.param) == ("invalid_json_schema", "response_format")


def test_changed_members_are_seen_in_fields_and_properties_alike() -> None:
    request = parsed(stream=True, n=2, stream_options={"include_usage": True}, top_k=1)
    changed = request.with_fields(model="other", n=None, stream_options={"include_usage": False}, top_k=None, extra=[1])
    assert (changed.model, changed.choices, changed.wants_usage) == ("other", 1, False)
    assert msgspec.json.decode(msgspec.json.encode(changed.fields)) == {
        "model": "other",
        "messages": [USER],
        "stream": True,
        "stream_options": {"include_usage": False},
        "extra": [1],
    }
    assert (request.model, request.choices, request.wants_usage) == ("m", 2, True)


def test_a_changed_response_format_changes_the_schema() -> None:
    request = parsed(response_format={"type": "json_object"})
    assert request.with_fields(n=1).schema == {"type": "object"}
    assert request.with_fields(response_format=None).schema is None
    assert parsed().with_fields(response_format={"type": "json_object"}).schema == {"type": "object"}


def test_messages_can_be_replaced_though_some_parts_are_unknown() -> None:
    body = part(type="video_url", video_url="x")
    request = parse_chat(json.dumps(body).encode())
    messages = msgspec.json.decode(request.fields["messages"], type=list[msgspec.Raw])
    changed = request.with_fields(messages=[{"role": "system", "content": "Be brief."}, *messages])
    assert json.loads(bytes(changed.fields["messages"]))[1:] == body["messages"]
    assert changed.input_text() == "Be brief.\nHello\na"


def test_tools_and_schema_count_as_input() -> None:
    request = parsed(tools=[FUNCTION], response_format={"type": "json_object"})
    assert request.input_text() == "\n".join(["Hello", json.dumps([FUNCTION]), '{"type": "json_object"}'])


def test_large_attachments_are_not_copied() -> None:
    url = '"data:image/png;base64,' + "A" * 1_000_000 + '"'
    body = '{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":' + url + "}}]}]}"
    content = parse_chat(body.encode()).parameters.messages[0].content
    assert isinstance(content, list)
    image = content[0]
    assert isinstance(getattr(image, "image_url").url, msgspec.Raw)  # noqa: B009 - the union has no common member
