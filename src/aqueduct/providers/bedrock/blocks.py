"""What answers and streams of Converse have in common: usage, reasons to stop, citations."""

from typing import Any

import msgspec

from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.anthropic import blocks as anthropic
from aqueduct.providers.openai_usage import MAX_COUNT

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})


class TokenUsage(msgspec.Struct, rename="camel", gc=False):
    """Bedrock's usage: `inputTokens` are those beside the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class ReasoningText(msgspec.Struct, gc=False):
    """What a model thought, and what it can be known by again."""

    text: str = ""
    signature: str = ""


class Reasoning(msgspec.Struct, rename="camel", gc=False):
    """A block of reasoning in one of two forms: in words, or encrypted (base64)."""

    reasoning_text: ReasoningText | None = None
    redacted_content: str = ""


class ToolUse(msgspec.Struct, rename="camel", gc=False):
    """A call of a tool; one of type `server_tool_use` is not the client's to answer."""

    tool_use_id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    type: str = ""

    @property
    def is_clients(self) -> bool:
        """Whether it is the client that has the tool."""
        return self.type != "server_tool_use"

    @property
    def arguments(self) -> str:
        """Return the input as it was written; what is only skipped has not been decoded."""
        try:
            return bytes(self.input).decode()
        except UnicodeDecodeError as error:
            raise UpstreamInvalidResponse("a call's input is not UTF-8") from error


def read_units(usage: TokenUsage | None) -> Units | None:
    """Return the units of one answer; None where they cannot be believed."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_write_input_tokens or 0
    counts = (usage.input_tokens, usage.output_tokens, cached, written)
    if not all(0 <= count <= MAX_COUNT for count in counts):
        return None
    units = {"input_tokens": usage.input_tokens + cached + written, "output_tokens": usage.output_tokens}
    contained = {"cached_tokens": cached, "cache_write_tokens": written}
    return units | {unit: count for unit, count in contained.items() if count}


def finish_reason(stop_reason: str) -> str:
    """Return OpenAI's word; an unknown reason is an ordinary end.

    Raises `UpstreamInvalidResponse` where the model made a mistake that the provider could not read.
    """
    if stop_reason in _MALFORMED:
        raise UpstreamInvalidResponse(f"the answer is {stop_reason.replace('_', ' ')}")
    return _FINISH_REASONS.get(stop_reason, "stop")


_PLACES = {
    "documentChar": ("documentIndex", "start_char_index", "end_char_index"),
    "documentPage": ("documentIndex", "start_page_number", "end_page_number"),
    "documentChunk": ("documentIndex", "start_block_index", "end_block_index"),
    "searchResultLocation": ("searchResultIndex", "start_block_index", "end_block_index"),
}
"""By the kind of a location: what it counts, and what its bounds are called in an annotation."""


def annotation(citation: Any, start: int, end: int) -> dict[str, Any] | None:
    """Return a citation as an annotation of the text from `start` to `end`; None for what is none."""
    if not isinstance(citation, dict):
        return None
    title, source = citation.get("title"), citation.get("source")
    told: dict[str, Any] = {"title": title, "document_title": title, "cited_text": _cited(citation)}
    location = citation.get("location")
    for kind, place in (location if isinstance(location, dict) else {}).items():
        if not isinstance(place, dict):
            continue
        if kind == "web":
            told["url"] = place.get("url")
        elif kind in _PLACES:
            index, first, last = _PLACES[kind]
            told |= {"document_index": place.get(index), first: place.get("start"), last: place.get("end")}
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        told["source"] = source
    return anthropic.annotation(told, start, end)


def _cited(citation: dict[str, Any]) -> str | None:
    contents = citation.get("sourceContent")
    texts = [content.get("text") for content in contents or () if isinstance(content, dict)]
    return "".join(text for text in texts if isinstance(text, str)) or None
