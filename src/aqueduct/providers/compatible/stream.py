"""Streams with quirks: OpenAI's chunks, adapted one by one before they are read; the others pass as they are."""

from typing import Any

import msgspec
from typing_extensions import override

from aqueduct.providers.base import Event
from aqueduct.providers.compatible.answers import adapt_deltas, count_reasoning
from aqueduct.providers.compatible.quirks import Quirks, Reasoning, UsageReport
from aqueduct.providers.compatible.thoughts import MARKS, TagSplitter
from aqueduct.providers.openai_stream import OpenAIStreamReader
from aqueduct.providers.openai_usage import read_units
from aqueduct.wire.sse import DONE_PAYLOAD

_HEAD = ("id", "object", "created", "model", "system_fingerprint")
"""The members of a chunk that are the same in all of one stream."""

_NO_CHUNK = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    """What a chunk must be for its content to be told from thoughts."""

    choices: list[_Choice] | None = None


class CompatibleStreamReader(OpenAIStreamReader):
    """Reads one stream of a service with quirks."""

    def __init__(self, quirks: Quirks, *, wants_usage: bool) -> None:
        super().__init__(wants_usage=wants_usage)
        self._quirks = quirks
        self._mark = MARKS.get(quirks.reasoning)
        self._tags: dict[int, TagSplitter] | None = {} if quirks.reasoning is Reasoning.TAGS else None
        self._gathers_usage = quirks.usage is not UsageReport.APART or quirks.counts_reasoning_apart
        self._usage_chunk: dict[str, Any] | None = None

    @override
    def finish(self) -> list[Event]:
        events = super().finish()
        self._report_usage(events)
        return events

    @override
    def _read(self, payload: bytes, events: list[Event]) -> None:
        if self.is_done or not payload:
            return
        if payload == DONE_PAYLOAD:
            self._report_usage(events)
        super()._read(self._adapted(payload), events)

    def _adapted(self, payload: bytes) -> bytes:
        """Return the chunk as OpenAI would have written it, or nothing where it held usage only."""
        try:
            if self._tags is not None:
                payload = self._split_tags(payload, self._tags)
            elif self._mark is not None and self._mark in payload:
                payload = adapt_deltas(payload, self._quirks.reasoning)
            if self._gathers_usage and b'"usage"' in payload:
                payload = self._take_usage(payload)
        except _NO_CHUNK:
            return payload  # whoever reads it next says so
        return payload

    def _take_usage(self, payload: bytes) -> bytes:
        """Keep the usage for the end, and return the chunk without it."""
        members = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        usage = msgspec.json.decode(members.get("usage", b"null"))
        if usage is None and "x_groq" in members:
            x_groq = msgspec.json.decode(members["x_groq"])
            usage = x_groq.get("usage") if isinstance(x_groq, dict) else None
        if usage is not None:
            if self._quirks.counts_reasoning_apart:
                count_reasoning(usage)
            self.units = read_units(usage) or self.units
            head = {name: members[name] for name in _HEAD if name in members}
            self._usage_chunk = {"object": "chat.completion.chunk", **head, "choices": [], "usage": usage}
        is_apart = usage is not None and bytes(members.get("choices", b"[]")) == b"[]"
        if is_apart and "error" not in members:
            return b""
        return payload if members.pop("usage", None) is None else msgspec.json.encode(members)

    def _report_usage(self, events: list[Event]) -> None:
        if self._usage_chunk is not None and self._wants_usage:
            events.append(Event(msgspec.json.encode(self._usage_chunk), is_content=True))
        self._usage_chunk = None

    def _split_tags(self, payload: bytes, tags: dict[int, TagSplitter]) -> bytes:
        if tags and all(splitter.is_past for splitter in tags.values()):
            return payload
        chunk = msgspec.json.decode(payload, type=_Chunk)
        if not chunk.choices:
            return payload
        document = msgspec.json.decode(payload)
        changes = [
            _split_delta(
                choice["delta"],
                tags.setdefault(choice.get("index", 0), TagSplitter()),
                is_last=choice.get("finish_reason") is not None,
            )
            for choice in document["choices"]
        ]
        return msgspec.json.encode(document) if any(changes) else payload


def _split_delta(delta: dict[str, Any], splitter: TagSplitter, *, is_last: bool) -> bool:
    """Tell the thoughts from the text of one delta; return whether it changed."""
    content = delta.get("content") or ""
    thoughts, text = splitter.feed(content)
    if is_last:
        more_thoughts, more_text = splitter.finish()
        thoughts, text = thoughts + more_thoughts, text + more_text
    if thoughts:
        delta["reasoning_content"] = thoughts
    if text != content:
        delta["content"] = text
    return bool(thoughts) or text != content
