"""How much a model writes, how it thinks and samples, and what it may cite, in Cohere's terms.

Source: Cohere's API reference, `POST /v2/chat`. Its ranges are narrower than OpenAI's: what lies outside is sent as the
nearest value that it takes, and named; a penalty below zero is left out, and named.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.field_policy import given_fields
from aqueduct.wire.chat import ChatRequest

RANGES = {
    "frequency_penalty": ("frequency_penalty", 0.0, 1.0),
    "presence_penalty": ("presence_penalty", 0.0, 1.0),
    "temperature": ("temperature", 0.0, 2.0),
    "top_p": ("p", 0.01, 0.99),
}
"""By OpenAI's name: Cohere's, and the least and the largest value it takes."""

OWN_FIELDS: Mapping[str, type[Any]] = {
    "citation_options": dict,
    "documents": list,
    "safety_mode": str,
    "thinking": dict,
}
"""Cohere's own members, which go as they are, and what they are."""

EFFORTS: Mapping[str, int | None] = {
    "minimal": 512,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": None,
    "max": None,
}
"""How many tokens a model may think for; None: as many as it wants."""

_MOST_TOP_K = 500
_SEEDS = 2**63
_WITHOUT_THINKING = re.compile(r"(?:c4ai-|command(?:-light|-nightly|-r|-r7b|-a-03|-a-vision|-a-translate)?(?:[-:@]|$))")
"""Models that do not reason, by the beginning of their names; any other is taken for one that may."""
_REASONING = re.compile(r"command-a-(?:reasoning|plus)")


class Options(msgspec.Struct, frozen=True):
    """`fields` go into the request; `dropped` are the client's that do not, or not as they are."""

    fields: dict[str, Any]
    dropped: tuple[str, ...] = ()


def may_think(model: str) -> bool:
    """Whether a model reasons, by its name."""
    return _REASONING.match(model) is not None or _WITHOUT_THINKING.match(model) is None


def read_options(request: ChatRequest, model: str) -> Options:
    """Return what becomes of the limits, the sampling, the effort and Cohere's own members."""
    given = given_fields(request)
    limits = _limits(request)
    sampling = _sampling(request)
    own = {name: _own(name, given[name], kind) for name, kind in OWN_FIELDS.items() if name in given}
    effort = Options({}) if "thinking" in own else _effort(request, model)
    return Options({**limits, **sampling.fields, **own, **effort.fields}, (*sampling.dropped, *effort.dropped))


def _limits(request: ChatRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if (limit := request.max_output_tokens) is not None:
        fields["max_tokens"] = limit
    if stops := _stops(request):
        fields["stop_sequences"] = stops
    if request.parameters.logprobs:
        fields["logprobs"] = True
    return fields


def _sampling(request: ChatRequest) -> Options:
    fields: dict[str, Any] = {}
    dropped: list[str] = []
    for name, (own, least, most) in RANGES.items():
        value = getattr(request.parameters, name)
        if value is None:
            continue
        if not least <= value <= most:
            dropped.append(name)
        if value >= 0:
            fields[own] = min(max(value, least), most)
    if (seed := request.parameters.seed) is not None:
        fields["seed"] = seed % _SEEDS
    if (top_k := given_fields(request).get("top_k")) is not None:
        fields["k"] = _top_k(top_k)
    return Options(fields, tuple(dropped))


def _effort(request: ChatRequest, model: str) -> Options:
    effort = request.parameters.reasoning_effort
    if effort is None:
        return Options({})
    thinking = _thinking(effort, request.max_output_tokens)
    if may_think(model):
        return Options({"thinking": thinking})
    return Options({}, () if effort == "none" else ("reasoning_effort",))


def _stops(request: ChatRequest) -> list[str]:
    stop = request.parameters.stop
    return [each for each in ([stop] if isinstance(stop, str) else stop or ()) if each]


def _top_k(raw: msgspec.Raw) -> int:
    value = msgspec.json.decode(raw)
    if type(value) is not int or value < 0:
        raise InvalidRequest("Invalid type for 'top_k': expected an integer of at least 0.", param="top_k")
    return min(value, _MOST_TOP_K)


def _thinking(effort: str, limit: int | None) -> dict[str, Any]:
    if effort == "none":
        return {"type": "disabled"}
    if effort not in EFFORTS:
        known = ", ".join(EFFORTS)
        raise InvalidRequest(
            f"Invalid value for 'reasoning_effort': expected none or one of {known}.", param="reasoning_effort"
        )
    budget = EFFORTS[effort]
    if budget is None:
        return {"type": "enabled"}
    return {"type": "enabled", "token_budget": budget if limit is None else max(1, min(budget, limit * 3 // 4))}


def _own(name: str, raw: msgspec.Raw, kind: type[Any]) -> Any:
    """Return a member of Cohere's own, if it is at least of its type."""
    value = msgspec.json.decode(raw)
    if not isinstance(value, kind):
        raise InvalidRequest(f"Invalid type for '{name}'.", param=name)
    if name == "thinking" and value.get("type") not in ("enabled", "disabled"):
        raise InvalidRequest("Invalid value for 'thinking': expected the type 'enabled' or 'disabled'.", param=name)
    if name == "documents":
        return [_document(each, f"documents[{index}]") for index, each in enumerate(value)]
    return value


def _document(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("data"), dict) and isinstance(value.get("id"), str | None):
        return {name: value[name] for name in ("id", "data") if value.get(name) is not None}
    raise InvalidRequest(f"Invalid value for '{path}': expected a text, or an object with 'data'.", param=path)
