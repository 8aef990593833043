"""Whatever valid chat comes in, the request that goes out is one of Anthropic's own types, or is refused by name."""

import base64
import itertools
import json
import re
from typing import Any, cast

import pytest
from anthropic.types.message_create_params import MessageCreateParams
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.providers.anthropic.asking import CHAT, HAIKU, message, plain_message, target
from tests.providers.asking import USER
from tests.unit.wire.request_strategies import chats, record

from aqueduct.domain.model import StructuredOutput
from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.models import FAMILIES, family_of
from aqueduct.wire.chat import ChatRequest, parse_chat
from aqueduct.wire.replay import replay

TYPES: TypeAdapter[Any] = TypeAdapter(cast("Any", MessageCreateParams))
SAMPLING = ("temperature", "top_p", "top_k")
"""No longer among the client's types; the API of 2023-06-01 has them."""

NAMES = [f"claude-{name}" for name in FAMILIES if name[0].isalpha()] + ["claude-3-haiku", "claude-3-7-sonnet", "kimi"]

words = st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1, max_size=8)
control = st.sampled_from([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])
text_parts = record({"type": st.just("text"), "text": words}, cache_control=control)
images = st.sampled_from(["https://a.example/a.png", "data:image/png;base64,AAAA"]).map(
    lambda url: {"type": "image_url", "image_url": {"url": url}}
)
files = st.sampled_from([("application/pdf", b"%PDF-"), ("text/plain", b"text")]).map(
    lambda kind: {
        "type": "file",
        "file": {"filename": "a", "file_data": f"data:{kind[0]};base64,{base64.b64encode(kind[1]).decode()}"},
    }
)
contents = words | st.lists(text_parts | images | files, min_size=1, max_size=3)
calls = st.builds(
    lambda call_id, arguments: {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}},
    words,
    words | st.dictionaries(words, words, max_size=2).map(json.dumps),
)
details = st.fixed_dictionaries(
    {"type": st.just("reasoning.text"), "text": words, "signature": words},
    optional={"id": st.sampled_from(["block-0", "block-2", "x"]), "format": st.just("anthropic-claude-v1")},
) | st.fixed_dictionaries({"type": st.just("reasoning.encrypted"), "data": words})
messages = st.one_of(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer"]), "content": words | st.lists(text_parts, min_size=1)}
    ),
    st.fixed_dictionaries({"role": st.just("user"), "content": contents}),
    record({"role": st.just("assistant"), "content": words}, reasoning_details=st.lists(details, max_size=3)),
    record({"role": st.just("assistant"), "tool_calls": st.lists(calls, min_size=1, max_size=2)}, content=words),
    st.fixed_dictionaries({"role": st.just("tool"), "content": contents, "tool_call_id": words}),
)
parameters = st.sampled_from(
    [
        None,
        {"type": "object", "properties": {}},
        {"properties": {"a": {"type": "integer", "maximum": 3}}, "required": ["a"]},
        {"type": "object", "additionalProperties": True},
    ]
)
tools = st.builds(
    lambda name, strict, schema: {
        "type": "function",
        "function": {"name": name, "strict": strict, "parameters": schema},
    },
    st.sampled_from(["f", "g"]),
    st.booleans(),
    parameters,
)
carried = record(
    {
        "model": st.just("m"),
        "messages": st.lists(messages, min_size=1, max_size=6),
        "tools": st.lists(tools, min_size=1),
    },
    tool_choice=st.sampled_from(["auto", "none", "required"]),
    parallel_tool_calls=st.booleans(),
    reasoning_effort=st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"]),
    temperature=st.floats(0, 2),
    top_p=st.floats(0, 1),
    stop=words | st.lists(words, min_size=1, max_size=4),
    max_tokens=st.integers(1, 200_000),
    stream=st.booleans(),
    user=words,
)


def checked(request: ChatRequest, model: str) -> dict[str, Any]:
    """Build the request and insist that it is of Anthropic's types, without a member that they do not have."""
    body: dict[str, Any] = json.loads(CHAT.build_request(request, target(model)).body)
    typed = {name: value for name, value in body.items() if name not in SAMPLING}
    assert plainly(TYPES.validate_python(typed)) == typed
    if "thinking" in body and body["thinking"]["type"] == "enabled":
        assert 1_024 <= body["thinking"]["budget_tokens"] < body["max_tokens"]
    roles = [turn["role"] for turn in body["messages"]]
    assert all(one != other for one, other in itertools.pairwise(roles))
    assert roles[0] == "user"
    family = family_of(model)
    assert family.prefills or roles[-1] == "user"
    used = [block["id"] for turn in body["messages"] for block in turn["content"] if block["type"] == "tool_use"]
    assert len(used) == len(set(used))
    for turn in body["messages"]:
        assert turn["content"]
        kinds = [block["type"] == "tool_result" for block in turn["content"]]
        assert kinds == sorted(kinds, reverse=True)
        assert all(block["text"].strip() for block in turn["content"] if block["type"] == "text")
    return body


def plainly(value: Any) -> Any:
    """Return a validated value with its lazy sequences read."""
    if isinstance(value, dict):
        return {name: plainly(inner) for name, inner in value.items()}
    if isinstance(value, str | bytes | int | float | None):
        return value
    return [plainly(inner) for inner in value]


@given(chats, st.sampled_from(NAMES))
def test_any_valid_chat_is_built_or_refused_by_name(chat: dict[str, Any], model: str) -> None:
    request = parse(chat)
    if request is None:
        return
    refused = refusal(request, model)
    if refused is not None:
        assert re.split(r"[.\[]", refused.param or "")[0] in chat
    assert CHAT.way(request, target(model)) in StructuredOutput


def refusal(request: ChatRequest, model: str) -> InvalidRequest | None:
    """Build the request, and all that goes with it, or return what is wrong with it."""
    try:
        checked(request, model)
        CHAT.dropped(request, target(model))
        CHAT.flows(request, target(model))
    except InvalidRequest as error:
        return error
    return None


def parse(chat: dict[str, Any]) -> ChatRequest | None:
    """Return the request, None for one that is refused before any adapter sees it."""
    try:
        return parse_chat(json.dumps(chat).encode())
    except InvalidRequest:
        return None


@given(carried, st.sampled_from(NAMES))
def test_what_can_be_carried_is_built(chat: dict[str, Any], model: str) -> None:
    request = parse(chat)
    assert request is not None
    refused = refusal(request, model)
    if refused is not None:
        forced = chat.get("tool_choice") == "required" and not family_of(model).forces_tools
        blank = not all(text.strip() for text in stops(chat))
        silent = not any(said(one) for one in chat["messages"])
        assert {"tool_choice": forced, "stop": blank, "messages": silent}[refused.param or ""]


def stops(chat: dict[str, Any]) -> list[str]:
    stop = chat.get("stop") or []
    return [stop] if isinstance(stop, str) else stop


def said(one: dict[str, Any]) -> bool:
    """Whether a message says anything but space."""
    content = one.get("content")
    parts = [content] if isinstance(content, str) else [part.get("text", "x") for part in content or ()]
    return (
        any(part.strip() for part in parts)
        or bool(one.get("tool_calls") or one.get("reasoning_details"))
        or one["role"] == "tool"
    )


@pytest.mark.parametrize("model", [HAIKU, "claude-opus-5-5"])
def test_an_answer_sent_back_with_results_is_a_valid_next_turn(model: str) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    answer = plain_message(message(thought, {"type": "text", "text": "Well"}, use, stop_reason="tool_use"))
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "2"}
    request = parse({"model": "m", "messages": [USER, answer, result], "reasoning_effort": "low"})
    assert request is not None
    body = checked(request, model)
    assert body["messages"][1]["content"] == [thought, {"type": "text", "text": "Well"}, use]
    assert "thinking" in body


def test_a_replayed_answer_keeps_what_can_be_sent_back() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    whole = CHAT.read_response(cast("Any", parse({"model": "m", "messages": [USER]})), message(thought))
    first = json.loads(replay(whole.body, wants_usage=False)[0])
    assert first["choices"][0]["delta"]["reasoning_details"][0]["signature"] == "s"
