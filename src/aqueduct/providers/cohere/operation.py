"""Cohere's chat as an operation: what the registry names.

Source: Cohere's API reference, `POST /v2/chat`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from aqueduct.domain.http import Headers, UpstreamRequest
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import InvalidRequest, UpstreamError
from aqueduct.providers.authentication import bearer_headers
from aqueduct.providers.base import EVENT_STREAM, Answer, StreamReader
from aqueduct.providers.chat_target import carried_chat, upstream_model
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.cohere import errors
from aqueduct.providers.cohere.answer import read_answer
from aqueduct.providers.cohere.messages import lost_members, read_messages
from aqueduct.providers.cohere.options import OWN_FIELDS, RANGES, may_think, read_options
from aqueduct.providers.cohere.schema import adapt
from aqueduct.providers.cohere.stream import CohereStreamReader
from aqueduct.providers.cohere.tools import holds_calls, tool_fields
from aqueduct.providers.field_policy import FieldPolicy, always, given_fields
from aqueduct.providers.posting import post
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.request import Request

POLICY = FieldPolicy(
    translated=frozenset(RANGES)
    | frozenset(OWN_FIELDS)
    | {"logprobs", "max_completion_tokens", "max_tokens", "messages", "n", "parallel_tool_calls", "reasoning_effort"}
    | {"response_format", "seed", "stop", "tool_choice", "tools", "top_k"},
    refused={
        "audio": always,
        "function_call": lambda value: value != "none",
        "functions": always,
        "logit_bias": bool,
        "modalities": lambda value: value != ["text"],
        "moderation": always,
        "parallel_tool_calls": lambda value: value is False,
        "response_format": lambda value: value["type"] not in ("text", "json_object", "json_schema"),
        "service_tier": lambda value: value not in ("auto", "default"),
        "top_logprobs": bool,
        "web_search_options": always,
    },
)
"""What becomes of each field; the page on providers lists what is refused."""

_ANY_OBJECT = {"type": "object"}


class CohereChat:
    """Chat by `POST /chat` below `/v2`."""

    stream_type = EVENT_STREAM
    fetches_urls = True
    file_types: frozenset[str] = frozenset()

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Translate the request, or raise `InvalidRequest` naming what cannot be carried."""
        POLICY.check(request, target)
        body = msgspec.json.encode(_body(carried_chat(request, target), target))
        return post(target.provider, "/chat", bearer_headers(target.provider), body)

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Translate a whole answer."""
        return read_answer(request, body)

    def stream_reader(self, request: Request) -> StreamReader:
        """Return a reader of Cohere's events."""
        return CohereStreamReader(request)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify by status and `error_type`."""
        return errors.read_error(status, headers, body)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return what is left out: by policy, because the model does not take it, or not as it is."""
        carried = carried_chat(request, target)
        options = read_options(carried, upstream_model(request, target))
        return (
            *POLICY.dropped(request, target),
            *options.dropped,
            *lost_members(carried),
        )

    def calls(self, request: Request) -> Sequence[Request]:
        """One call a choice."""
        return one_call_a_choice(request)

    def limits_output(self, request: Request) -> bool:
        """The client does, or else the model."""
        return False

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """Natively where nothing stands against it, else by an instruction: a forced call knows no more of schemas."""
        if target.structured_output is not StructuredOutput.NATIVE or not isinstance(request, ChatRequest):
            return target.structured_output
        can = not _has_company(request) and (request.schema == _ANY_OBJECT or adapt(request.schema) is not None)
        return StructuredOutput.NATIVE if can else StructuredOutput.INSTRUCTION

    def flows(self, request: Request, target: Target) -> bool:
        """What the model is held to exactly may flow, unless a stop sequence may cut it."""
        if request.schema is None:
            return True
        adapted = adapt(request.schema)
        is_exact = request.schema == _ANY_OBJECT or (adapted is not None and adapted.is_exact)
        return is_exact and "stop" not in given_fields(request) and self.way(request, target) is StructuredOutput.NATIVE

    def holds_calls(self, request: Request, target: Target) -> bool:
        """All functions or none: where all are strict, and each requires an argument."""
        return isinstance(request, ChatRequest) and holds_calls(request)


def _has_company(request: ChatRequest) -> bool:
    """Whether tools or documents are there, beside which Cohere holds no answer to JSON."""
    return bool(request.parameters.tools) or "documents" in given_fields(request)


def _body(request: ChatRequest, target: Target) -> dict[str, Any]:
    model = upstream_model(request, target)
    body: dict[str, Any] = {"model": model, "messages": read_messages(request, thinks=may_think(model))}
    body |= tool_fields(request)
    body |= read_options(request, model).fields
    if request.schema is not None:
        body["response_format"] = _format(request)
    body["stream"] = request.is_stream
    return body


def _format(request: ChatRequest) -> dict[str, Any]:
    """Return Cohere's `response_format`, or raise `InvalidRequest` for one that it does not have."""
    if _has_company(request):
        raise InvalidRequest(
            "This model cannot be held to JSON by itself while it has tools or documents.", param="response_format"
        )
    if request.schema == _ANY_OBJECT:
        return {"type": "json_object"}
    adapted = adapt(request.schema)
    if adapted is None:
        raise InvalidRequest("This model cannot be held to this JSON schema by itself.", param="response_format")
    return {"type": "json_object", "json_schema": adapted.schema}
