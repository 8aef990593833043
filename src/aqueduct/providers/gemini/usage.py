"""Gemini's usage, read into units.

`candidatesTokenCount` leaves out the thoughts, `promptTokenCount` holds what came out of the cache.
"""

from typing import Any

from aqueduct.domain.usage import Units
from aqueduct.providers.openai_usage import MAX_COUNT


def read_units(usage: Any) -> Units | None:
    """Return the units, or None where no count was reported, or an incredible one."""
    if not isinstance(usage, dict) or "promptTokenCount" not in usage:
        return None
    counts = [_count(usage, f"{name}TokenCount") for name in ("prompt", "toolUsePrompt", "candidates", "thoughts")]
    prompt, tool_use, candidates, thoughts = counts
    if prompt is None or tool_use is None or candidates is None or thoughts is None:
        return None
    units = {"input_tokens": prompt + tool_use, "output_tokens": candidates + thoughts}
    details = {
        "cached_tokens": (_count(usage, "cachedContentTokenCount"), "input_tokens"),
        "reasoning_tokens": (thoughts, "output_tokens"),
        "input_audio_tokens": (_audio(usage, "promptTokensDetails"), "input_tokens"),
        "output_audio_tokens": (_audio(usage, "candidatesTokensDetails"), "output_tokens"),
    }
    for unit, (amount, whole) in details.items():
        if amount:
            units[unit] = min(amount, units[whole])
    return units


def _audio(usage: dict[str, Any], name: str) -> int:
    details = usage.get(name)
    counts = [
        _count(each, "tokenCount") or 0
        for each in (details if isinstance(details, list) else ())
        if isinstance(each, dict) and each.get("modality") == "AUDIO"
    ]
    return sum(counts)


def _count(members: dict[str, Any], name: str) -> int | None:
    """Return a count, 0 for one that is missing, or None for what cannot be one."""
    value = members.get(name)
    if value is None:
        return 0
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None
