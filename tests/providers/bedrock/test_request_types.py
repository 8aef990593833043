"""Whatever valid chat comes in, the request that goes out is one that AWS's own library would send, or is refused."""

import itertools
import json
import re
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.providers.anthropic.test_request_types import carried, parse, said, stops
from tests.providers.asking import USER
from tests.providers.bedrock import botocore_reading
from tests.providers.bedrock.asking import CHAT, GPT, HAIKU, NOVA, plain_message, target, whole
from tests.unit.wire.request_strategies import chats

from aqueduct.domain.model import StructuredOutput
from aqueduct.errors import InvalidRequest
from aqueduct.providers.bedrock.models import FAMILIES, family_of
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.replay import replay

NAMES = [f"{name}-x-v1:0" if "." in name else f"{name}.x-v1:0" for name in FAMILIES]
NAMES += [HAIKU, "anthropic.claude-3-haiku-20240307-v1:0", "global.anthropic.claude-opus-4-7-v1", "imported"]


def checked(request: ChatRequest, model: str) -> dict[str, Any]:
    """Build the request and insist that it is what Bedrock takes, as far as its description and its pages say."""
    body: dict[str, Any] = json.loads(CHAT.build_request(request, target(model)).body)
    operation = "ConverseStream" if request.is_stream else "Converse"
    assert botocore_reading.faults(model, body, operation) == ""
    assert botocore_reading.unknown_members(body) == []
    thinking = body.get("additionalModelRequestFields", {}).get("thinking", {})
    if "budget_tokens" in thinking:
        assert 1_024 <= thinking["budget_tokens"] < body["inferenceConfig"]["maxTokens"]
    family, roles = family_of(model), [turn["role"] for turn in body["messages"]]
    assert all(one != other for one, other in itertools.pairwise(roles))
    assert roles[0] == "user"
    assert family.prefills or roles[-1] == "user"
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    used = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    named = [block["document"]["name"] for block in blocks if "document" in block]
    assert len(used) == len(set(used))
    assert len(named) == len(set(named))
    assert all(re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", call_id) for call_id in used)
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", block["toolUse"]["name"]) for block in blocks if "toolUse" in block)
    assert "toolConfig" in body or not any({"toolUse", "toolResult"} & block.keys() for block in blocks)
    for turn in body["messages"]:
        assert turn["content"]
        assert all(block["text"].strip() for block in turn["content"] if "text" in block)
        if any("document" in block for block in turn["content"]):
            assert any("text" in block for block in turn["content"])
        results = ["toolResult" in block for block in turn["content"] if "cachePoint" not in block]
        assert results == sorted(results, reverse=True)
    return body


def refusal(request: ChatRequest, model: str) -> InvalidRequest | None:
    """Build the request, and all that goes with it, or return what is wrong with it."""
    try:
        checked(request, model)
        CHAT.dropped(request, target(model))
        CHAT.flows(request, target(model))
    except InvalidRequest as error:
        return error
    return None


@given(chats, st.sampled_from(NAMES))
def test_any_valid_chat_is_built_or_refused_by_a_parameter_it_has(chat: dict[str, Any], model: str) -> None:
    request = parse(chat)
    if request is None:
        return
    refused = refusal(request, model)
    if refused is not None:
        name = re.split(r"[.\[]", refused.param or "")[0]
        has_calls = any(message.get("tool_calls") or message["role"] == "tool" for message in chat["messages"])
        assert name in chat or (name == "tools" and has_calls) or message_has_old_call(chat)
    assert CHAT.way(request, target(model)) in StructuredOutput


def message_has_old_call(chat: dict[str, Any]) -> bool:
    return any(message.get("function_call") or message["role"] == "function" for message in chat["messages"])


@given(carried, st.sampled_from(NAMES))
def test_what_can_be_carried_is_built(chat: dict[str, Any], model: str) -> None:
    request = parse(chat)
    assert request is not None
    refused = refusal(request, model)
    if refused is None:
        return
    family = family_of(model)
    has_calls = any(one.get("tool_calls") or one["role"] == "tool" for one in chat["messages"])
    contents = [part for one in chat["messages"] if isinstance(one.get("content"), list) for part in one["content"]]
    addresses = any("https://" in json.dumps(part) for part in contents)
    reasons = {
        "tool_choice": (chat.get("tool_choice") == "required" and not family.choices)
        or (chat.get("tool_choice") == "none" and has_calls),
        "stop": not all(text.strip() for text in stops(chat)),
        "messages": not any(said(one) for one in chat["messages"]) or bool(refused.param and addresses),
        "tools": not family.has_tools,
        "parallel_tool_calls": chat.get("parallel_tool_calls") is False,
    }
    assert reasons[re.split(r"[.\[]", refused.param or "")[0]], refused.message


@pytest.mark.parametrize("model", [HAIKU, "us.anthropic.claude-opus-4-6-v1", NOVA, GPT])
def test_an_answer_sent_back_with_results_is_a_valid_next_turn(model: str) -> None:
    use = {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {"a": 1}}}
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}
    hidden = {"reasoningContent": {"redactedContent": "aGlkZGVu"}}
    answer = plain_message(whole(thought, hidden, {"text": "Well"}, use, stop_reason="tool_use"))
    result = {"role": "tool", "tool_call_id": "tooluse_1", "content": "2"}
    tools = [{"type": "function", "function": {"name": "f"}}]
    request = parse({"model": "m", "messages": [USER, answer, result], "tools": tools, "reasoning_effort": "low"})
    assert request is not None
    body = checked(request, model)
    expected = [thought, hidden, {"text": "Well"}, use] if "claude" in model else [{"text": "Well"}, use]
    assert body["messages"][1]["content"] == expected
    assert "additionalModelRequestFields" in body


def test_a_replayed_answer_keeps_what_can_be_sent_back() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}
    answer = CHAT.read_response(cast("Any", parse({"model": "m", "messages": [USER]})), whole(thought))
    first = json.loads(replay(answer.body, wants_usage=False)[0])
    assert first["choices"][0]["delta"]["reasoning_details"][0]["signature"] == "s"
