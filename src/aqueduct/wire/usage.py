"""OpenAI's usage object, written from units (`CompletionUsage`)."""

from typing import Any

from aqueduct.domain.usage import Units

_INPUT_DETAILS = {
    "cached_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "input_audio_tokens": "audio_tokens",
}
_OUTPUT_DETAILS = {"reasoning_tokens": "reasoning_tokens", "output_audio_tokens": "audio_tokens"}


def usage_object(units: Units) -> dict[str, Any]:
    """Return the usage as a client reads it; details only of what was used."""
    inputs, outputs = units.get("input_tokens", 0), units.get("output_tokens", 0)
    usage: dict[str, Any] = {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs}
    for member, names in (("prompt_tokens_details", _INPUT_DETAILS), ("completion_tokens_details", _OUTPUT_DETAILS)):
        if details := {name: units[unit] for unit, name in names.items() if unit in units}:
            usage[member] = details
    return usage
