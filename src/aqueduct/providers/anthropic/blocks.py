"""What answers and streams have in common: reasons to stop, usage, citations, and reasoning that can be sent back."""

from typing import Any

import msgspec

from aqueduct.domain.usage import Units
from aqueduct.providers.anthropic.extras import OWN_FORMAT, block_id
from aqueduct.providers.openai_usage import MAX_COUNT

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_LOCATIONS = ("start_char_index", "end_char_index", "start_page_number", "end_page_number")
_BLOCK_LOCATIONS = ("start_block_index", "end_block_index")


class StopDetails(msgspec.Struct, gc=False):
    """Why a model refused, in words."""

    explanation: str | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What of the output was thinking."""

    thinking_tokens: int = 0


class Usage(msgspec.Struct, gc=False):
    """Anthropic's usage: `input_tokens` are those beside the cache, counts in a stream are sums so far."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


def read_units(*reports: Usage | None) -> Units | None:
    """Return the units of one answer, each count from the last report that has it; None where none can be believed."""

    def last(name: str) -> int:
        return next((count for report in reversed(reports) if (count := getattr(report, name, None)) is not None), 0)

    fresh, written, cached = (
        last(name) for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    )
    output = last("output_tokens")
    details = next(
        (report.output_tokens_details for report in reversed(reports) if report and report.output_tokens_details), None
    )
    reasoning = min(details.thinking_tokens, output) if details is not None else 0
    counts = (fresh, written, cached, output, reasoning)
    if all(report is None for report in reports) or not all(0 <= count <= MAX_COUNT for count in counts):
        return None
    units = {"input_tokens": fresh + written + cached, "output_tokens": output}
    contained = {"cached_tokens": cached, "cache_write_tokens": written, "reasoning_tokens": reasoning}
    return units | {unit: count for unit, count in contained.items() if count}


def finish_reason(stop_reason: str) -> str:
    """Return OpenAI's word; a reason unknown here is an ordinary end."""
    return _FINISH_REASONS.get(stop_reason, "stop")


def reasoning_detail(place: int, number: int, thinking: str, signature: str) -> dict[str, Any]:
    """Return a thinking block in OpenRouter's shape, so that the client can send it back."""
    return {
        "type": "reasoning.text",
        "text": thinking,
        "signature": signature,
        "id": block_id(place),
        "format": OWN_FORMAT,
        "index": number,
    }


def encrypted_detail(place: int, number: int, data: str) -> dict[str, Any]:
    """Return a redacted thinking block in OpenRouter's shape."""
    return {
        "type": "reasoning.encrypted",
        "data": data,
        "id": block_id(place),
        "format": OWN_FORMAT,
        "index": number,
    }


def annotation(citation: Any, start: int, end: int) -> dict[str, Any] | None:
    """Return a citation as an annotation of the text from `start` to `end`; None for what is none."""
    if not isinstance(citation, dict):
        return None
    url = citation.get("url") or citation.get("source")
    if isinstance(url, str):
        title = citation.get("title") or url
        members = {"url": url, "title": title, "start_index": start, "end_index": end}
        return {"type": "url_citation", "url_citation": members}
    kept = (*_LOCATIONS, *_BLOCK_LOCATIONS, "cited_text", "document_index", "file_id")
    file: dict[str, Any] = {name: citation[name] for name in kept if citation.get(name) is not None}
    file |= {"filename": citation.get("document_title"), "start_index": start, "end_index": end}
    return {"type": "file_citation", "file_citation": file}
