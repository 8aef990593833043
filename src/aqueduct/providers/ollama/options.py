"""How much a model writes, how it thinks and samples, in Ollama's `options` and `think`.

Source: Ollama's API reference, and its page on a Modelfile's parameters.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.domain.model import Provider
from aqueduct.errors import InvalidRequest
from aqueduct.providers.field_policy import given_fields
from aqueduct.wire.chat import ChatRequest

SERVER = "server"
"""What an option of the provider says where Ollama's own setting holds."""

FOREVER = "forever"
_COPIED = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
EXTRA_OPTIONS: Mapping[str, tuple[type, ...]] = {
    "top_k": (int,),
    "min_p": (int, float),
    "repeat_penalty": (int, float),
}
"""Options that OpenAI does not have and clients of such servers send as members of the request."""

EFFORTS: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_SEEDS = 2**31
OPTION_PATTERNS = {
    "num_ctx": rf"{SERVER}|[1-9][0-9]{{0,8}}",
    "keep_alive": rf"{SERVER}|{FOREVER}|0|(?:[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?(?:ms|s|m|h))+",
}
"""What the provider's options look like: a number of tokens, and a duration as Go writes it."""


def read_options(request: ChatRequest, provider: Provider) -> dict[str, Any]:
    """Return `options`."""
    options: dict[str, Any] = {}
    given = given_fields(request)
    if (size := provider.options["num_ctx"]) != SERVER:
        options["num_ctx"] = int(size)
    if (limit := request.max_output_tokens) is not None:
        options["num_predict"] = limit
    options |= {name: given[name] for name in _COPIED if name in given}
    options |= {name: _number(name, given[name], kinds) for name, kinds in EXTRA_OPTIONS.items() if name in given}
    if (seed := request.parameters.seed) is not None:
        options["seed"] = seed % _SEEDS  # below zero Ollama takes one by chance
    stop = request.parameters.stop
    if stops := [each for each in ([stop] if isinstance(stop, str) else stop or ()) if each]:
        options["stop"] = stops
    return options


def read_thinking(request: ChatRequest) -> dict[str, Any]:
    """Return `think`; models without levels take any of them for yes."""
    effort = request.parameters.reasoning_effort
    if effort is None:
        return {}
    if effort not in EFFORTS:
        known = ", ".join(EFFORTS)
        raise InvalidRequest(
            f"Invalid value for 'reasoning_effort': expected one of {known}.", param="reasoning_effort"
        )
    return {"think": EFFORTS[effort]}


def read_logprobs(request: ChatRequest) -> dict[str, Any]:
    """Return `logprobs` and `top_logprobs`."""
    if not request.parameters.logprobs:
        return {}
    top = request.parameters.top_logprobs
    return {"logprobs": True, **({"top_logprobs": top} if top else {})}


def read_keep_alive(provider: Provider) -> dict[str, Any]:
    """Return how long the model stays in memory afterwards."""
    keep_alive = provider.options["keep_alive"]
    if keep_alive == SERVER:
        return {}
    return {"keep_alive": {FOREVER: -1, "0": 0}.get(keep_alive, keep_alive)}


def _number(name: str, raw: msgspec.Raw, kinds: tuple[type, ...]) -> Any:
    value = msgspec.json.decode(raw)
    if type(value) not in kinds or value < 0:
        raise InvalidRequest(f"Invalid type for '{name}': expected a number of at least 0.", param=name)
    return value
