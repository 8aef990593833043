"""Members of messages and tools that OpenAI's schema does not have, and that users of other gateways send.

`cache_control` on messages, parts and tools (Anthropic's own), `is_error` on a tool's message, and the reasoning of
earlier turns: `reasoning_details` in OpenRouter's shape, `thinking_blocks` in LiteLLM's. They are looked for only where
their names occur at all.
"""

from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.wire.request import Request

OWN_FORMAT = "anthropic-claude-v1"
"""How OpenRouter calls reasoning that only Anthropic's models can read again."""

_MESSAGE_NAMES = (b'"cache_control"', b'"citations"', b'"is_error"', b'"reasoning_details"', b'"thinking_blocks"')
_TTLS = ("5m", "1h")


class PartExtras(msgspec.Struct, gc=False):
    """What a part has beyond OpenAI's schema."""

    cache_control: Any = None
    citations: Any = None


class MessageExtras(msgspec.Struct, gc=False):
    """What a message has beyond OpenAI's schema, its parts too."""

    cache_control: Any = None
    is_error: Any = None
    reasoning_details: Any = None
    thinking_blocks: Any = None
    content: str | list[PartExtras] | None = None

    def part(self, index: int) -> PartExtras:
        """Return the extras of one part."""
        return self.content[index] if isinstance(self.content, list) else NO_PART


class ToolExtras(msgspec.Struct, gc=False):
    """What a tool has beyond OpenAI's schema."""

    cache_control: Any = None
    function: Any = None

    @property
    def breakpoint(self) -> Any:
        """Return its cache breakpoint, wherever it was put."""
        inner = self.function.get("cache_control") if isinstance(self.function, dict) else None
        return inner if self.cache_control is None else self.cache_control


NO_PART = PartExtras()
NO_MESSAGE = MessageExtras()

_messages = msgspec.json.Decoder(list[MessageExtras])
_tools = msgspec.json.Decoder(list[ToolExtras])


def message_extras(request: Request) -> list[MessageExtras] | None:
    """Return the extras of every message, or None where there is none."""
    raw = bytes(request.fields["messages"])
    return _messages.decode(raw) if any(name in raw for name in _MESSAGE_NAMES) else None


def tool_cache_controls(request: Request) -> list[dict[str, Any] | None] | None:
    """Return the cache breakpoint of every tool, or None where there is none."""
    raw = bytes(request.fields["tools"])
    if b'"cache_control"' not in raw:
        return None
    return [
        cache_control(tool.breakpoint, f"tools[{index}].cache_control") for index, tool in enumerate(_tools.decode(raw))
    ]


def cache_control(value: Any, path: str) -> dict[str, Any] | None:
    """Return a checked cache breakpoint, or None where there is none; raise `InvalidRequest` for what is none."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("type") != "ephemeral" or value.get("ttl", "5m") not in _TTLS:
        raise InvalidRequest(
            f"Invalid value for '{path}': expected the type 'ephemeral', and a ttl of 5m or 1h.", param=path
        )
    return {name: value[name] for name in ("type", "ttl") if name in value}


def thinking_blocks(extras: MessageExtras) -> list[tuple[int | None, dict[str, Any]]]:
    """Return a message's thinking as Anthropic's blocks, each with its place among all blocks where that is known.

    What has no signature, or comes from another maker's model, would be refused: it is left out.
    """
    blocks = extras.thinking_blocks if isinstance(extras.thinking_blocks, list) else ()
    if found := [block for block in map(_litellm_block, blocks) if block is not None]:
        return [(None, block) for block in found]
    details = extras.reasoning_details
    placed = map(_openrouter_block, details if isinstance(details, list) else ())
    return [block for block in placed if block is not None]


def _litellm_block(block: Any) -> dict[str, Any] | None:
    if not isinstance(block, dict):
        return None
    if block.get("type") == "redacted_thinking":
        return _redacted(block.get("data"))
    return _thinking(block.get("thinking"), block.get("signature")) if block.get("type") == "thinking" else None


def _openrouter_block(detail: Any) -> tuple[int | None, dict[str, Any]] | None:
    if not isinstance(detail, dict) or detail.get("format") not in (None, OWN_FORMAT):
        return None
    block = None
    if detail.get("type") == "reasoning.text":
        block = _thinking(detail.get("text") or "", detail.get("signature"))
    elif detail.get("type") == "reasoning.encrypted":
        block = _redacted(detail.get("data"))
    return None if block is None else (_place(detail.get("id")), block)


def _thinking(text: Any, signature: Any) -> dict[str, Any] | None:
    if not isinstance(text, str) or not isinstance(signature, str) or not signature:
        return None
    return {"type": "thinking", "thinking": text, "signature": signature}


def _redacted(data: Any) -> dict[str, Any] | None:
    return {"type": "redacted_thinking", "data": data} if isinstance(data, str) and data else None


_ID = "block-"


def block_id(place: int) -> str:
    """Return the `id` of a reasoning detail, which tells its place when it comes back."""
    return f"{_ID}{place}"


def _place(value: Any) -> int | None:
    if not isinstance(value, str) or not value.startswith(_ID):
        return None
    digits = value.removeprefix(_ID)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else None
