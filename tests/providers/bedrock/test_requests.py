"""What a chat becomes at Bedrock, one thing at a time."""

import base64
from typing import Any

import pytest
from tests.providers.asking import SCHEMA, USER, asked
from tests.providers.bedrock.asking import CHAT, GPT, HAIKU, NOVA, dropped, sent, target, turns

from aqueduct.domain.model import StructuredOutput
from aqueduct.errors import InvalidRequest

PNG = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "2"}
OPUS = "us.anthropic.claude-opus-4-6-v1"
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


def pdf(filename: str | None = "a.pdf", **members: Any) -> dict[str, Any]:
    data = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1").decode()
    return {"type": "file", "file": {"filename": filename, "file_data": data}, **members}


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-lite-v1%3A0",
        ),
    ],
)
def test_a_models_id_is_one_segment_of_the_path(model: str, path: str) -> None:
    assert CHAT.build_request(asked(), target(model)).path == f"/model/{path}/converse"
    assert CHAT.build_request(asked(stream=True), target(model)).path == f"/model/{path}/converse-stream"


@pytest.mark.parametrize("name", ["..", "/x", "a b", "a?b", "a%2e"])
def test_a_name_that_is_no_models_id_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        CHAT.build_request(asked(model=name), target("*"))
    assert refused.value.param == "model"


def test_instructions_go_apart_and_turns_are_merged() -> None:
    messages = [{"role": "system", "content": "S"}, USER, {"role": "developer", "content": "D"}, USER]
    body = sent(messages=messages)
    assert body["system"] == [{"text": "S"}, {"text": "D"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "Hello"}, {"text": "Hello"}]}]
    old = sent("amazon.titan-text-express-v1", messages=messages)
    assert "system" not in old
    assert [block["text"] for block in old["messages"][0]["content"]] == ["S", "D", "Hello", "Hello"]


def test_images_go_as_bytes_and_addresses_are_refused_for_the_gateway_fetches_them() -> None:
    part = {"type": "image_url", "image_url": {"url": PNG}}
    (turn,) = turns({"role": "user", "content": [part]})
    assert turn["content"] == [{"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}]
    assert not CHAT.fetches_urls
    with pytest.raises(InvalidRequest):
        turns({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}]})


def test_documents_have_names_that_bedrock_takes_no_two_the_same_and_words_beside_them() -> None:
    parts = [pdf("Bericht_2026: (final).pdf"), pdf("a.pdf", citations={"enabled": True}), pdf("a.pdf"), pdf(None)]
    (turn,) = turns({"role": "user", "content": parts})
    assert turn["content"][0] == {"text": "."}
    documents = [block["document"] for block in turn["content"][1:]]
    assert [each["name"] for each in documents] == ["Bericht 2026 (final)", "a", "a 2", "document"]
    assert {each["format"] for each in documents} == {"pdf"}
    assert [each.get("citations") for each in documents] == [None, {"enabled": True}, None, None]


def test_results_come_first_in_their_turn_and_may_say_that_the_tool_failed() -> None:
    failed = {**RESULT, "is_error": True}
    found = turns(USER, CALL, USER, failed, tools=[TOOL])
    assert found[1]["content"] == [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {}}}]
    result = {"toolUseId": "c1", "content": [{"text": "2"}], "status": "error"}
    assert found[2]["content"] == [{"toolResult": result}, {"text": "Hello"}]
    members: dict[str, Any] = {"messages": [USER, CALL, failed], "tools": [TOOL]}
    assert "status" not in sent(GPT, **members)["messages"][2]["content"][0]["toolResult"]
    assert dropped(GPT, **members) == ("messages.is_error",)


def test_cache_breakpoints_become_points_after_what_they_end() -> None:
    part = {"type": "text", "text": "Long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    tool = {**TOOL, "cache_control": {"type": "ephemeral"}}
    members: dict[str, Any] = {
        "messages": [{"role": "system", "content": [part]}, {"role": "user", "content": [part]}],
        "tools": [tool],
    }
    body = sent(**members)
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["system"] == body["messages"][0]["content"] == [{"text": "Long"}, point]
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert len(sent(NOVA, **members)["toolConfig"]["tools"]) == 1
    assert dropped(NOVA, **members) == ("tools.cache_control",)
    assert sent(GPT, **members)["system"] == [{"text": "Long"}]
    assert dropped(GPT, **members) == ("messages.cache_control", "tools.cache_control")


def test_the_choice_of_tools() -> None:
    spec = {"name": "f", "description": "d", "inputSchema": {"json": SCHEMA}}
    one: dict[str, Any] = {"type": "function", "function": {"name": "f"}}
    assert sent(tools=[TOOL])["toolConfig"] == {"tools": [{"toolSpec": spec}]}
    assert sent(tools=[TOOL], tool_choice="required")["toolConfig"]["toolChoice"] == {"any": {}}
    assert sent(tools=[TOOL], tool_choice=one)["toolConfig"]["toolChoice"] == {"tool": {"name": "f"}}
    assert "toolConfig" not in sent(tools=[TOOL], tool_choice="none")
    other = {"type": "function", "function": {"name": "g"}}
    large = sent("mistral.mistral-large-2402-v1:0", tools=[TOOL, other], tool_choice=one)["toolConfig"]
    assert large == {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}


@pytest.mark.parametrize(
    ("model", "members", "param"),
    [
        (HAIKU, {"messages": [USER, CALL, RESULT], "tools": [TOOL], "tool_choice": "none"}, "tool_choice"),
        (HAIKU, {"messages": [USER, CALL, RESULT]}, "tools"),
        (GPT, {"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
        ("us.deepseek.r1-v1:0", {"tools": [TOOL]}, "tools"),
        (HAIKU, {"parallel_tool_calls": False, "tools": [TOOL]}, "parallel_tool_calls"),
        (HAIKU, {"stop": " "}, "stop"),
        (HAIKU, {"logprobs": True}, "logprobs"),
        (HAIKU, {"service_tier": "scale"}, "service_tier"),
        (NOVA, {"reasoning_effort": "huge"}, "reasoning_effort"),
        (NOVA, {"top_k": "many"}, "top_k"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(model: str, members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sent(model, **members)
    assert refused.value.param == param


def test_limits_and_sampling() -> None:
    members: dict[str, Any] = {"max_tokens": 9, "temperature": 0.5, "stop": "x", "top_k": 4, "service_tier": "flex"}
    body = sent(**members)
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["x"]}
    assert body["additionalModelRequestFields"] == {"top_k": 4}
    assert body["serviceTier"] == {"type": "flex"}
    assert sent(NOVA, **members)["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 4}}
    assert sent(GPT, temperature=1.5, top_p=0.5)["inferenceConfig"] == {"temperature": 1.0, "topP": 0.5}
    assert dropped(GPT, temperature=1.5, top_k=4, seed=1) == ("seed", "temperature", "top_k")


@pytest.mark.parametrize(
    ("model", "effort", "additional", "lost"),
    [
        (HAIKU, "low", {"thinking": {"type": "enabled", "budget_tokens": 2_048}}, ()),
        (NOVA, "minimal", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, ()),
        (NOVA, "xhigh", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, ()),
        (NOVA, "none", None, ()),
        (GPT, "medium", {"reasoning_effort": "medium"}, ()),
        (GPT, "none", {"reasoning_effort": "low"}, ("reasoning_effort",)),
        ("meta.llama3-3-70b-instruct-v1:0", "low", None, ("reasoning_effort",)),
    ],
)
def test_effort_is_asked_for_as_each_family_wants_it(
    model: str, effort: str, additional: dict[str, Any] | None, lost: tuple[str, ...]
) -> None:
    assert sent(model, reasoning_effort=effort).get("additionalModelRequestFields") == additional
    assert dropped(model, reasoning_effort=effort) == lost


def test_the_newer_claude_models_are_told_an_effort() -> None:
    body = sent(OPUS, reasoning_effort="high")
    assert body["outputConfig"] == {"effort": "high"}
    assert body["additionalModelRequestFields"]["thinking"]["type"] == "adaptive"


def test_novas_highest_effort_goes_without_sampling_and_yields_to_a_limit() -> None:
    body = sent(NOVA, reasoning_effort="high", temperature=0.5, max_tokens=9)
    assert body["inferenceConfig"] == {"maxTokens": 9}
    assert body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"
    assert dropped(NOVA, reasoning_effort="high", temperature=0.5, max_tokens=9) == ("temperature", "reasoning_effort")


def test_a_schema_is_kept_to_natively_by_a_tool_or_by_words() -> None:
    request = asked(response_format=FORMAT)
    assert CHAT.way(request, target(HAIKU)) is StructuredOutput.NATIVE
    assert CHAT.flows(request, target(HAIKU))
    assert CHAT.way(request, target(NOVA)) is StructuredOutput.TOOL
    assert not CHAT.flows(request, target(NOVA))
    assert CHAT.way(request, target("us.meta.llama3-3-70b-instruct-v1:0")) is StructuredOutput.INSTRUCTION
    assert CHAT.way(request, target(HAIKU, way=StructuredOutput.TOOL)) is StructuredOutput.TOOL
    assert sent(response_format=FORMAT)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["name"] == "n"


def test_a_guardrail_is_the_providers() -> None:
    body = sent(target(guardrail="abc123", guardrail_version="2"))
    assert body["guardrailConfig"] == {"guardrailIdentifier": "abc123", "guardrailVersion": "2"}
    assert "guardrailConfig" not in sent()


def test_what_the_config_lets_go_is_dropped() -> None:
    at = target(drop_fields=["parallel_tool_calls"])
    assert "toolConfig" in sent(at, parallel_tool_calls=False, tools=[TOOL])
    assert dropped(at, parallel_tool_calls=False, tools=[TOOL]) == ("parallel_tool_calls",)
