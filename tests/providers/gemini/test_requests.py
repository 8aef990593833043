"""What a chat request becomes at Gemini, field by field; every body is one that Google's own types take."""

import base64
import json
from typing import Any

import pytest
from tests.providers.asking import USER, WEATHER
from tests.providers.gemini.exchange import CHAT, VERTEX, VERTEX_CHAT, chat, sent, target

from aqueduct.domain.model import Provider, StructuredOutput, Target
from aqueduct.errors import InvalidRequest
from aqueduct.providers.gemini.messages import DUMMY_SIGNATURE
from aqueduct.providers.registry import KINDS

PIXEL = base64.b64encode(b"\x89PNG....").decode()
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
LONG = {"type": "object", "properties": {"name": {"type": "string", "minLength": 3}}}
LOOP = {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}}}}


def call(call_id: str = "c1", place: str = "Berlin", signature: str | None = None) -> dict[str, Any]:
    extra = {} if signature is None else {"extra_content": {"google": {"thought_signature": signature}}}
    function = {"name": "weather", "arguments": json.dumps({"place": place})}
    return {"id": call_id, "type": "function", "function": function, **extra}


def called(*calls: dict[str, Any], **message: Any) -> list[dict[str, Any]]:
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "15 degrees"} for each in calls]
    return [USER, {"role": "assistant", "content": None, "tool_calls": list(calls), **message}, *results]


def schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def refused(model: str = "gemini-3.8-flash", **members: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refusal:
        sent(model, **members)
    return refusal.value.param


def test_a_plain_chat_is_contents_alone() -> None:
    assert sent() == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_the_key_goes_into_its_own_header_and_the_model_into_the_path() -> None:
    request = CHAT.build_request(chat(stream=True), target(api_key="secret", headers=(("X-Team", "a"),)))
    assert request.path == "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    assert (b"x-goog-api-key", b"secret") in request.headers
    assert (b"x-team", b"a") in request.headers
    assert CHAT.build_request(chat(), target("tunedModels/mine-1")).path == "/v1beta/tunedModels/mine-1:generateContent"


@pytest.mark.parametrize("model", ["../../admin", "a/b", "a?b", "a b", "models/x", ".hidden", "a:b"])
def test_a_name_that_a_client_chose_cannot_leave_the_path_of_models(model: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        CHAT.build_request(chat(model=model), target("*"))
    assert refusal.value.param == "model"


def test_a_client_may_choose_the_model_of_a_wildcard_target() -> None:
    path = CHAT.build_request(chat(model="gemini-2.5-pro"), target("*")).path
    assert path == "/v1beta/models/gemini-2.5-pro:generateContent"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_is_asked_where_the_location_is(location: str, host: str) -> None:
    options = {"project": "p", "location": location}
    provider = Provider(name="v", kind="vertex", origin=VERTEX.origin, base_path="/v1beta1", options=options)
    request = VERTEX_CHAT.build_request(chat(), Target(provider=provider, model="gemini-2.5-flash"))
    assert request.origin.host == host
    path = f"/v1beta1/projects/p/locations/{location}/publishers/google/models/gemini-2.5-flash:generateContent"
    assert request.path == path
    endpoint = VERTEX_CHAT.build_request(chat(), Target(provider=provider, model="endpoints/123"))
    assert endpoint.path == f"/v1beta1/projects/p/locations/{location}/endpoints/123:generateContent"


def test_instructions_are_apart_and_turns_of_one_role_are_merged() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "One"},
        {"role": "user", "content": [{"type": "text", "text": "Two"}]},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": None, "refusal": "Never."},
        {"role": "user", "content": "Three"},
    ]
    body = sent(messages=messages)
    assert body["systemInstruction"] == {"parts": [{"text": "Be kind."}, {"text": "Be brief."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "One"}, {"text": "Two"}]},
        {"role": "model", "parts": [{"text": "No."}, {"text": "Never."}]},
        {"role": "user", "parts": [{"text": "Three"}]},
    ]


def test_instructions_alone_are_what_the_user_says() -> None:
    assert sent(messages=[{"role": "system", "content": "Hi"}])["contents"] == [
        {"role": "user", "parts": [{"text": "Hi"}]}
    ]


def test_images_recordings_and_files_are_data() -> None:
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:text/plain,a%20b"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/a.webp"}},
        {"type": "image_url", "image_url": {"url": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PIXEL}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PIXEL}"}},
        {"type": "file", "file": {"file_id": "gs://bucket/b.pdf"}},
    ]
    assert sent(messages=[{"role": "user", "content": content}])["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
        {"inlineData": {"mimeType": "text/plain", "data": base64.b64encode(b"a b").decode()}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "gs://bucket/a.webp"}},
        {
            "fileData": {
                "mimeType": "image/jpeg",
                "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
            }
        },
        {"inlineData": {"mimeType": "audio/wav", "data": PIXEL}},
        {"inlineData": {"mimeType": "application/pdf", "data": PIXEL}},
        {"inlineData": {"mimeType": "application/pdf", "data": PIXEL}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://bucket/b.pdf"}},
    ]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}, "image_url.url"),
        ({"type": "file", "file": {"file_id": "file-123"}}, "file.file_id"),
        ({"type": "file", "file": {"file_data": "data:text/csv;base64,YQ=="}}, "file.file_data"),
        ({"type": "input_audio", "input_audio": {"data": "YQ==", "format": "a/b"}}, "input_audio.format"),
        ({"type": "video_url", "video_url": {"url": "x"}}, "type"),
    ],
)
def test_a_part_that_cannot_be_carried_is_named(part: dict[str, Any], param: str) -> None:
    assert refused(messages=[{"role": "user", "content": [part]}]) == f"messages[0].content[0].{param}"


def test_parallel_calls_and_their_results_stay_together_and_by_name() -> None:
    contents = sent(messages=[*called(call("c1", signature="c2ln"), call("c2", "Rome")), USER])["contents"]
    assert contents[1]["parts"] == [
        {"functionCall": {"name": "weather", "args": {"place": "Berlin"}, "id": "c1"}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "weather", "args": {"place": "Rome"}, "id": "c2"}},
    ]
    response = {"name": "weather", "response": {"output": "15 degrees"}}
    assert contents[2] == {
        "role": "user",
        "parts": [{"functionResponse": {**response, "id": "c1"}}, {"functionResponse": {**response, "id": "c2"}}],
    }
    assert contents[3] == {"role": "user", "parts": [{"text": "Hello"}]}


def test_a_model_without_ids_gets_none() -> None:
    contents = sent("gemini-2.5-flash", messages=called(call()))["contents"]
    assert contents[1]["parts"] == [{"functionCall": {"name": "weather", "args": {"place": "Berlin"}}}]
    assert "id" not in contents[2]["parts"][0]["functionResponse"]


@pytest.mark.parametrize("lost", [None, "not base64!"])
def test_a_lost_signature_is_stood_in_for_where_the_model_insists_on_one(lost: str | None) -> None:
    parts = sent(messages=called(call("c1", signature=lost), call("c2")))["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [DUMMY_SIGNATURE, None]
    (part,) = sent("gemini-2.5-flash", messages=called(call(signature=lost)))["contents"][1]["parts"]
    assert "thoughtSignature" not in part


def test_the_signature_of_a_text_travels_with_it() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    said = {"role": "assistant", "content": "Hi.", "extra_content": extra}
    assert sent(messages=[USER, said, USER])["contents"][1]["parts"] == [{"text": "Hi.", "thoughtSignature": "c2ln"}]


def test_a_result_that_is_an_object_is_given_as_one_and_may_show_an_image() -> None:
    messages = called(call())
    messages[-1]["content"] = [{"type": "text", "text": '{"degrees": 15}'}]
    (part,) = sent(messages=messages)["contents"][2]["parts"]
    assert part["functionResponse"]["response"] == {"degrees": 15}
    messages[-1]["content"].append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}})
    (part,) = sent(messages=messages)["contents"][2]["parts"]
    assert part["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": PIXEL}}]
    assert refused("gemini-2.5-flash", messages=messages) == "messages[2].content[1]"


def test_a_result_without_its_call_is_refused() -> None:
    stray = [USER, {"role": "tool", "tool_call_id": "gone", "content": "15"}]
    assert refused(messages=stray) == "messages[1].tool_call_id"


@pytest.mark.parametrize(("text", "args"), [("", {}), ("{", {"arguments": "{"}), ("[1]", {"arguments": "[1]"})])
def test_arguments_that_are_no_object_are_kept_in_one(text: str, args: dict[str, Any]) -> None:
    broken = call()
    broken["function"]["arguments"] = text
    assert sent(messages=called(broken))["contents"][1]["parts"][0]["functionCall"]["args"] == args


def test_a_tool_that_failed_says_so() -> None:
    messages = called(call())
    messages[-1] |= {"content": '{"why": 1}', "is_error": True}
    (part,) = sent(messages=messages)["contents"][2]["parts"]
    assert part["functionResponse"]["response"] == {"error": '{"why": 1}'}


def test_the_old_form_of_calls_in_messages_is_taken() -> None:
    said = {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}}
    contents = sent(messages=[USER, said, {"role": "function", "name": "weather", "content": "15"}])["contents"]
    assert contents[1]["parts"][0]["functionCall"] == {"name": "weather", "args": {}}
    assert contents[2]["parts"] == [{"functionResponse": {"name": "weather", "response": {"output": "15"}}}]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "weather"}}, {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_a_choice_of_tools_is_a_mode(choice: Any, config: dict[str, Any]) -> None:
    body = sent(tools=[WEATHER, {"type": "function", "function": {"name": "now"}}], tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": config}
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "The weather of a place.",
                    "parametersJsonSchema": WEATHER["function"]["parameters"],
                },
                {"name": "now"},
            ]
        }
    ]


def test_a_choice_may_be_narrowed_and_strict_functions_are_validated() -> None:
    strict = {"type": "function", "function": {**WEATHER["function"], "name": "exact", "strict": True}}
    allowed = [{"type": "function", "function": {"name": "exact"}}]
    narrowed: dict[str, Any] = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": allowed}}
    body = sent(tools=[WEATHER, strict], tool_choice=narrowed)
    assert [each["name"] for each in body["tools"][0]["functionDeclarations"]] == ["exact"]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    narrowed["allowed_tools"]["mode"] = "required"
    config = sent(tools=[WEATHER, strict], tool_choice=narrowed)["toolConfig"]["functionCallingConfig"]
    assert config == {"mode": "ANY", "allowedFunctionNames": ["exact"]}


def test_an_older_model_gets_its_dialect_and_in_words_what_that_cannot_say() -> None:
    (tool,) = sent("gemini-2.0-flash", tools=[WEATHER])["tools"]
    properties = {"place": {"type": "STRING"}}
    schema = {"type": "OBJECT", "properties": properties, "required": ["place"], "propertyOrdering": ["place"]}
    assert tool["functionDeclarations"][0]["parameters"] == schema
    free = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}
    (tool,) = sent("gemini-2.0-flash", tools=[free])["tools"]
    (declaration,) = tool["functionDeclarations"]
    assert "parameters" not in declaration
    assert '"properties":{"a":{}}' in declaration["description"]


def test_search_is_googles() -> None:
    assert sent(web_search_options={})["tools"] == [{"googleSearch": {}}]
    assert refused(web_search_options={}, tools=[WEATHER]) == "web_search_options"
    located = {"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}}
    assert refused(web_search_options=located) == "web_search_options.user_location"


def test_what_steers_the_model_has_its_own_names() -> None:
    body = sent(
        temperature=0.5,
        top_p=0.9,
        max_completion_tokens=100,
        stop=["a", "", "b"],
        presence_penalty=1,
        frequency_penalty=-1,
        seed=2**40 + 7,
        logprobs=True,
        top_logprobs=3,
        modalities=["text", "image"],
    )
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 100,
        "stopSequences": ["a", "b"],
        "presencePenalty": 1,
        "frequencyPenalty": -1,
        "seed": 7,
        "responseLogprobs": True,
        "logprobs": 3,
        "responseModalities": ["TEXT", "IMAGE"],
    }


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro-preview-06-05", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", "minimal", {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3.8-flash", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-2.5-pro", "max", {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-9", "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_an_effort_is_a_budget_or_a_level(model: str, effort: str, thinking: dict[str, Any]) -> None:
    assert sent(model, reasoning_effort=effort)["generationConfig"]["thinkingConfig"] == thinking


def test_a_model_that_does_not_reason_drops_the_effort_and_says_so() -> None:
    request = chat(reasoning_effort="high")
    assert "generationConfig" not in sent("gemini-2.0-flash", reasoning_effort="high")
    assert CHAT.dropped(request, target("gemini-2.0-flash")) == ("reasoning_effort",)
    assert CHAT.dropped(request, target()) == ()
    assert refused(reasoning_effort="endless") == "reasoning_effort"


def test_what_does_not_change_the_answers_meaning_is_dropped_by_name() -> None:
    request = chat(verbosity="low", prompt_cache_key="k", user="u", metadata={}, unknown=1, parallel_tool_calls=True)
    assert CHAT.dropped(request, target()) == ("verbosity", "prompt_cache_key", "unknown")


@pytest.mark.parametrize(
    "members",
    [
        {"logit_bias": {"1": 5}},
        {"audio": {"voice": "a", "format": "wav"}},
        {"modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
        {"parallel_tool_calls": False},
        {"moderation": {"model": "m"}},
    ],
)
def test_what_does_is_refused_by_name_unless_the_config_drops_it(members: dict[str, Any]) -> None:
    (name,) = members
    assert refused(**members) == name
    lenient = target(drop_fields=frozenset(members))
    CHAT.build_request(chat(**members), lenient)
    assert CHAT.dropped(chat(**members), lenient) == (name,)


def test_a_tool_that_is_no_function_or_has_a_name_that_gemini_cannot_have_is_refused() -> None:
    assert refused(tools=[{"type": "custom", "custom": {"name": "c"}}]) == "tools[0].type"
    assert refused(tools=[{"type": "function", "function": {"name": "1st"}}]) == "tools[0].function.name"
    choice = {"type": "function", "function": {"name": "other"}}
    assert refused(tools=[WEATHER], tool_choice=choice) == "tool_choice"


def test_a_schema_goes_in_natively() -> None:
    config = sent(response_format=FORMAT)["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": PERSON}
    config = sent("gemini-2.0-flash", response_format=FORMAT)["generationConfig"]
    assert config["responseSchema"]["properties"] == {"name": {"type": "STRING"}}
    assert sent(response_format={"type": "json_object"})["generationConfig"] == {"responseMimeType": "application/json"}
    assert sent(response_format={"type": "text"}) == sent()


@pytest.mark.parametrize(("schema", "has_native"), [(LONG, True), (LOOP, False)])
def test_what_the_native_way_cannot_say_is_said_in_words_too(schema: Any, has_native: bool) -> None:
    request: dict[str, Any] = {"response_format": schema_format(schema)}
    body = sent(**request)
    assert ("responseJsonSchema" in body["generationConfig"]) == has_native
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    (instruction,) = body["systemInstruction"]["parts"]
    assert instruction["text"].endswith(json.dumps(schema, separators=(",", ":")))
    assert not CHAT.flows(chat(stream=True, **request), target())


def test_a_stream_flows_where_the_model_is_held_to_the_whole_schema() -> None:
    request = chat(stream=True, response_format=FORMAT)
    assert CHAT.flows(request, target())
    assert CHAT.flows(chat(stream=True), target())
    forced = Target(provider=target().provider, model="gemini-3.8-flash", structured_output=StructuredOutput.TOOL)
    assert not CHAT.flows(request, forced)
    with_tools = chat(stream=True, response_format=FORMAT, tools=[WEATHER])
    assert CHAT.flows(with_tools, target())
    assert not CHAT.flows(with_tools, target("gemini-2.5-flash"))


def test_an_older_model_with_tools_is_told_of_the_schema_in_words() -> None:
    body = sent("gemini-2.5-flash", response_format=FORMAT, tools=[WEATHER])
    assert "generationConfig" not in body
    assert "Unless you call a function" in body["systemInstruction"]["parts"][0]["text"]


def test_choices_are_calls_of_their_own() -> None:
    assert len(CHAT.calls(chat(n=3))) == 3


def test_completions_are_not_spoken() -> None:
    assert {name: set(KINDS[name].adapter) for name in ("gemini", "vertex")} == {"gemini": {"chat"}, "vertex": {"chat"}}
