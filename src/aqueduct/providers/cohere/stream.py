"""Cohere's streaming events, told one by one.

Source: Cohere's page on streaming. Types unknown here, `debug` among them, are passed over.
"""

from typing import Any

import msgspec
from msgspec import Raw
from typing_extensions import override

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.cohere.answer import (
    Block,
    Citation,
    LogprobItem,
    ToolCall,
    Usage,
    finish_reason,
    read_annotations,
    read_logprobs,
    read_units,
)
from aqueduct.providers.cohere.errors import read_stream_error
from aqueduct.providers.translation import TranslatedReader
from aqueduct.wire.request import Request
from aqueduct.wire.sse import DONE_PAYLOAD, SseSplitter


class _Message(msgspec.Struct, gc=False):
    """What is new, one member an event; when a message begins its members are empty lists."""

    content: Block | list[Raw] | None = None
    tool_plan: str | None = None
    tool_calls: ToolCall | list[Raw] | None = None
    citations: Citation | list[Raw] | None = None


class _Delta(msgspec.Struct, gc=False):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    error: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    logprobs: LogprobItem | None = None


_decode = msgspec.json.Decoder(_Event).decode


class CohereStreamReader(TranslatedReader):
    """Reads one stream; whole at `message-end`."""

    def __init__(self, request: Request) -> None:
        super().__init__(request, SseSplitter())
        self._characters = 0
        self._starts: dict[int, int] = {}
        self._calls: dict[int, int] = {}
        self._with_arguments: set[int] = set()

    @override
    def _read(self, frame: bytes) -> None:
        if frame == DONE_PAYLOAD:
            return
        try:
            event = _decode(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise UpstreamInvalidResponse(f"an event is not one of Cohere's: {error}") from error
        delta = event.delta or _Delta()
        message = delta.message or _Message()
        kind = event.type
        if kind in ("content-delta", "content-start"):
            self._read_content(event.index, message.content, event.logprobs)
        elif kind == "tool-plan-delta":
            self._reasoning(message.tool_plan or "")
        elif kind in ("tool-call-start", "tool-call-delta", "tool-call-end"):
            self._read_call(kind, event.index, message.tool_calls)
        elif kind == "citation-start":
            self._read_citation(message.citations)
        elif kind == "message-start":
            if self.response_model is None:
                self._begin(self._request.model)
        elif kind == "message-end":
            self._end_message(delta)

    def _read_content(self, index: int, block: Any, logprobs: LogprobItem | None) -> None:
        self._starts.setdefault(index, self._characters)
        if not isinstance(block, Block):
            return
        self._reasoning(block.thinking or "")
        text = block.text or ""
        self._characters += len(text)
        self._text(text, logprobs=read_logprobs(None if logprobs is None else [logprobs]))

    def _read_call(self, kind: str, index: int, call: Any) -> None:
        if kind == "tool-call-start":
            if not isinstance(call, ToolCall) or call.id is None or call.function is None or call.function.name is None:
                raise UpstreamInvalidResponse("a call has no id, or no name")
            self._calls[index] = self._begin_call(call.id, call.function.name)
        elif index not in self._calls:
            raise UpstreamInvalidResponse("an event belongs to no call")
        if isinstance(call, ToolCall) and call.function is not None and call.function.arguments:
            self._with_arguments.add(index)
            self._arguments(self._calls[index], call.function.arguments)
        if kind == "tool-call-end" and index not in self._with_arguments:
            self._arguments(self._calls[index], "{}")

    def _read_citation(self, citation: Any) -> None:
        if isinstance(citation, Citation):
            offset = self._starts.get(citation.content_index or 0, 0)
            if annotations := read_annotations(citation, offset):
                self._members(annotations=annotations)

    def _end_message(self, delta: _Delta) -> None:
        self.units = read_units(delta.usage)
        if delta.error:
            raise read_stream_error(delta.error)
        if delta.finish_reason is None:
            raise UpstreamInvalidResponse("the message ends for no reason")
        self._finish(finish_reason(delta.finish_reason, has_calls=bool(self._calls)))
        self._end()
