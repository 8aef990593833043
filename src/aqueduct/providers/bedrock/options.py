"""How much a model writes, how it reasons and how it samples: what of the client's wishes it takes, by its family.

What it cannot take is left out and named; see `Options.dropped`. Of Claude all is as at Anthropic's own API.
"""

from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic import options as anthropic
from aqueduct.providers.bedrock.models import Family, Reasoning
from aqueduct.providers.field_policy import given_fields
from aqueduct.wire.chat import ChatRequest

EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
"""What an effort is at a model that knows three of them."""


class Options(msgspec.Struct, frozen=True):
    """`inference` is the `inferenceConfig`, `additional` what the model itself reads, `output` the `outputConfig`.

    `dropped` are the client's fields that do not go, or not as they are.
    """

    inference: dict[str, Any]
    additional: dict[str, Any]
    output: dict[str, Any]
    dropped: tuple[str, ...] = ()
    thinks: bool = False


def read_options(request: ChatRequest, family: Family, *, lacks_thinking: bool) -> Options:
    """Return what becomes of the limit, the effort and the sampling."""
    if family.claude is None:
        return _of_other_makers(request, family)
    options = anthropic.read_options(request, family.claude, anthropic.FIRST_VERSION, lacks_thinking=lacks_thinking)
    fields = dict(options.fields)
    limit = fields.pop("max_tokens")
    inference: dict[str, Any] = {}
    if request.max_output_tokens is not None or "thinking" in fields:  # a budget must be below a limit
        inference["maxTokens"] = limit
    inference |= _sampling(fields)
    effort = fields.pop("output_config", {})
    additional: dict[str, Any] = {name: fields[name] for name in ("thinking", "top_k") if name in fields}
    return Options(inference, additional, effort, options.dropped, options.thinks)


def _of_other_makers(request: ChatRequest, family: Family) -> Options:
    given = given_fields(request)
    wanted: dict[str, Any] = {name: given[name] for name in ("temperature", "top_p") if name in given}
    dropped = ["thinking"] if "thinking" in given else []
    if (request.parameters.temperature or 0) > 1:
        wanted["temperature"] = 1.0
        dropped.append("temperature")
    limit = {} if request.max_output_tokens is None else {"maxTokens": request.max_output_tokens}
    additional = _effort(request, family, dropped)
    if additional.get("reasoningConfig", {}).get("maxReasoningEffort") == "high":
        # Nova takes no limit and no sampling beside the highest effort: sampling means less than a limit.
        dropped += [name for name in wanted if name not in dropped]
        wanted = {}
        if limit:
            additional["reasoningConfig"]["maxReasoningEffort"] = "medium"
            dropped.append("reasoning_effort")
    if "top_k" in given:
        if family.has_top_k:
            additional["inferenceConfig"] = {"topK": _top_k(given["top_k"])}
        else:
            dropped.append("top_k")
    return Options({**limit, **_sampling(wanted)}, additional, {}, tuple(dropped), bool(additional))


def _sampling(fields: dict[str, Any]) -> dict[str, Any]:
    names = {"temperature": "temperature", "top_p": "topP"}
    return {theirs: fields[ours] for ours, theirs in names.items() if ours in fields}


def _effort(request: ChatRequest, family: Family, dropped: list[str]) -> dict[str, Any]:
    """Return what asks for reasoning, and name the effort where nothing does."""
    effort = request.parameters.reasoning_effort
    if effort is None:
        return {}
    if effort != "none" and effort not in EFFORTS:
        raise InvalidRequest(
            f"Invalid value for 'reasoning_effort': expected none or one of {', '.join(EFFORTS)}.",
            param="reasoning_effort",
        )
    if family.reasoning is Reasoning.NOVA:
        config = {"type": "enabled", "maxReasoningEffort": EFFORTS[effort]} if effort != "none" else None
        return {} if config is None else {"reasoningConfig": config}
    if family.reasoning is Reasoning.EFFORT:
        if effort == "none":  # as little as it can
            dropped.append("reasoning_effort")
        return {"reasoning_effort": EFFORTS.get(effort, "low")}
    if effort != "none":
        dropped.append("reasoning_effort")
    return {}


def _top_k(raw: msgspec.Raw) -> int:
    value = msgspec.json.decode(raw)
    if type(value) is not int or value < 0:
        raise InvalidRequest("Invalid type for 'top_k': expected an integer of at least 0.", param="top_k")
    return value
