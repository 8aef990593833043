"""What a model thought, moved to `reasoning_content`, the member that clients of OpenAI-compatible services read.

It is looked for only where a service is known to put it elsewhere; an answer without any keeps its bytes.
"""

import enum
from typing import Any

from aqueduct.providers.compatible.quirks import Reasoning

_OPENING, _CLOSING = "<think>", "</think>"

MARKS = {
    Reasoning.REASONING: b'"reasoning"',
    Reasoning.PARTS: b'"thinking"',
    Reasoning.TAGS: b"<think>",
}
"""What is in the bytes of every answer that may hold thoughts, by where they are."""


class _Stage(enum.Enum):
    BEFORE = enum.auto()
    THINKING = enum.auto()
    AFTER = enum.auto()
    TEXT = enum.auto()


class TagSplitter:
    """Tells thoughts from text in one choice's content, which comes in pieces: `<think>` at its very beginning only."""

    def __init__(self) -> None:
        self._held = ""
        self._stage = _Stage.BEFORE

    @property
    def is_past(self) -> bool:
        """Whether all that follows is text."""
        return self._stage is _Stage.TEXT

    def feed(self, text: str) -> tuple[str, str]:
        """Return the thoughts and the text that this piece brings; a tag that may not be whole is kept back."""
        self._held += text
        thoughts = ""
        if self._stage is _Stage.BEFORE:
            start = self._held.lstrip()
            if start.startswith(_OPENING):
                self._stage, self._held = _Stage.THINKING, start[len(_OPENING) :]
            elif _OPENING.startswith(start):
                return "", ""
            else:
                self._stage = _Stage.TEXT
        if self._stage is _Stage.THINKING:
            thoughts, closing, rest = self._held.partition(_CLOSING)
            if not closing:
                kept = next(size for size in range(len(_CLOSING), -1, -1) if thoughts.endswith(_CLOSING[:size]))
                self._held = thoughts[len(thoughts) - kept :]
                return thoughts[: len(thoughts) - kept], ""
            self._stage, self._held = _Stage.AFTER, rest
        if self._stage is _Stage.AFTER:
            self._held = self._held.lstrip()
            if self._held:
                self._stage = _Stage.TEXT
        return thoughts, self._release()

    def finish(self) -> tuple[str, str]:
        """Return what was kept back at the end of the choice."""
        return (self._release(), "") if self._stage is _Stage.THINKING else ("", self._release())

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held


def move_thoughts(message: dict[str, Any], place: Reasoning) -> bool:
    """Move what was thought to its member in a whole message or one delta; return whether anything moved."""
    if place is Reasoning.REASONING:
        return _rename(message)
    if place is Reasoning.PARTS:
        return _take_parts(message)
    return False


def split_tags(message: dict[str, Any]) -> bool:
    """Move what stands between the tags of a whole message; return whether anything moved."""
    content = message.get("content")
    if not isinstance(content, str) or not content.lstrip().startswith(_OPENING):
        return False
    splitter = TagSplitter()
    pieces = (splitter.feed(content), splitter.finish())
    message["reasoning_content"] = "".join(thoughts for thoughts, _ in pieces)
    message["content"] = "".join(text for _, text in pieces)
    return True


def _rename(message: dict[str, Any]) -> bool:
    reasoning = message.get("reasoning")
    if not isinstance(reasoning, str):
        return False
    del message["reasoning"]
    if not message.get("reasoning_content"):
        message["reasoning_content"] = reasoning
    return True


def _take_parts(message: dict[str, Any]) -> bool:
    """Make text of a content in parts (Mistral's `thinking`); parts of another type are left out of it."""
    content = message.get("content")
    if not isinstance(content, list):
        return False
    parts = [part for part in content if isinstance(part, dict)]
    thoughts = "".join(_text(piece) for part in parts if part.get("type") == "thinking" for piece in _pieces(part))
    text = "".join(_text(part) for part in parts if part.get("type") == "text")
    message["content"] = text
    if thoughts:
        message["reasoning_content"] = thoughts
    return True


def _pieces(part: dict[str, Any]) -> list[Any]:
    thinking = part.get("thinking")
    return thinking if isinstance(thinking, list) else [{"text": thinking}]


def _text(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""
