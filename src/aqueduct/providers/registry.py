"""The kinds of provider, as one dictionary: an OpenAI-compatible kind is a row, only another protocol a file."""

from collections.abc import Callable, Mapping

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.domain.model import Provider, StructuredOutput
from aqueduct.providers.anthropic.operation import AnthropicChat
from aqueduct.providers.authentication import anthropic_headers, azure_headers, bearer_headers, gemini_headers
from aqueduct.providers.base import Adapter
from aqueduct.providers.bedrock.operation import BedrockChat
from aqueduct.providers.cohere.operation import CohereChat
from aqueduct.providers.compatible import azure
from aqueduct.providers.compatible.azure import AzureOperation
from aqueduct.providers.compatible.operation import CompatibleOperation
from aqueduct.providers.compatible.rows import QUIRKS
from aqueduct.providers.gemini.adapter import GeminiOperation, VertexOperation
from aqueduct.providers.litellm import RESERVED_OPTIONS, LitellmOperation
from aqueduct.providers.local import LocalOperation
from aqueduct.providers.ollama.operation import OllamaChat
from aqueduct.providers.ollama.options import OPTION_PATTERNS, SERVER
from aqueduct.providers.openai import OpenAIOperation


def models_path(provider: Provider) -> str:
    """Return where most providers list their models: asking for that costs nothing, and shows that they are well."""
    return f"{provider.base_path}/models"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What the config's `kind` names: an adapter, and what a provider of this kind needs.

    `default_base_url` may hold `{options}`. `options` are what a provider may say of itself, with the values that hold
    where it does not (None: it must), `option_patterns` what they look like where not anything will do; `credentials`
    the names of the secrets that its `signer` takes, if it has one.
    `headers` say who asks, in every request. `models_path` is what is asked for to see whether the provider is well; a
    kind that does not list its models there says so, and any answer will do. `reads_images` is false where no model of
    the kind sees, `reads_files` where files become text unless the config says otherwise; `files_host` is the only
    place where they do not, None: wherever it is. `serves_files`: its models are files here. A kind with `open_options`
    takes whatever options and credentials there are, but those reserved; `extra` is what has to be installed for it, by
    the name of the module and of our extra.
    """

    adapter: Adapter
    default_base_url: str | None = None
    needs_base_url: bool = True
    serves_files: bool = False
    open_options: bool = False
    reserved_options: frozenset[str] = frozenset()
    extra: str | None = None
    options: Mapping[str, str | None] = {}
    option_patterns: Mapping[str, str] = {}
    credentials: frozenset[str] = frozenset()
    signer: str | None = None
    headers: Callable[[Provider], Headers] = bearer_headers
    models_path: Callable[[Provider], str] = models_path
    lists_models: bool = True
    structured_output: StructuredOutput = StructuredOutput.NATIVE
    reads_images: bool = True
    reads_files: bool = True
    files_host: str | None = None

    @property
    def file_types(self) -> frozenset[str]:
        """The media types of files that can be sent to its targets, if they read them."""
        return self.adapter["chat"].file_types


_BOTH = ("chat", "completions")
_OPENAI: Adapter = {"chat": OpenAIOperation("chat"), "completions": OpenAIOperation("completions")}
_ANTHROPIC: Adapter = {"chat": AnthropicChat()}
_LOCAL: Adapter = {"chat": LocalOperation("chat"), "completions": LocalOperation("completions")}


def _compatible(kind: str, *operations: str) -> Adapter:
    return {operation: CompatibleOperation(operation, QUIRKS[kind]) for operation in operations}


_KINDS: dict[str, Kind] = {
    "openai": Kind(
        adapter=_OPENAI,
        default_base_url="https://api.openai.com/v1",
        # Whatever else speaks its format is mostly a model server, and those read text and images.
        files_host="api.openai.com",
    ),
    "anthropic": Kind(
        adapter=_ANTHROPIC,
        default_base_url="https://api.anthropic.com/v1",
        options={"version": "2023-06-01"},
        headers=anthropic_headers,
    ),
    "local": Kind(adapter=_LOCAL, needs_base_url=False, reads_images=False, serves_files=True),
    "litellm": Kind(
        adapter={"chat": LitellmOperation()},
        needs_base_url=False,
        open_options=True,
        reserved_options=RESERVED_OPTIONS,
        extra="litellm",
        lists_models=False,
        structured_output=StructuredOutput.INSTRUCTION,
    ),
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
        lists_models=False,
    ),
    "cohere": Kind(adapter={"chat": CohereChat()}, default_base_url="https://api.cohere.com/v2", lists_models=False),
    "ollama": Kind(
        adapter={"chat": OllamaChat()},
        default_base_url="http://localhost:11434/api",
        options={"num_ctx": SERVER, "keep_alive": SERVER},
        option_patterns=OPTION_PATTERNS,
        lists_models=False,
    ),
    "azure": Kind(
        adapter={each: AzureOperation(each, QUIRKS["azure"], azure_headers) for each in _BOTH},
        options={"api_version": "v1"},
        headers=azure_headers,
        models_path=azure.models_path,
    ),
    "vllm": Kind(adapter=_compatible("vllm", *_BOTH)),
    "sglang": Kind(adapter=_compatible("sglang", *_BOTH)),
    "tgi": Kind(adapter=_compatible("tgi", *_BOTH)),
    "llamacpp": Kind(adapter=_compatible("llamacpp", *_BOTH)),
    "ollama-openai": Kind(adapter=_compatible("ollama-openai", *_BOTH), default_base_url="http://127.0.0.1:11434/v1"),
    "lmstudio": Kind(adapter=_compatible("lmstudio", *_BOTH), default_base_url="http://127.0.0.1:1234/v1"),
    "mistral": Kind(adapter=_compatible("mistral", "chat"), default_base_url="https://api.mistral.ai/v1"),
    "groq": Kind(
        adapter=_compatible("groq", "chat"),
        default_base_url="https://api.groq.com/openai/v1",
        structured_output=StructuredOutput.TOOL,
    ),
    "together": Kind(adapter=_compatible("together", *_BOTH), default_base_url="https://api.together.xyz/v1"),
    "fireworks": Kind(
        adapter=_compatible("fireworks", *_BOTH), default_base_url="https://api.fireworks.ai/inference/v1"
    ),
    "deepseek": Kind(
        adapter=_compatible("deepseek", "chat"),
        default_base_url="https://api.deepseek.com",
        structured_output=StructuredOutput.INSTRUCTION,
    ),
    "xai": Kind(adapter=_compatible("xai", *_BOTH), default_base_url="https://api.x.ai/v1"),
    "openrouter": Kind(adapter=_compatible("openrouter", *_BOTH), default_base_url="https://openrouter.ai/api/v1"),
    "perplexity": Kind(
        adapter=_compatible("perplexity", "chat"),
        default_base_url="https://api.perplexity.ai",
        lists_models=False,
    ),
    "cerebras": Kind(adapter=_compatible("cerebras", *_BOTH), default_base_url="https://api.cerebras.ai/v1"),
    "nvidia": Kind(
        adapter=_compatible("nvidia", *_BOTH),
        default_base_url="https://integrate.api.nvidia.com/v1",
        structured_output=StructuredOutput.INSTRUCTION,
    ),
    "huggingface": Kind(
        adapter=_compatible("huggingface", "chat"),
        default_base_url="https://router.huggingface.co/v1",
        structured_output=StructuredOutput.INSTRUCTION,
    ),
    "cohere-openai": Kind(
        adapter=_compatible("cohere-openai", "chat"),
        default_base_url="https://api.cohere.ai/compatibility/v1",
        lists_models=False,
    ),
    "gemini-openai": Kind(
        adapter=_compatible("gemini-openai", "chat"),
        default_base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    ),
}
KINDS: dict[str, Kind] = {
    name: msgspec.structs.replace(kind, reads_files=QUIRKS[name].reads_files) if name in QUIRKS else kind
    for name, kind in _KINDS.items()
}
"""By the name that `kind` has in the config; which services read files is among their quirks."""
