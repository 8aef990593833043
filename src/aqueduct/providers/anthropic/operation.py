"""Anthropic's Messages API as an operation: what the registry names."""

from collections.abc import Sequence
from typing import Any

import msgspec

from aqueduct.domain.http import Headers, UpstreamRequest
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import InvalidRequest, UpstreamError
from aqueduct.providers.anthropic import errors
from aqueduct.providers.anthropic.answer import read_answer
from aqueduct.providers.anthropic.extras import cache_control
from aqueduct.providers.anthropic.messages import Conversation, lost_members
from aqueduct.providers.anthropic.models import Family, family_of
from aqueduct.providers.anthropic.options import asks_to_think, read_options
from aqueduct.providers.anthropic.parts import FILE_TYPES
from aqueduct.providers.anthropic.schema import adapt, holds_strictly
from aqueduct.providers.anthropic.stream import AnthropicStreamReader
from aqueduct.providers.anthropic.tools import has_tools, tool_fields
from aqueduct.providers.authentication import anthropic_headers
from aqueduct.providers.base import EVENT_STREAM, Answer, StreamReader
from aqueduct.providers.chat_target import carried_chat, upstream_model
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.field_policy import FieldPolicy, always, given_fields
from aqueduct.providers.posting import post
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.request import Request

POLICY = FieldPolicy(
    translated=frozenset(
        {"cache_control", "max_completion_tokens", "max_tokens", "messages", "n", "parallel_tool_calls"}
        | {"reasoning_effort", "response_format", "safety_identifier", "stop", "temperature", "thinking", "tool_choice"}
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
        "response_format": lambda value: value["type"] not in ("text", "json_object", "json_schema"),
        "service_tier": lambda value: value not in ("auto", "default"),
        "stop": lambda value: not all(text.strip() for text in ([value] if isinstance(value, str) else value)),
        "top_logprobs": bool,
        "web_search_options": always,
    },
)
"""What becomes of each field; the page on providers lists what is refused."""

_LONGEST_USER = 256


class AnthropicChat:
    """Chat by `POST /messages`."""

    stream_type = EVENT_STREAM
    fetches_urls = True
    file_types = FILE_TYPES

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Translate the request, or raise `InvalidRequest` naming what cannot be carried."""
        POLICY.check(request, target)
        body = msgspec.json.encode(_body(carried_chat(request, target), target))
        return post(target.provider, "/messages", anthropic_headers(target.provider), body)

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Translate a whole message."""
        return read_answer(request, body)

    def stream_reader(self, request: Request) -> StreamReader:
        """Return a reader of Anthropic's events."""
        return AnthropicStreamReader(request)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify by status and `error.type`."""
        return errors.read_error(status, headers, body)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return what is left out: by policy, because the model does not take it, or not as it is."""
        carried, family = carried_chat(request, target), _family(request, target)
        lacks_thinking = "reasoning_effort" in given_fields(carried) and Conversation(carried).lacks_thinking
        options = read_options(carried, family, _version(target), lacks_thinking=lacks_thinking)
        return (
            *POLICY.dropped(request, target),
            *options.dropped,
            *lost_members(carried),
        )

    def calls(self, request: Request) -> Sequence[Request]:
        """One call a choice."""
        return one_call_a_choice(request)

    def limits_output(self, request: Request) -> bool:
        """Where the client does not: `max_tokens` is required."""
        return request.max_output_tokens is None

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """Natively where the model can be held to this schema, else by a tool that nothing stands against."""
        if target.structured_output is not StructuredOutput.NATIVE or not isinstance(request, ChatRequest):
            return target.structured_output
        family = _family(request, target)
        if family.has_schemas and adapt(request.schema) is not None:
            return StructuredOutput.NATIVE
        is_object = isinstance(request.schema, dict) and bool(request.schema.get("properties"))
        is_free = family.forces_tools and not has_tools(request) and not asks_to_think(request)
        return StructuredOutput.TOOL if is_object and is_free else StructuredOutput.INSTRUCTION

    def flows(self, request: Request, target: Target) -> bool:
        """What the model is held to exactly may flow, unless a stop sequence may cut it."""
        if request.schema is None:
            return True
        adapted = adapt(request.schema)
        is_exact = adapted is not None and adapted.is_exact and "stop" not in given_fields(request)
        return is_exact and self.way(request, target) is StructuredOutput.NATIVE

    def holds_calls(self, request: Request, target: Target) -> bool:
        """Where the model can be held exactly to the schemas of all strict functions, none cut by a stop sequence."""
        has_schemas = _family(request, target).has_schemas and "stop" not in given_fields(request)
        return holds_strictly(request.strict_functions(), has_schemas=has_schemas)


def _family(request: Request, target: Target) -> Family:
    return family_of(upstream_model(request, target))


def _version(target: Target) -> str:
    return target.provider.options["version"]


def _body(request: ChatRequest, target: Target) -> dict[str, Any]:
    family = _family(request, target)
    conversation = Conversation(request)
    options = read_options(request, family, _version(target), lacks_thinking=conversation.lacks_thinking)
    body: dict[str, Any] = {"model": upstream_model(request, target), "messages": conversation.turns, **options.fields}
    if conversation.system:
        body["system"] = conversation.system
    if request.schema is not None:
        body["output_config"] = {**body.get("output_config", {}), "format": _format(request, family)}
    if not (family.prefills and not options.thinks and request.schema is None and conversation.end_as_beginning()):
        conversation.end_with_user()
    body |= tool_fields(request, family)
    if (stop := request.parameters.stop) is not None:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if (cached := given_fields(request).get("cache_control")) is not None:
        body["cache_control"] = cache_control(msgspec.json.decode(cached), "cache_control")
    if (user := request.end_user) and len(user) <= _LONGEST_USER:
        body["metadata"] = {"user_id": user}
    if request.is_stream:
        body["stream"] = True
    return body


def _format(request: ChatRequest, family: Family) -> dict[str, Any]:
    adapted = adapt(request.schema) if family.has_schemas else None
    if adapted is None:
        raise InvalidRequest("This model cannot be held to this JSON schema by itself.", param="response_format")
    return {"type": "json_schema", "schema": adapted.schema}
