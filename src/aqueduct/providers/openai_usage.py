"""OpenAI's usage object, read into units.

It is read leniently: an answer is not worth less for what its upstream says about its size.
"""

from typing import Any

from aqueduct.domain.usage import Units

MAX_COUNT = 2**53 - 1
"""The largest count that every JSON parser and database behind us keeps exactly (RFC 8259, 6)."""


def read_units(usage: Any) -> Units | None:
    """Return the units in OpenTelemetry's names, or None where `usage` reports no token counts, or incredible ones.

    One count that is missing or null is zero; a unit that is zero beside the two token counts is left out.
    """
    if not isinstance(usage, dict) or (usage.get("prompt_tokens") is None and usage.get("completion_tokens") is None):
        return None
    input_tokens, output_tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if input_tokens is None or output_tokens is None:
        return None
    units = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    if cached := _count(usage.get("prompt_tokens_details"), "cached_tokens"):
        units["cached_tokens"] = min(cached, input_tokens)
    if reasoning := _count(usage.get("completion_tokens_details"), "reasoning_tokens"):
        units["reasoning_tokens"] = reasoning
    return units


def _count(members: Any, name: str) -> int | None:
    """Return a count, or None for what cannot be one."""
    value = members.get(name) if isinstance(members, dict) else None
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None
