"""The kinds of provider, as one dictionary: an OpenAI-compatible kind is a row, only another protocol a file."""

from collections.abc import Callable, Mapping

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.domain.model import Provider, StructuredOutput
from aqueduct.providers.anthropic.operation import AnthropicChat
from aqueduct.providers.authentication import anthropic_headers, bearer_headers, gemini_headers
from aqueduct.providers.base import Adapter
from aqueduct.providers.bedrock.operation import BedrockChat
from aqueduct.providers.cohere.operation import CohereChat
from aqueduct.providers.gemini.adapter import GeminiOperation, VertexOperation
from aqueduct.providers.local import LocalOperation
from aqueduct.providers.ollama.operation import OllamaChat
from aqueduct.providers.ollama.options import OPTION_PATTERNS, SERVER
from aqueduct.providers.openai import OpenAIOperation


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What the config's `kind` names: an adapter, and what a provider of this kind needs.

    `default_base_url` may hold `{options}`. `options` are what a provider may say of itself, with the values that hold
    where it does not (None: it must), `option_patterns` what they look like where not anything will do; `credentials`
    the names of the secrets that its `signer` takes, if it has one.
    `headers` say who asks, in every request.
    """

    adapter: Adapter
    default_base_url: str | None = None
    needs_base_url: bool = True
    options: Mapping[str, str | None] = {}
    option_patterns: Mapping[str, str] = {}
    credentials: frozenset[str] = frozenset()
    signer: str | None = None
    headers: Callable[[Provider], Headers] = bearer_headers
    structured_output: StructuredOutput = StructuredOutput.NATIVE


_OPENAI: Adapter = {"chat": OpenAIOperation("chat"), "completions": OpenAIOperation("completions")}
_ANTHROPIC: Adapter = {"chat": AnthropicChat()}
_LOCAL: Adapter = {"chat": LocalOperation("chat"), "completions": LocalOperation("completions")}

KINDS: dict[str, Kind] = {
    "openai": Kind(adapter=_OPENAI, default_base_url="https://api.openai.com/v1"),
    "anthropic": Kind(
        adapter=_ANTHROPIC,
        default_base_url="https://api.anthropic.com/v1",
        options={"version": "2023-06-01"},
        headers=anthropic_headers,
    ),
    "local": Kind(adapter=_LOCAL, needs_base_url=False),
    "gemini": Kind(
        adapter={"chat": GeminiOperation()},
        default_base_url="https://generativelanguage.googleapis.com/v1beta",
        headers=gemini_headers,
    ),
    "vertex": Kind(
        adapter={"chat": VertexOperation()},
        default_base_url="https://aiplatform.googleapis.com/v1beta1",
        options={"project": None, "location": "global"},
        credentials=frozenset({"service_account"}),
        signer="google",
        headers=gemini_headers,
    ),
    "bedrock": Kind(
        adapter={"chat": BedrockChat()},
        default_base_url="https://bedrock-runtime.{region}.amazonaws.com",
        options={"region": None, "guardrail": "none", "guardrail_version": "DRAFT"},
        credentials=frozenset({"access_key_id", "secret_access_key", "session_token"}),
        signer="aws",
    ),
    "cohere": Kind(adapter={"chat": CohereChat()}, default_base_url="https://api.cohere.com/v2"),
    "ollama": Kind(
        adapter={"chat": OllamaChat()},
        default_base_url="http://localhost:11434/api",
        options={"num_ctx": SERVER, "keep_alive": SERVER},
        option_patterns=OPTION_PATTERNS,
    ),
}
"""By the name that `kind` has in the config."""
