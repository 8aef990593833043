"""Anthropic's streaming events, told one by one.

Source: Anthropic's page on streaming. Types of events, blocks and deltas unknown here are passed over, as it asks.
"""

from typing import Any

import msgspec
from typing_extensions import override

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.anthropic.answer import Block
from aqueduct.providers.anthropic.blocks import (
    StopDetails,
    Usage,
    annotation,
    encrypted_detail,
    finish_reason,
    read_units,
    reasoning_detail,
)
from aqueduct.providers.anthropic.errors import ErrorObject, read_error_event
from aqueduct.providers.translation import TranslatedReader
from aqueduct.wire.request import Request
from aqueduct.wire.sse import SseSplitter


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: Any = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class _Message(msgspec.Struct, gc=False):
    model: str = ""
    usage: Usage | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: Block | None = None
    message: _Message | None = None
    usage: Usage | None = None
    error: ErrorObject | None = None


_decode = msgspec.json.Decoder(_Event).decode


class _Open:
    """A block that has begun: what is told only when it is whole."""

    __slots__ = ("call", "citations", "has_arguments", "signature", "start", "thinking")

    def __init__(self, start: int) -> None:
        self.start = start
        self.call: int | None = None
        self.has_arguments = False
        self.thinking: list[str] = []
        self.signature = ""
        self.citations: list[Any] = []


class AnthropicStreamReader(TranslatedReader):
    """Reads one stream; whole at `message_stop`, or when it ended after a reason to stop."""

    def __init__(self, request: Request) -> None:
        super().__init__(request, SseSplitter())
        self._begun: Usage | None = None
        self._blocks: dict[int, tuple[Block, _Open]] = {}
        self._characters = 0
        self._details = 0

    @override
    def _read(self, frame: bytes) -> None:
        try:
            event = _decode(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise UpstreamInvalidResponse(f"an event is not one of Anthropic's: {error}") from error
        kind = event.type
        if kind == "content_block_delta":
            self._read_delta(event.index, event.delta or _Delta())
        elif kind == "content_block_start":
            self._begin_block(event.index, event.content_block or Block())
        elif kind == "content_block_stop":
            self._end_block(event.index)
        elif kind == "message_start":
            self._begin_message(event.message or _Message())
        elif kind == "message_delta":
            self._read_message_delta(event)
        elif kind == "message_stop":
            self._end()
        elif kind == "error":
            raise read_error_event(event.error or ErrorObject())

    @override
    def _is_whole(self) -> bool:
        return self.finish_reason is not None

    def _begin_message(self, message: _Message) -> None:
        if self.response_model is None:
            self._begun = message.usage
            self._begin(message.model)

    def _begin_block(self, index: int, block: Block) -> None:
        opened = _Open(self._characters)
        self._blocks[index] = block, opened
        if block.type == "tool_use":
            opened.call = self._begin_call(block.id, block.name)
        elif block.type == "redacted_thinking":
            self._tell_detail(encrypted_detail(index, self._details, block.data))
        elif block.type == "thinking":
            opened.signature = block.signature
            self._think(opened, block.thinking)
        elif block.type == "text":
            self._write(block.text)
            opened.citations += block.citations or ()

    def _read_delta(self, index: int, delta: _Delta) -> None:
        kind = delta.type
        if kind == "text_delta":
            self._write(delta.text)
            return
        if index not in self._blocks:
            raise UpstreamInvalidResponse("a delta belongs to no block")
        opened = self._blocks[index][1]
        if kind == "input_json_delta":
            if opened.call is not None and delta.partial_json:
                opened.has_arguments = True
                self._arguments(opened.call, delta.partial_json)
        elif kind == "thinking_delta":
            self._think(opened, delta.thinking)
        elif kind == "signature_delta":
            opened.signature += delta.signature
        elif kind == "citations_delta":
            opened.citations.append(delta.citation)

    def _end_block(self, index: int) -> None:
        block, opened = self._blocks.get(index) or (Block(), _Open(0))
        if opened.call is not None and not opened.has_arguments:
            self._arguments(opened.call, block.arguments)
        if block.type == "thinking":
            thinking = "".join(opened.thinking)
            self._tell_detail(reasoning_detail(index, self._details, thinking, opened.signature))
        found = (annotation(citation, opened.start, self._characters) for citation in opened.citations)
        if annotations := [each for each in found if each is not None]:
            self._members(annotations=annotations)

    def _read_message_delta(self, event: _Event) -> None:
        self.units = read_units(self._begun, event.usage)
        delta = event.delta or _Delta()
        if delta.stop_reason is None:
            return
        if delta.stop_reason == "refusal" and delta.stop_details and delta.stop_details.explanation:
            self._refusal(delta.stop_details.explanation)
        self._finish(finish_reason(delta.stop_reason))

    def _write(self, text: str) -> None:
        self._characters += len(text)
        self._text(text)

    def _think(self, opened: _Open, text: str) -> None:
        opened.thinking.append(text)
        self._reasoning(text)

    def _tell_detail(self, detail: dict[str, Any]) -> None:
        self._details += 1
        self._members(reasoning_details=[detail])
