"""A request for a chat as the body of `Converse`: what goes, what is refused, what is left out."""

from typing import Any

import msgspec

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.messages import lost_members
from aqueduct.providers.anthropic.schema import adapt
from aqueduct.providers.bedrock.messages import Conversation
from aqueduct.providers.bedrock.models import Family, family_of
from aqueduct.providers.bedrock.options import read_options
from aqueduct.providers.bedrock.tools import lost_tool_members, tool_config
from aqueduct.providers.chat_target import carried_chat, upstream_model
from aqueduct.providers.field_policy import FieldPolicy, always, given_fields
from aqueduct.wire.chat import ChatRequest, JsonSchemaResponse
from aqueduct.wire.request import Request

_TIERS = ("auto", "default", "flex", "priority")

POLICY = FieldPolicy(
    translated=frozenset(
        {"max_completion_tokens", "max_tokens", "messages", "n", "parallel_tool_calls", "reasoning_effort"}
        | {"response_format", "safety_identifier", "service_tier", "stop", "temperature", "thinking", "tool_choice"}
        | {"tools", "top_k", "top_p"}
    ),
    refused={
        "audio": always,
        "function_call": lambda value: value != "none",
        "functions": always,
        "logit_bias": bool,
        "logprobs": bool,
        "modalities": lambda value: value != ["text"],
        "moderation": always,
        "parallel_tool_calls": lambda value: value is False,
        "response_format": lambda value: value["type"] not in ("text", "json_object", "json_schema"),
        "service_tier": lambda value: value not in _TIERS,
        "stop": lambda value: not all(text.strip() for text in ([value] if isinstance(value, str) else value)),
        "top_logprobs": bool,
        "web_search_options": always,
    },
)
"""What becomes of each field; the page on providers lists what is refused."""

NO_GUARDRAIL = "none"


def build_body(request: Request, target: Target) -> bytes:
    """Return the body, or raise `InvalidRequest` naming what cannot be carried."""
    POLICY.check(request, target)
    return msgspec.json.encode(_body(carried_chat(request, target), target))


def dropped_fields(request: Request, target: Target) -> tuple[str, ...]:
    """Return what is left out: by policy, because the model does not take it, or not as it is."""
    carried, family = carried_chat(request, target), family_of(upstream_model(request, target))
    conversation = Conversation(carried, family)
    options = read_options(carried, family, lacks_thinking=conversation.lacks_thinking)
    return (
        *POLICY.dropped(request, target),
        *options.dropped,
        *lost_members(carried),
        *conversation.lost,
        *lost_tool_members(carried, family),
    )


def _body(request: ChatRequest, target: Target) -> dict[str, Any]:
    family = family_of(upstream_model(request, target))
    conversation = Conversation(request, family)
    options = read_options(request, family, lacks_thinking=conversation.lacks_thinking)
    body: dict[str, Any] = {"messages": conversation.turns}
    if conversation.system:
        body["system"] = conversation.system
    output: dict[str, Any] = dict(options.output)
    if request.schema is not None:
        output["textFormat"] = _format(request, family)
    if not (family.prefills and not options.thinks and request.schema is None and conversation.end_as_beginning()):
        conversation.end_with_user()
    inference = dict(options.inference)
    if stop := request.parameters.stop:
        inference["stopSequences"] = [stop] if isinstance(stop, str) else stop
    parts = {
        "inferenceConfig": inference,
        "additionalModelRequestFields": options.additional,
        "outputConfig": output,
        "toolConfig": tool_config(request, family, has_calls=conversation.has_calls),
        "guardrailConfig": _guardrail(target),
        "serviceTier": _tier(request),
    }
    return body | {name: part for name, part in parts.items() if part}


def _format(request: ChatRequest, family: Family) -> dict[str, Any]:
    adapted = adapt(request.schema) if family.has_schemas else None
    if adapted is None:
        raise InvalidRequest("This model cannot be held to this JSON schema by itself.", param="response_format")
    schema: dict[str, Any] = {"schema": msgspec.json.encode(adapted.schema).decode()}
    asked = request.parameters.response_format
    if isinstance(asked, JsonSchemaResponse):
        schema["name"] = asked.json_schema.name
        if asked.json_schema.description:
            schema["description"] = asked.json_schema.description
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _guardrail(target: Target) -> dict[str, str]:
    options = target.provider.options
    if options["guardrail"] == NO_GUARDRAIL:
        return {}
    return {"guardrailIdentifier": options["guardrail"], "guardrailVersion": options["guardrail_version"]}


def _tier(request: ChatRequest) -> dict[str, str]:
    raw = given_fields(request).get("service_tier")
    tier = None if raw is None else msgspec.json.decode(raw)
    return {"type": tier} if tier in _TIERS and tier != "auto" else {}
