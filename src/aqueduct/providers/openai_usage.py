"""OpenAI's usage object, read into units."""

import msgspec

from aqueduct.domain.usage import Units


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """The members of `usage` that are accounted; any of them may be missing or null."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


def read_units(usage: Usage) -> Units:
    """Return the units in OpenTelemetry's names; a unit that is zero beside the two token counts is left out."""
    units = {"input_tokens": usage.prompt_tokens or 0, "output_tokens": usage.completion_tokens or 0}
    if usage.prompt_tokens_details and (cached := usage.prompt_tokens_details.cached_tokens):
        units["cached_tokens"] = cached
    if usage.completion_tokens_details and (reasoning := usage.completion_tokens_details.reasoning_tokens):
        units["reasoning_tokens"] = reasoning
    return units
