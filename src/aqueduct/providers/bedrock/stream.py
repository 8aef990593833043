"""The events of `ConverseStream`, told one by one; those of a kind unknown here are passed over."""

import base64
import binascii
from typing import Any

import msgspec
from typing_extensions import override

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.anthropic.blocks import encrypted_detail, reasoning_detail
from aqueduct.providers.bedrock.blocks import TokenUsage, ToolUse, annotation, finish_reason, read_units
from aqueduct.providers.bedrock.errors import read_exception
from aqueduct.providers.translation import TranslatedReader
from aqueduct.wire.event_stream import EventStreamMessage, EventStreamSplitter
from aqueduct.wire.request import Request


class _ReasoningDelta(msgspec.Struct, rename="camel", gc=False):
    text: str = ""
    signature: str = ""
    redacted_content: str = ""


class _CallDelta(msgspec.Struct, gc=False):
    input: str = ""


class _Delta(msgspec.Struct, rename="camel", gc=False):
    text: str = ""
    tool_use: _CallDelta | None = None
    reasoning_content: _ReasoningDelta | None = None
    citation: Any = None


class _Start(msgspec.Struct, rename="camel", gc=False):
    tool_use: ToolUse | None = None


class _Event(msgspec.Struct, rename="camel", gc=False):
    """An event of any kind; which members it has is for its kind to say."""

    content_block_index: int = 0
    start: _Start | None = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None


_decode = msgspec.json.Decoder(_Event).decode


class _Open:
    """A block that has begun: what is told only when it is whole."""

    __slots__ = ("call", "citations", "has_arguments", "redacted", "signature", "start", "thinking")

    def __init__(self, start: int) -> None:
        self.start = start
        self.call: int | None = None
        self.has_arguments = False
        self.thinking: list[str] = []
        self.signature = ""
        self.redacted: list[str] = []
        self.citations: list[Any] = []


class BedrockStreamReader(TranslatedReader):
    """Reads one stream; whole at `metadata`, or when it ended after a reason to stop."""

    def __init__(self, request: Request) -> None:
        self._messages = EventStreamSplitter()
        super().__init__(request, self._messages)
        self._blocks: dict[int, _Open] = {}
        self._characters = 0
        self._details = 0

    @override
    def _read(self, frame: bytes) -> None:
        message = frame if isinstance(frame, EventStreamMessage) else EventStreamMessage(frame)
        kind = message.text(":event-type")
        if message.text(":message-type") != "event":
            raise read_exception(message)
        try:
            event = _decode(message)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise UpstreamInvalidResponse(f"an event is not one of Converse's: {error}") from error
        if kind == "contentBlockDelta":
            self._read_delta(self._block(event.content_block_index), event.delta or _Delta())
        elif kind == "contentBlockStart":
            self._begin_block(self._block(event.content_block_index), event.start or _Start())
        elif kind == "contentBlockStop":
            self._end_block(event.content_block_index)
        elif kind == "messageStart" and self.response_model is None:
            self._begin(self._request.model)
        elif kind == "messageStop":
            self._finish(finish_reason(event.stop_reason or ""))
        elif kind == "metadata":
            self.units = read_units(event.usage)
            self._end()

    @override
    def _is_whole(self) -> bool:
        return self.finish_reason is not None and self._messages.is_between_messages

    def _block(self, index: int) -> _Open:
        """Return a block; that of a text begins with its first delta."""
        if index not in self._blocks:
            self._blocks[index] = _Open(self._characters)
        return self._blocks[index]

    def _begin_block(self, opened: _Open, start: _Start) -> None:
        if start.tool_use is not None and start.tool_use.is_clients:
            opened.call = self._begin_call(start.tool_use.tool_use_id, start.tool_use.name)

    def _read_delta(self, opened: _Open, delta: _Delta) -> None:
        if delta.text:
            self._characters += len(delta.text)
            self._text(delta.text)
        elif delta.tool_use is not None:
            if opened.call is not None and delta.tool_use.input:
                opened.has_arguments = True
                self._arguments(opened.call, delta.tool_use.input)
        elif delta.reasoning_content is not None:
            thought = delta.reasoning_content
            opened.thinking.append(thought.text)
            opened.signature += thought.signature
            if thought.redacted_content:
                opened.redacted.append(thought.redacted_content)
            self._reasoning(thought.text)
        elif delta.citation is not None:
            opened.citations.append(delta.citation)

    def _end_block(self, index: int) -> None:
        opened = self._block(index)
        if opened.call is not None and not opened.has_arguments:
            self._arguments(opened.call, "{}")
        if opened.redacted:
            self._tell_detail(encrypted_detail(index, self._details, _joined(opened.redacted)))
        elif opened.signature:
            self._tell_detail(reasoning_detail(index, self._details, "".join(opened.thinking), opened.signature))
        found = (annotation(citation, opened.start, self._characters) for citation in opened.citations)
        if annotations := [each for each in found if each is not None]:
            self._members(annotations=annotations)

    def _tell_detail(self, detail: dict[str, Any]) -> None:
        self._details += 1
        self._members(reasoning_details=[detail])


def _joined(pieces: list[str]) -> str:
    """Return base64 of the bytes that come in several pieces of it."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()
    except (binascii.Error, ValueError) as error:
        raise UpstreamInvalidResponse("reasoning that is encrypted is not base64") from error
