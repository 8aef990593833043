"""What LiteLLM calls its providers, and what they are here: one rule a name; any other is of kind `litellm`."""

import re

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """The kind of one of LiteLLM's providers.

    `key_variable` and `base_variable` are where its SDK looks for what the file does not say. `suffix` is what our
    base URL has after LiteLLM's. `takes_base_url`: whether another address means the same thing there and here.
    """

    kind: str
    key_variable: str | None = None
    base_variable: str | None = None
    suffix: str = ""
    takes_base_url: bool = True
    default_base_url: str | None = None


LITELLM = Rule("litellm")
RULES = {
    "openai": Rule("openai", "OPENAI_API_KEY"),
    "text-completion-openai": Rule("openai", "OPENAI_API_KEY"),
    "custom_openai": Rule("openai", "OPENAI_API_KEY"),
    "openai_like": Rule("openai", "OPENAI_LIKE_API_KEY", "OPENAI_LIKE_API_BASE"),
    "litellm_proxy": Rule("openai", "LITELLM_PROXY_API_KEY", "LITELLM_PROXY_API_BASE"),
    "azure": Rule("azure", "AZURE_API_KEY", "AZURE_API_BASE"),
    "azure_text": Rule("azure", "AZURE_API_KEY", "AZURE_API_BASE"),
    "anthropic": Rule("anthropic", "ANTHROPIC_API_KEY", suffix="/v1"),
    "gemini": Rule("gemini", "GEMINI_API_KEY", takes_base_url=False),
    "vertex_ai": Rule("vertex", takes_base_url=False),
    "bedrock": Rule("bedrock", takes_base_url=False),
    "mistral": Rule("mistral", "MISTRAL_API_KEY"),
    "groq": Rule("groq", "GROQ_API_KEY"),
    "together_ai": Rule("together", "TOGETHERAI_API_KEY"),
    "fireworks_ai": Rule("fireworks", "FIREWORKS_AI_API_KEY"),
    "deepseek": Rule("deepseek", "DEEPSEEK_API_KEY"),
    "xai": Rule("xai", "XAI_API_KEY"),
    "openrouter": Rule("openrouter", "OPENROUTER_API_KEY"),
    "perplexity": Rule("perplexity", "PERPLEXITYAI_API_KEY"),
    "cerebras": Rule("cerebras", "CEREBRAS_API_KEY"),
    "nvidia_nim": Rule("nvidia", "NVIDIA_NIM_API_KEY"),
    "cohere": Rule("cohere", "COHERE_API_KEY", takes_base_url=False),
    "cohere_chat": Rule("cohere", "COHERE_API_KEY", takes_base_url=False),
    "ollama": Rule("ollama", suffix="/api"),
    "ollama_chat": Rule("ollama", suffix="/api"),
    "hosted_vllm": Rule("vllm", base_variable="HOSTED_VLLM_API_BASE"),
    "vllm": Rule("vllm", base_variable="HOSTED_VLLM_API_BASE"),
    "lm_studio": Rule("lmstudio", base_variable="LM_STUDIO_API_BASE"),
    "llamafile": Rule("llamacpp", default_base_url="http://127.0.0.1:8080/v1"),
}
"""By the name before the first `/` of a model."""

_FAMILIES = (
    (re.compile(r"(?:gpt-|chatgpt-|o\d(?:-|$)|ft:gpt|text-davinci|davinci|babbage)"), "openai"),
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"command"), "cohere"),
    (re.compile(r"gemini"), "vertex_ai"),
    (re.compile(r"(?:anthropic|amazon|meta|mistral|cohere|ai21|us|eu|apac)\.[a-z]"), "bedrock"),
)
"""Models that LiteLLM knows by their bare names."""


def provider_of(model: str, named: str | None) -> tuple[str | None, str]:
    """Return LiteLLM's name of a model's provider, None where it cannot be told, and the model's name there."""
    head, slash, rest = model.partition("/")
    if named:
        return named, rest if slash and head == named else model
    if slash and rest and (head in RULES or not any(family.match(model) for family, _ in _FAMILIES)):
        return head, rest
    return next((name for family, name in _FAMILIES if family.match(model)), None), model


def rule_of(name: str | None, model: str) -> tuple[Rule, str]:
    """Return the rule of a provider, and the name that its model has here."""
    if name == "vertex_ai" and not model.startswith("gemini"):
        return LITELLM, f"vertex_ai/{model}"
    if name == "bedrock":
        return _bedrock(model)
    if name in RULES:
        return RULES[name], model
    return LITELLM, model if name is None else f"{name}/{model}"


def _bedrock(model: str) -> tuple[Rule, str]:
    """Bedrock's routes: the Converse API is ours, whatever else there is goes through the SDK."""
    head, slash, rest = model.partition("/")
    if slash and head == "converse":
        return RULES["bedrock"], rest
    if slash and not model.startswith("arn:"):
        return LITELLM, f"bedrock/{model}"
    return RULES["bedrock"], model
