"""What becomes of each field of a request to a local model: carried, refused where it asks for more, or left out.

An allow-list: llama.cpp's own fields (`n_predict`, `grammar`, `cache_prompt`, `id_slot`) would escape the limits set
here, and unknown ones may be its own tomorrow.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.field_policy import given_fields
from aqueduct.wire.request import Request

_COPIED = frozenset(
    {"frequency_penalty", "logit_bias", "logprobs", "presence_penalty", "stop", "stream", "temperature", "top_logprobs"}
    | {"top_p"}
)
_TRANSLATED = frozenset(
    {
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "parallel_tool_calls",
        "prompt",
        "response_format",
    }
    | {"seed", "stream_options", "tool_choice", "tools"}
)
_LARGEST_SEED = 2**32 - 1
"""llama.cpp's seeds have 32 bits, and the largest stands for a random one."""

_REFUSED: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "chat": {
        "audio": lambda value: True,
        "function_call": lambda value: value != "none",
        "functions": lambda value: True,
        "modalities": lambda value: value != ["text"],
        "moderation": lambda value: True,
        "web_search_options": lambda value: True,
    },
    "completions": {
        "best_of": lambda value: value > 1,
        "echo": lambda value: value is True,
        "logprobs": lambda value: True,
        "max_tokens": lambda value: value < 1,
        "suffix": lambda value: value != "",
    },
}
"""By operation: what a local model cannot do, with the values that ask for it."""


def carried_fields(request: Request) -> dict[str, Any]:
    """Return the fields that travel as they are, and the seed in its range; refuse what cannot be done."""
    values = given_fields(request)
    for name, is_asked in _REFUSED[request.operation].items():
        if name in values and is_asked(msgspec.json.decode(values[name])):
            raise InvalidRequest(f"The parameter '{name}' is not supported by this model.", param=name)
    fields: dict[str, Any] = {name: value for name, value in values.items() if name in _COPIED}
    if "logprobs" in fields:
        fields.setdefault("top_logprobs", 1)  # llama.cpp's default is 20
    if "seed" in values:
        fields["seed"] = msgspec.json.decode(values["seed"]) % _LARGEST_SEED
    return fields


def dropped_fields(request: Request) -> tuple[str, ...]:
    """Return the fields that are left out, since they change nothing in a local model's answer or are unknown to it."""
    known = _COPIED | _TRANSLATED | _REFUSED[request.operation].keys()
    return tuple(name for name in given_fields(request) if name not in known)


def output_limit(request: Request, default: int) -> int:
    """Return the most tokens that may be generated: without a limit a small model may go on for minutes."""
    for name in ("max_completion_tokens", "max_tokens"):
        raw = request.fields.get(name)
        if raw is not None and bytes(raw) != b"null":
            limit: int = msgspec.json.decode(raw)
            return limit
    return default
