"""OpenAI's chunks, read one event at a time as they pass.

The payload of an event goes out byte for byte, its usage member excepted where the client did not ask for one.
"""

from typing import Any

import msgspec

from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamInvalidResponse, UpstreamUnreachable
from aqueduct.providers import openai_errors
from aqueduct.providers.base import Event
from aqueduct.providers.openai_usage import read_units
from aqueduct.wire.sse import DONE_PAYLOAD, NamedEvent, SseSplitter
from aqueduct.wire.usage_edit import without_member


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None
    audio: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: Any = msgspec.UNSET
    error: Any = None


class _ChoiceState:
    """What has been seen of one choice."""

    __slots__ = ("checkable", "finish_reason", "other", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.other: list[str] = []
        self.finish_reason: str | None = None
        self.checkable = True

    def take(self, delta: _Delta) -> bool:
        """Add one delta; return whether it carries content, reasoning, a refusal or a tool call."""
        if isinstance(delta.content, str):
            if not delta.content:
                return self._take_other(delta)
            self.text.append(delta.content)
            return True
        return delta.content is not None or self._take_other(delta)

    def _take_other(self, delta: _Delta) -> bool:
        reasoning = delta.reasoning_content or delta.reasoning
        if reasoning:
            self.other.append(reasoning)
        if delta.refusal:
            self.other.append(delta.refusal)
            self.checkable = False
        calls = delta.tool_calls or ()
        functions = [call.function for call in calls if call.function]
        if delta.function_call:
            functions.append(delta.function_call)
        self.other += [function.arguments for function in functions if function.arguments]
        if calls or functions:
            self.checkable = False
        return bool(reasoning or delta.refusal or calls or functions or delta.audio)


_decode = msgspec.json.Decoder(_Chunk).decode


class OpenAIStreamReader:
    """Reads one stream; whole when `[DONE]` came, or when it ended after a finish reason for every choice begun."""

    def __init__(self, *, wants_usage: bool) -> None:
        self.units: Units | None = None
        self.response_model: str | None = None
        self.is_done = self.is_end_said = False
        self.pending: list[Event] = []
        self._wants_usage = wants_usage
        self._has_content = False
        self._choices: dict[int, _ChoiceState] = {}
        self._splitter = SseSplitter()

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason so far."""
        return next((choice.finish_reason for choice in self._choices.values()), None)

    def feed(self, data: bytes) -> list[Event]:
        """Take what arrived, cut anywhere; return the events that are now complete."""
        events: list[Event] = []
        self.pending = events
        for payload in self._splitter.feed(data):
            self._read(payload, events)
        return events

    def finish(self) -> list[Event]:
        """Take the end of the body; return what was left, or raise if the stream was not whole."""
        events: list[Event] = []
        self.pending = events
        for payload in self._splitter.finish():
            self._read(payload, events)
        if not self.is_done:
            if not self._choices or any(choice.finish_reason is None for choice in self._choices.values()):
                raise UpstreamUnreachable("the stream ended early")
            self.is_done = True
        return events

    def contents(self) -> dict[int, str]:
        """Return the text of each choice that ended in `stop` with neither refusal nor tool call, by index."""
        return {
            index: "".join(choice.text)
            for index, choice in self._choices.items()
            if choice.finish_reason == "stop" and choice.checkable
        }

    def output_text(self) -> str:
        """Return all the text generated so far, for counting."""
        return "".join(part for choice in self._choices.values() for part in (*choice.other, *choice.text))

    def _read(self, payload: bytes, events: list[Event]) -> None:
        if self.is_done or not payload:
            return
        if payload == DONE_PAYLOAD:
            self.is_done = self.is_end_said = True
            return
        if type(payload) is NamedEvent:
            if payload.name == b"error":
                raise openai_errors.read_error_event(payload)
            if payload.name == b"ping":
                return
        try:
            chunk = _decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise UpstreamInvalidResponse(f"an event is not a chunk: {error}") from error
        if chunk.error is not None:
            raise openai_errors.read_error_object(chunk.error)
        if chunk.choices is None and chunk.usage is msgspec.UNSET:
            raise UpstreamInvalidResponse("an event has no choices")
        self._read_choices(chunk)
        if chunk.usage is not msgspec.UNSET:
            payload = self._read_usage(chunk, payload)
        events.append(Event(payload, self._has_content))

    def _read_choices(self, chunk: _Chunk) -> None:
        if not self.response_model:  # Azure's first chunk, of its filters, has an empty one
            self.response_model = chunk.model
        for choice in chunk.choices or ():
            state = self._choices.get(choice.index)
            if state is None:
                state = self._choices[choice.index] = _ChoiceState()
            if choice.delta is not None and state.take(choice.delta):
                self._has_content = True
            if choice.text:
                state.text.append(choice.text)
                self._has_content = True
            if choice.finish_reason is not None:
                state.finish_reason = choice.finish_reason
                self._has_content = True

    def _read_usage(self, chunk: _Chunk, payload: bytes) -> bytes:
        """Keep the usage; return the payload as the client is to see it."""
        if (units := read_units(chunk.usage)) is not None:
            self.units = units
        if self._wants_usage:
            return payload
        if not chunk.choices and chunk.usage is not None:
            return b""
        return without_member(payload, "usage")
