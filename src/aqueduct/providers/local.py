"""The adapter of local models: llama.cpp's server, which speaks OpenAI's format with fields and gaps of its own.

What it does not do by itself is done here: one call a choice, limits and defaults that keep a small model sensible,
and grammars that hold it to a JSON schema or to a function's call.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from aqueduct.domain.http import Headers, Origin, UpstreamRequest
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import UpstreamError
from aqueduct.providers.base import EVENT_STREAM, Answer, StreamReader
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.field_policy import given_fields
from aqueduct.providers.grammar.compiler import Grammar, compile_calls, compile_schema
from aqueduct.providers.local_fields import carried_fields, dropped_fields, output_limit
from aqueduct.providers.local_messages import plain_messages, template_messages
from aqueduct.providers.local_repeats import without_repeats
from aqueduct.providers.local_tools import CallStreamReader, ToolUse, read_tool_use, release_calls
from aqueduct.providers.openai import OpenAIOperation
from aqueduct.wire.request import Request

_PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}
_HEADERS: Headers = ((b"content-type", b"application/json"),)
_DEFAULTS = {"temperature": 0.2}
_PROSE_DEFAULTS = {"dry_multiplier": 0.8}
"""The embedded model's, where the client says nothing: hotter it talks nonsense, and else it goes round in circles."""

_EMBEDDED_LIMIT = 512
_LIMIT = 2048
_SAFETY = 0.75
"""How much of the limit an answer held to a grammar may plan with: a hot model spends more tokens a character."""

_LONGEST_INSTRUCTION = 2000


class LocalOperation:
    """One operation (`chat` or `completions`) of a local model."""

    stream_type = EVENT_STREAM
    fetches_urls = False
    file_types: frozenset[str] = frozenset()

    def __init__(self, operation: str) -> None:
        self._path = _PATHS[operation]
        self._openai = OpenAIOperation(operation)

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Translate what a local model can do, set the limits that the client left open, and refuse the rest."""
        is_embedded = target.model_path is None
        fields = carried_fields(request)
        fields["max_tokens"] = output_limit(request, _EMBEDDED_LIMIT if is_embedded else _LIMIT)
        if request.is_stream:
            fields["stream_options"] = {"include_usage": True}
        if request.operation == "chat":
            fields |= _chat_fields(request, is_embedded=is_embedded, limit=fields["max_tokens"])
        else:
            prompt = given_fields(request).get("prompt")
            fields["prompt"] = "" if prompt is None else prompt
        if is_embedded:
            fields = _DEFAULTS | (_PROSE_DEFAULTS if "grammar" not in fields else {}) | fields
        origin = Origin("local", target.model_path or "", 0)
        return UpstreamRequest("POST", origin, self._path, _HEADERS, msgspec.json.encode(fields))

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Read the answer as OpenAI's, calls released and llama.cpp's own members taken off."""
        if request.operation == "chat" and (functions := read_tool_use(request).functions):
            body = release_calls(body, functions)
        body = _tidied(body, is_json=request.schema is not None)
        return self._openai.read_response(request, body)

    def stream_reader(self, request: Request) -> StreamReader:
        """Read the stream as OpenAI's, calls released."""
        functions = read_tool_use(request).functions if request.operation == "chat" else ()
        if functions:
            return CallStreamReader(functions, wants_usage=request.wants_usage)
        return self._openai.stream_reader(request)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify as OpenAI's errors are."""
        return self._openai.read_error(status, headers, body)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return the fields that change nothing in a local model's answer, or are unknown to it."""
        return dropped_fields(request)

    def calls(self, request: Request) -> Sequence[Request]:
        """One call a choice, each with a seed of its own: llama.cpp refuses an `n` above its number of slots."""
        return one_call_a_choice(request)

    def limits_output(self, request: Request) -> bool:
        """Where the client does not: the engine would go on for minutes."""
        return request.max_output_tokens is None

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """As the config says."""
        return target.structured_output

    def flows(self, request: Request, target: Target) -> bool:
        """What an exact grammar holds may flow, unless a stop sequence may cut it."""
        if request.schema is None:
            return True
        if "stop" in given_fields(request):
            return False
        default = _EMBEDDED_LIMIT if target.model_path is None else _LIMIT
        grammar = _grammar(request, read_tool_use(request), output_limit(request, default))
        return grammar is None or grammar.is_exact

    def holds_calls(self, request: Request, target: Target) -> bool:
        """What an exact grammar holds; a model's own way with tools does not, where it is free to call or not."""
        use = read_tool_use(request)
        is_embedded = target.model_path is None
        if not use.functions:
            return True
        is_own_way = not is_embedded and not use.is_required and request.schema is None
        if is_own_way or "stop" in given_fields(request):
            return False
        grammar = _grammar(request, use, output_limit(request, _EMBEDDED_LIMIT if is_embedded else _LIMIT))
        return grammar is not None and grammar.is_exact


def _chat_fields(request: Request, *, is_embedded: bool, limit: int) -> dict[str, Any]:
    """Return messages, grammar and tools; a model's own way with tools serves where it is free to call or not."""
    use = read_tool_use(request)
    messages = request.fields["messages"]
    if not is_embedded and use.functions and not use.is_required and request.schema is None:
        tools = [{"type": "function", "function": msgspec.Raw(text.encode())} for text in use.descriptions]
        return {"messages": template_messages(messages, []), "tools": tools, "tool_choice": "auto"}
    grammar = _grammar(request, use, limit)
    instructions = _instructions(request, use)
    write = plain_messages if is_embedded else template_messages
    fields: dict[str, Any] = {"messages": write(messages, instructions)}
    if grammar is not None:
        fields["grammar"] = grammar.text
    return fields


def _grammar(request: Request, use: ToolUse, limit: int) -> Grammar | None:
    """Return what the answer is held to: a call, an answer that satisfies the schema, either, or nothing."""
    most_tokens = int(limit * _SAFETY)
    schema = None if request.schema is None else msgspec.json.encode(request.schema)
    if use.functions:
        return compile_calls(use.functions, b"false" if use.is_required else schema, most_tokens)
    return None if schema is None else compile_schema(schema, most_tokens)


def _instructions(request: Request, use: ToolUse) -> list[str]:
    instructions: list[str] = []
    if use.functions:
        duty = "Call" if use.is_required else "If one of these functions helps, call"
        how = 'by answering {"name": …, "arguments": …}'
        instructions.append(f"{duty} a function {how}. The functions: {', '.join(use.descriptions)}")
    if request.schema is not None and not use.is_required:
        schema = msgspec.json.encode(request.schema).decode()
        is_telling = isinstance(request.schema, dict) and "properties" in schema and len(schema) <= _LONGEST_INSTRUCTION
        instructions.append(f"Answer in JSON that satisfies this schema: {schema}" if is_telling else "Answer in JSON.")
    return instructions


def _tidied(body: bytes, *, is_json: bool) -> bytes:
    """Take off what is llama.cpp's own, add what OpenAI's answers always have, and mend repeats in JSON."""
    try:
        document = msgspec.json.decode(body)
        document.pop("timings", None)
        for choice in document["choices"]:
            choice.setdefault("logprobs", None)
            if "message" in choice:
                message = choice["message"]
                message.setdefault("refusal", None)
                if is_json and isinstance(message.get("content"), str):
                    message["content"] = without_repeats(message["content"])
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return body  # whatever it is, OpenAI's reader says so
    return msgspec.json.encode(document)
