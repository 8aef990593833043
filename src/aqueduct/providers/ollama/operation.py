"""Ollama's chat as an operation: what the registry names.

Source: Ollama's API reference, `POST /api/chat`. Left to itself, Ollama cuts a conversation that is too long for the
model without a word (`truncate`), and forgets its beginning while it writes (`shift`); here both are turned off, so
that it says so.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from aqueduct.domain.http import Headers, UpstreamRequest
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import InvalidRequest, UpstreamError
from aqueduct.providers.authentication import bearer_headers
from aqueduct.providers.base import Answer, StreamReader
from aqueduct.providers.chat_target import carried_chat, upstream_model
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.field_policy import FieldPolicy, always, given_fields
from aqueduct.providers.ollama import errors
from aqueduct.providers.ollama.answer import read_answer
from aqueduct.providers.ollama.messages import lost_members, read_messages
from aqueduct.providers.ollama.options import (
    EXTRA_OPTIONS,
    read_keep_alive,
    read_logprobs,
    read_options,
    read_thinking,
)
from aqueduct.providers.ollama.stream import OllamaStreamReader
from aqueduct.providers.ollama.tools import read_tools
from aqueduct.providers.posting import post
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.request import Request

POLICY = FieldPolicy(
    translated=frozenset(EXTRA_OPTIONS)
    | {"frequency_penalty", "logprobs", "max_completion_tokens", "max_tokens", "messages", "n", "parallel_tool_calls"}
    | {"presence_penalty", "reasoning_effort", "response_format", "seed", "stop", "temperature", "tool_choice", "tools"}
    | {"top_logprobs", "top_p"},
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
        "web_search_options": always,
    },
)
"""What becomes of each field; the page on providers lists what is refused."""

_PLAIN_KEYWORDS = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "title",
        "description",
    }
)
"""What every version's grammars keep to."""


class OllamaChat:
    """Chat by `POST /chat` below `/api`."""

    stream_type = b"application/x-ndjson"
    fetches_urls = False
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
        """Return a reader of Ollama's lines."""
        return OllamaStreamReader(request)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify by status."""
        return errors.read_error(status, headers, body)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return what is left out: by policy, or because Ollama has no place for it."""
        carried = carried_chat(request, target)
        return (*POLICY.dropped(request, target), *lost_members(carried))

    def calls(self, request: Request) -> Sequence[Request]:
        """One call a choice."""
        return one_call_a_choice(request)

    def limits_output(self, request: Request) -> bool:
        """The client does, or else the model."""
        return False

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """Natively, but beside tools by an instruction: what is held to a grammar from its first word calls none."""
        if target.structured_output is StructuredOutput.NATIVE and _has_tools(request):
            return StructuredOutput.INSTRUCTION
        return target.structured_output

    def flows(self, request: Request, target: Target) -> bool:
        """What the model is held to exactly may flow, unless a stop sequence may cut it."""
        if request.schema is None:
            return True
        is_exact = is_plain(request.schema) and "stop" not in given_fields(request)
        return is_exact and self.way(request, target) is StructuredOutput.NATIVE

    def holds_calls(self, request: Request, target: Target) -> bool:
        """Ollama holds no call to its schema."""
        return False


def is_plain(schema: Any) -> bool:
    """Whether a schema says only what every version's grammars keep to."""
    if not isinstance(schema, dict):
        return schema is True
    if not schema.keys() <= _PLAIN_KEYWORDS:
        return False
    inner = [schema["items"]] if "items" in schema else []
    inner += schema.get("anyOf") or []
    inner += (schema.get("properties") or {}).values()
    return schema.get("additionalProperties", False) in (True, False) and all(map(is_plain, inner))


def _has_tools(request: Request) -> bool:
    return isinstance(request, ChatRequest) and bool(request.parameters.tools)


def _body(request: ChatRequest, target: Target) -> dict[str, Any]:
    provider = target.provider
    body: dict[str, Any] = {
        "model": upstream_model(request, target),
        "messages": read_messages(request),
        "stream": request.is_stream,
        "truncate": False,
        "shift": False,
        **read_thinking(request),
        **read_logprobs(request),
        **read_keep_alive(provider),
    }
    if tools := read_tools(request):
        body["tools"] = tools
    if options := read_options(request, provider):
        body["options"] = options
    if request.schema is not None:
        body["format"] = _format(request)
    return body


def _format(request: ChatRequest) -> Any:
    """Return Ollama's `format`: a schema, or `json` where any object will do."""
    if _has_tools(request):
        raise InvalidRequest("This model cannot be held to JSON by itself while it has tools.", param="response_format")
    return request.schema if isinstance(request.schema, dict) and request.schema != {"type": "object"} else "json"
