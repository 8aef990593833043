"""How much a model writes, how it thinks and how it samples: what of the client's wishes it takes, by its family.

What it cannot take is left out and named; see `Options.dropped`.
"""

from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.models import Family, Sampling, Thinking
from aqueduct.providers.anthropic.tools import forces_call
from aqueduct.providers.field_policy import given_fields
from aqueduct.wire.chat import ChatRequest

FIRST_VERSION = "2023-06-01"
"""The last version of the API in which sampling could be chosen at all."""

_LEAST_BUDGET = 1_024
_BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_000, "max": 32_000}
"""How many tokens a model may think for, where it is told so in tokens."""

_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_LEAST_THINKING_TOP_P = 0.95


class Options(msgspec.Struct, frozen=True):
    """`fields` go into the request; `dropped` are the client's that do not, or not as they are."""

    fields: dict[str, Any]
    dropped: tuple[str, ...] = ()

    @property
    def thinks(self) -> bool:
        """Whether thinking was asked for, in a way that excludes other things."""
        return self.fields.get("thinking", {}).get("type") in ("enabled", "adaptive")


def read_options(request: ChatRequest, family: Family, version: str, *, lacks_thinking: bool) -> Options:
    """Return what becomes of the limit, the effort and the sampling."""
    limit = request.max_output_tokens or family.output_limit
    thinking = _thinking(request, family, limit, lacks_thinking=lacks_thinking)
    sampling = _sampling(request, family, version, thinks=thinking.thinks)
    return Options({"max_tokens": limit, **thinking.fields, **sampling.fields}, (*thinking.dropped, *sampling.dropped))


def _thinking(request: ChatRequest, family: Family, limit: int, *, lacks_thinking: bool) -> Options:
    given = given_fields(request).get("thinking")
    if given is not None:  # Anthropic's own member, as users of other gateways send it
        return Options({"thinking": _own_thinking(given)})
    effort = request.parameters.reasoning_effort
    if effort is None:
        return Options({})
    if effort == "none":
        return _without_thinking(family)
    if effort not in _EFFORTS:
        raise InvalidRequest(
            f"Invalid value for 'reasoning_effort': expected none or one of {', '.join(_EFFORTS)}.",
            param="reasoning_effort",
        )
    if family.thinking is Thinking.ADAPTIVE:
        return _adaptive(_EFFORTS[effort], family, forces=forces_call(request))
    budget = min(_BUDGETS[effort], limit * 3 // 4)
    cannot = family.thinking is Thinking.NONE or budget < _LEAST_BUDGET
    if cannot or lacks_thinking or forces_call(request):
        return Options({}, ("reasoning_effort",))
    return Options({"thinking": {"type": "enabled", "budget_tokens": budget}})


def _adaptive(effort: str, family: Family, *, forces: bool) -> Options:
    """Ask for thinking as much as the effort says; a call that is forced excludes asking, not effort."""
    config = {"effort": effort if effort in family.efforts else "high"}
    if forces:
        return Options({"output_config": config})
    return Options({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": config})


def _without_thinking(family: Family) -> Options:
    if family.thinking_off is None:  # as little as it can
        return Options({"output_config": {"effort": "low"}}, ("reasoning_effort",))
    return Options({"thinking": {"type": family.thinking_off}} if family.thinking_off else {})


def _own_thinking(raw: msgspec.Raw) -> dict[str, Any]:
    value = msgspec.json.decode(raw)
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise InvalidRequest("Invalid value for 'thinking': expected an object with a type.", param="thinking")
    return value


def _sampling(request: ChatRequest, family: Family, version: str, *, thinks: bool) -> Options:
    given = given_fields(request)
    temperature, top_p = request.parameters.temperature, request.parameters.top_p
    wanted: dict[str, Any] = {name: given[name] for name in ("temperature", "top_p", "top_k") if name in given}
    dropped: list[str] = []
    if "top_k" in wanted:
        wanted["top_k"] = _top_k(wanted["top_k"])
    if family.sampling is Sampling.NONE or version != FIRST_VERSION:
        return Options({}, tuple(wanted))
    if thinks:
        unfit = {"top_k": "top_k" in wanted, "temperature": temperature not in (None, 1)}
        unfit["top_p"] = top_p is not None and top_p < _LEAST_THINKING_TOP_P
        dropped += [name for name, is_unfit in unfit.items() if is_unfit]
    elif temperature is not None and temperature > 1:
        wanted["temperature"] = 1.0
        dropped.append("temperature")
    if family.sampling is Sampling.ONE and temperature is not None and top_p is not None and "top_p" not in dropped:
        dropped.append("top_p")
    kept = {
        name: value for name, value in wanted.items() if name not in dropped or (name == "temperature" and not thinks)
    }
    return Options(kept, tuple(dropped))


def _top_k(raw: msgspec.Raw) -> msgspec.Raw:
    value = msgspec.json.decode(raw)
    if type(value) is not int or value < 0:
        raise InvalidRequest("Invalid type for 'top_k': expected an integer of at least 0.", param="top_k")
    return raw


def asks_to_think(request: ChatRequest) -> bool:
    """Whether the client wants the model to think."""
    return request.parameters.reasoning_effort not in (None, "none") or "thinking" in given_fields(request)
