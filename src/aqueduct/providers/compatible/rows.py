"""The services that speak OpenAI's format, a row each: how they differ from it.

Azure, DeepSeek, Mistral, Ollama, OpenRouter and Perplexity are checked against recorded traffic. The fields that Groq,
Cerebras and Cohere refuse are those that their documentation names; the rest is what is commonly known of a service and
has not been tried against it. What a service is known to ignore is listed too, so that the client is told or refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aqueduct.providers.compatible.quirks import ErrorRule, Meaning, Quirks, Reasoning, UsageReport
from aqueduct.providers.field_policy import always

_DEVELOPER = {"developer": "system"}
_MAX_TOKENS = {"max_completion_tokens": "max_tokens"}
_AS_REASONING = {"reasoning_content": "reasoning"}
_THREE_EFFORTS = {"reasoning_effort": {"minimal": "low", "xhigh": "high", "max": "high"}}

Refusals = Mapping[str, Callable[[Any], bool]]

_NO_AUDIO: Refusals = {"audio": always, "modalities": lambda value: value != ["text"]}
_NO_BIAS: Refusals = {"logit_bias": bool}
_NO_LOGPROBS: Refusals = {"logprobs": bool, "top_logprobs": bool}
_NO_OLD_CALLS: Refusals = {"functions": always, "function_call": lambda value: value != "none"}
_NO_SEARCH: Refusals = {"web_search_options": always}
_NO_TOOLS: Refusals = {"tools": bool, "tool_choice": lambda value: value not in ("auto", "none")}
_OPENAI_ONLY: Refusals = {**_NO_AUDIO, **_NO_OLD_CALLS, **_NO_SEARCH}

_CACHE_HINTS = frozenset({"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"})
_UNKNOWN = _CACHE_HINTS | {"metadata", "prediction", "safety_identifier", "service_tier", "store", "verbosity"}
"""OpenAI's own fields that change little, and that services refuse or ignore."""

_LOST_MEMBERS: dict[str, str | None] = dict.fromkeys(("annotations", "audio", "reasoning_details", "refusal"))

QUIRKS: dict[str, Quirks] = {
    "azure": Quirks(holds_calls=True),
    "vllm": Quirks(
        refused=_OPENAI_ONLY,
        dropped=_UNKNOWN,
        roles=_DEVELOPER,
        message_members=_AS_REASONING,
        reasoning=Reasoning.REASONING,
    ),
    "sglang": Quirks(
        refused=_OPENAI_ONLY,
        dropped=_UNKNOWN,
        roles=_DEVELOPER,
        errors=(ErrorRule(400, r"longer than the model's context length", Meaning.CONTEXT_OVERFLOW),),
    ),
    "tgi": Quirks(
        renamed=_MAX_TOKENS,
        refused={**_OPENAI_ONLY, **_NO_BIAS},
        dropped=_UNKNOWN | {"parallel_tool_calls", "reasoning_effort"},
        roles=_DEVELOPER,
        has_choices=False,
        schema_member="value",
        errors=(ErrorRule(422, r"`inputs` tokens \+ `max_new_tokens` must be <=", Meaning.CONTEXT_OVERFLOW),),
    ),
    "llamacpp": Quirks(
        renamed=_MAX_TOKENS,
        refused=_OPENAI_ONLY,
        dropped=_UNKNOWN,
        roles=_DEVELOPER,
        has_choices=False,
        errors=(ErrorRule(400, r"\bexceed_context_size_error\b", Meaning.CONTEXT_OVERFLOW),),
        fetches_urls=False,
    ),
    "ollama-openai": Quirks(
        renamed=_MAX_TOKENS,
        refused={**_OPENAI_ONLY, **_NO_BIAS, "tool_choice": lambda value: value != "auto"},
        dropped=_UNKNOWN | {"parallel_tool_calls"},
        roles=_DEVELOPER,
        message_members=_AS_REASONING,
        has_choices=False,
        reasoning=Reasoning.REASONING,
        errors=(ErrorRule(400, r"\bexceeded max context length\b", Meaning.CONTEXT_OVERFLOW),),
        fetches_urls=False,
    ),
    "lmstudio": Quirks(
        renamed=_MAX_TOKENS,
        refused=_OPENAI_ONLY,
        dropped=_UNKNOWN | {"parallel_tool_calls"},
        roles=_DEVELOPER,
        has_choices=False,
        has_json_object=False,
        reasoning=Reasoning.REASONING,
        fetches_urls=False,
    ),
    "mistral": Quirks(
        renamed={**_MAX_TOKENS, "seed": "random_seed"},
        refused={**_OPENAI_ONLY, **_NO_BIAS, **_NO_LOGPROBS},
        dropped=frozenset({"prompt_cache_options", "prompt_cache_retention", "safety_identifier", "service_tier"})
        | {"store", "user", "verbosity"},
        values={"reasoning_effort": dict.fromkeys(("minimal", "low", "medium", "xhigh", "max"), "high")},
        roles=_DEVELOPER,
        message_members={**_LOST_MEMBERS, "reasoning_content": None},
        has_stream_options=False,
        usage=UsageReport.LAST_CHUNK,
        reasoning=Reasoning.PARTS,
        reads_files=True,
    ),
    "groq": Quirks(
        refused={**_NO_AUDIO, **_NO_SEARCH, **_NO_BIAS, **_NO_LOGPROBS},
        dropped=_UNKNOWN,
        values=_THREE_EFFORTS,
        roles=_DEVELOPER,
        message_members={**_LOST_MEMBERS, **_AS_REASONING, "name": None},
        has_choices=False,
        usage=UsageReport.X_GROQ,
        reasoning=Reasoning.REASONING,
        errors=(
            ErrorRule(400, r"\b(?:tool_use_failed|json_validate_failed)\b", Meaning.BAD_ANSWER),
            ErrorRule(413, r"\brate_limit_exceeded\b", Meaning.RATE_LIMITED),
        ),
    ),
    "together": Quirks(
        renamed=_MAX_TOKENS,
        refused={**_OPENAI_ONLY, **_NO_LOGPROBS},
        dropped=_UNKNOWN | {"parallel_tool_calls"},
        roles=_DEVELOPER,
        message_members=_AS_REASONING,
        usage=UsageReport.LAST_CHUNK,
        reasoning=Reasoning.REASONING,
        errors=(ErrorRule(422, r"`inputs` tokens \+ `max_new_tokens` must be <=", Meaning.CONTEXT_OVERFLOW),),
    ),
    "fireworks": Quirks(
        renamed=_MAX_TOKENS,
        refused=_OPENAI_ONLY,
        dropped=_UNKNOWN - {"prediction"},
        roles=_DEVELOPER,
        usage=UsageReport.LAST_CHUNK,
    ),
    "deepseek": Quirks(
        renamed=_MAX_TOKENS,
        refused={**_OPENAI_ONLY, **_NO_BIAS},
        dropped=_UNKNOWN | {"parallel_tool_calls", "seed"},
        roles=_DEVELOPER,
        has_choices=False,
        usage=UsageReport.LAST_CHUNK,
        fetches_urls=False,
    ),
    "xai": Quirks(
        refused={**_NO_AUDIO, **_NO_OLD_CALLS, **_NO_BIAS},
        dropped=_UNKNOWN,
        roles=_DEVELOPER,
        usage=UsageReport.EVERY_CHUNK,
        counts_reasoning_apart=True,
        errors=(
            ErrorRule(400, r"\bIncorrect API key provided\b", Meaning.UNAUTHORIZED),
            ErrorRule(403, r"\busage guidelines\b|\bsafety check", Meaning.CONTENT_POLICY),
            ErrorRule(403, r"\b(?:credits|spending limit)\b", Meaning.NO_CREDIT),
        ),
    ),
    "openrouter": Quirks(
        message_members=_AS_REASONING,
        usage=UsageReport.LAST_CHUNK,
        reasoning=Reasoning.REASONING,
        errors=(
            ErrorRule(403, r"\b(?:flagged|moderation)\b", Meaning.CONTENT_POLICY),
            ErrorRule(403, r"\bkey limit exceeded\b", Meaning.NO_CREDIT),
        ),
        reads_files=True,
    ),
    "perplexity": Quirks(
        renamed=_MAX_TOKENS,
        refused={**_NO_AUDIO, **_NO_OLD_CALLS, **_NO_BIAS, **_NO_LOGPROBS, **_NO_TOOLS, "stop": bool},
        dropped=_UNKNOWN | {"parallel_tool_calls", "seed"},
        roles=_DEVELOPER,
        message_members={**_LOST_MEMBERS, "reasoning_content": None},
        has_choices=False,
        usage=UsageReport.EVERY_CHUNK,
        reasoning=Reasoning.TAGS,
        errors=(
            ErrorRule(400, r"\btoo_many_prompt_tokens\b", Meaning.CONTEXT_OVERFLOW),
            ErrorRule(401, r"\binsufficient_quota\b", Meaning.NO_CREDIT),
        ),
    ),
    "cerebras": Quirks(
        renamed={"max_tokens": "max_completion_tokens"},
        refused={**_OPENAI_ONLY, **_NO_BIAS},
        dropped=_UNKNOWN | {"frequency_penalty", "presence_penalty"},
        values=_THREE_EFFORTS,
        roles=_DEVELOPER,
        message_members={**_LOST_MEMBERS, **_AS_REASONING},
        has_choices=False,
        usage=UsageReport.LAST_CHUNK,
        reasoning=Reasoning.REASONING,
        fetches_urls=False,
    ),
    "nvidia": Quirks(
        renamed=_MAX_TOKENS,
        refused={**_OPENAI_ONLY, **_NO_BIAS},
        dropped=_UNKNOWN | {"parallel_tool_calls", "user"},
        roles=_DEVELOPER,
        fetches_urls=False,
    ),
    "huggingface": Quirks(
        renamed=_MAX_TOKENS,
        refused=_OPENAI_ONLY,
        dropped=_UNKNOWN,
        roles=_DEVELOPER,
    ),
    "cohere-openai": Quirks(
        refused={**_OPENAI_ONLY, **_NO_BIAS, "top_logprobs": bool},
        dropped=_UNKNOWN | {"parallel_tool_calls"},
        values={"reasoning_effort": dict.fromkeys(("minimal", "low", "medium", "xhigh", "max"), "high")},
        message_members=_LOST_MEMBERS,
        has_choices=False,
        schema_member="schema",
        errors=(ErrorRule(400, r"\btoo many tokens: size limit exceeded\b", Meaning.CONTEXT_OVERFLOW),),
        fetches_urls=False,
    ),
    "gemini-openai": Quirks(
        refused={**_NO_BIAS, **_NO_LOGPROBS, **_NO_OLD_CALLS, **_NO_AUDIO, **_NO_SEARCH},
        dropped=_UNKNOWN | {"parallel_tool_calls", "user"},
        roles=_DEVELOPER,
        message_members={**_LOST_MEMBERS, "reasoning_content": None},
        errors=(ErrorRule(400, r"\bAPI key not valid\b", Meaning.UNAUTHORIZED),),
        fetches_urls=False,
    ),
}
"""By the name of the kind."""
