"""The adapter of the long tail: OpenAI's format to the child process that runs LiteLLM's SDK (`local/litellm/`).

The SDK takes credentials, addresses and fallbacks as arguments beside the request's own, so what a client may send is
an allow-list, and goes apart from what the config says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from aqueduct.domain.http import Origin, UpstreamRequest
from aqueduct.domain.model import Provider, StructuredOutput, Target
from aqueduct.errors import ConfigurationError
from aqueduct.providers.chat_target import carried_chat, upstream_model
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.field_policy import FieldPolicy, given_fields
from aqueduct.providers.openai import OpenAIOperation, refuse_governed, with_usage
from aqueduct.providers.posting import CONTENT_HEADERS
from aqueduct.wire.request import Request

PROVIDER_OPTION = "provider"
RESERVED_OPTIONS = frozenset(
    {"api_base", "api_key", "base_url", "caching", "drop_params", "extra_headers", "fallbacks", "max_retries"}
    | {"messages", "mock_response", "model", "n", "num_retries", "request_timeout", "stream", "stream_options"}
    | {"timeout"}
)
"""The SDK's arguments that are not a provider's options: the gateway's own business, or a request's."""

_ORIGIN = Origin("litellm", "", 0)
FIELDS = FieldPolicy(
    translated=frozenset(
        {
            "audio",
            "frequency_penalty",
            "function_call",
            "functions",
            "logit_bias",
            "logprobs",
            "max_completion_tokens",
            "max_tokens",
            "messages",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prediction",
            "presence_penalty",
            "reasoning_effort",
            "response_format",
            "seed",
            "stop",
            "temperature",
            "thinking",
            "tool_choice",
            "tools",
            "top_k",
            "top_logprobs",
            "top_p",
            "verbosity",
            "web_search_options",
        }
    ),
    refused={},
)


class LitellmOperation(OpenAIOperation):
    """Chats by way of LiteLLM's SDK, which refuses by name what a provider of its cannot carry."""

    fetches_urls = False
    file_types: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__("chat")

    @override
    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        carried = carried_chat(request, target)
        refuse_governed(carried.fields, target.provider)
        allowed = FIELDS.translated | (target.provider.governed_fields - RESERVED_OPTIONS)
        fields: dict[str, Any] = {
            name: value for name, value in given_fields(carried).items() if name in allowed and name != "n"
        }
        if request.is_stream:
            fields |= {"stream": True, "stream_options": with_usage(None)}
        body = {"request": fields, "target": _arguments(request, target)}
        return UpstreamRequest("POST", _ORIGIN, "/chat/completions", CONTENT_HEADERS, msgspec.json.encode(body))

    @override
    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        allowed = target.provider.governed_fields - RESERVED_OPTIONS
        return tuple(name for name in FIELDS.dropped(request, target) if name not in allowed)

    @override
    def calls(self, request: Request) -> Sequence[Request]:
        return one_call_a_choice(request)

    @override
    def flows(self, request: Request, target: Target) -> bool:
        # Whether the provider behind the SDK is held to the schema is not known: it is checked whole first.
        return target.structured_output is StructuredOutput.NATIVE and request.schema is None


def _arguments(request: Request, target: Target) -> Mapping[str, Any]:
    """Return what the SDK is told beside the client's fields: which model, where, with which key, and no retries."""
    provider = target.provider
    arguments: dict[str, Any] = {
        **{name: value for name, value in provider.options.items() if name != PROVIDER_OPTION},
        **provider.credentials,
        "model": _model(request, target),
        "timeout": (target.stream_timeouts if request.is_stream else target.plain_timeouts).total_seconds,
        "num_retries": 0,
        "max_retries": 0,
    }
    if provider.api_key is not None:
        arguments["api_key"] = provider.api_key
    if provider.origin is not None:
        arguments["api_base"] = _base_url(provider, provider.origin)
    if provider.headers:
        arguments["extra_headers"] = dict(provider.headers)
    return arguments


def _model(request: Request, target: Target) -> str:
    """Return the name with the SDK's provider before it; a client may choose a model, never whose it is."""
    name = upstream_model(request, target)
    prefix = target.provider.options.get(PROVIDER_OPTION)
    if prefix is None:
        if target.model == "*":
            raise ConfigurationError(f"provider {target.provider.name!r} needs the option 'provider' to serve '*'")
        return name
    return name if name.startswith(f"{prefix}/") else f"{prefix}/{name}"


def _base_url(provider: Provider, origin: Origin) -> str:
    return f"{origin.scheme}://{origin.authority}{provider.base_path}"
