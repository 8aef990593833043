"""What every adapter of another protocol has in common: answers and streams, told in its words, written in OpenAI's.

An adapter says what happened (`text`, `reasoning`, `begin_call`, …); here it becomes chunks, and what accounting and
the structured promise read of them.
"""

from abc import ABC, abstractmethod
from typing import Any, Protocol

from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamInvalidResponse, UpstreamUnreachable
from aqueduct.providers.base import Answer, Event
from aqueduct.wire.chat_writer import Choice, ChunkWriter, write_completion
from aqueduct.wire.request import Request


def write_answer(request: Request, model: str, choices: list[Choice], units: Units | None) -> Answer:
    """Return a whole answer; raise `UpstreamInvalidResponse` for one that has no choices."""
    if not choices:
        raise UpstreamInvalidResponse("the answer has no choices")
    return Answer(
        body=write_completion(request, model, choices, units),
        units=units,
        response_model=model,
        finish_reason=choices[0].finish_reason,
        contents={index: choice.text or "" for index, choice in enumerate(choices) if choice.is_checkable},
        output_text="" if units is not None else "".join(choice.generated() for choice in choices),
    )


class Splitter(Protocol):
    """Cuts a body into the frames of its protocol: server-sent events, lines, AWS event-stream messages."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete with these bytes; raise `UpstreamInvalidResponse` for rubbish."""

    def finish(self) -> list[bytes]:
        """Return what the end of the body completes."""


class _ChoiceState:
    """What has been told of one choice."""

    __slots__ = ("calls", "finish_reason", "is_checkable", "other", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.other: list[str] = []
        self.calls = 0
        self.finish_reason: str | None = None
        self.is_checkable = True


class TranslatedReader(ABC):
    """Reads one stream of another protocol; a subclass says in `_read` what a frame means.

    It tells the model's name by `_begin` before anything else, the finish reason by `_finish`, usage in `units`, and
    calls `_end` at the protocol's own last frame; a protocol without one overrides `_is_whole` and `_has_last_frame`.
    """

    _has_last_frame = True

    def __init__(self, request: Request, splitter: Splitter) -> None:
        self.units: Units | None = None
        self.response_model: str | None = None
        self.is_done = self.is_end_said = False
        self.pending: list[Event] = []
        self._request = request
        self._splitter = splitter
        self._writer: ChunkWriter | None = None
        self._choices: dict[int, _ChoiceState] = {}
        self._has_content = False

    @abstractmethod
    def _read(self, frame: bytes) -> None:
        """Take one frame and tell what it says; raise `UpstreamError` for an error in it, or rubbish."""

    def _is_whole(self) -> bool:
        """Whether the stream may end here although its protocol's last frame did not come."""
        return False

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""
        return next((choice.finish_reason for choice in self._choices.values()), None)

    def feed(self, data: bytes) -> list[Event]:
        """Take what arrived, cut anywhere; return the events that are now complete."""
        events = self.pending = []
        for frame in self._splitter.feed(data):
            if not self.is_done:
                self._read(frame)
        return events

    def finish(self) -> list[Event]:
        """Take the end of the body; return what was left, or raise if the stream was not whole."""
        events = self.pending = []
        for frame in self._splitter.finish():
            if not self.is_done:
                self._read(frame)
        if not self.is_done:
            if not self._is_whole():
                raise UpstreamUnreachable("the stream ended early")
            self._end()
            self.is_end_said = not self._has_last_frame
        return events

    def contents(self) -> dict[int, str]:
        """Return the text of each choice that ended in `stop` with neither refusal nor tool call, by index."""
        return {
            index: "".join(choice.text)
            for index, choice in self._choices.items()
            if choice.finish_reason == "stop" and choice.is_checkable
        }

    def output_text(self) -> str:
        """Return all the text generated so far, for counting."""
        return "".join(part for choice in self._choices.values() for part in (*choice.other, *choice.text))

    # What a subclass tells.

    def _begin(self, model: str) -> None:
        """The answer begins; once."""
        self.response_model = model
        self._writer = ChunkWriter(self._request, model)
        self._begin_choice(0)

    def _begin_choice(self, index: int) -> _ChoiceState:
        choice = self._choices[index] = _ChoiceState()
        self._emit(self._chunks.delta({"role": "assistant", "content": ""}, index))
        return choice

    def _text(self, text: str, index: int = 0, logprobs: Any = None) -> None:
        """The model wrote text; `logprobs` are those of its tokens, in OpenAI's form."""
        if text:
            self._choice(index).text.append(text)
            self._has_content = True
            chunks = self._chunks
            delta = chunks.delta({"content": text}, index, logprobs) if logprobs else chunks.content(text, index)
            self._emit(delta)

    def _reasoning(self, text: str, index: int = 0) -> None:
        """The model reasoned."""
        if text:
            self._choice(index).other.append(text)
            self._has_content = True
            self._emit(self._chunks.delta({"reasoning_content": text}, index))

    def _refusal(self, text: str, index: int = 0) -> None:
        """The model refused, in these words."""
        choice = self._choice(index)
        choice.is_checkable = False
        choice.other.append(text)
        self._has_content = True
        self._emit(self._chunks.delta({"refusal": text}, index))

    def _begin_call(self, call_id: str, name: str, index: int = 0, **members: Any) -> int:
        """The model calls a function; return the call's number among those of its choice."""
        choice = self._choice(index)
        choice.is_checkable = False
        number = choice.calls
        choice.calls += 1
        function = {"name": name, "arguments": ""}
        call = {"index": number, "id": call_id, "type": "function", "function": function, **members}
        self._has_content = True
        self._emit(self._chunks.delta({"tool_calls": [call]}, index))
        return number

    def _arguments(self, number: int, text: str, index: int = 0) -> None:
        """The model wrote more of a call's arguments."""
        if text:
            self._choice(index).other.append(text)
            self._emit(self._chunks.delta({"tool_calls": [{"index": number, "function": {"arguments": text}}]}, index))

    def _members(self, index: int = 0, **members: Any) -> None:
        """The message has more members (annotations, reasoning details); they are not content by themselves."""
        self._choice(index)
        self._emit(self._chunks.delta(members, index))

    def _finish(self, reason: str, index: int = 0) -> None:
        """A choice is over."""
        choice = self._choice(index)
        if choice.finish_reason is None:
            choice.finish_reason = reason
            self._has_content = True
            self._emit(self._chunks.finish(reason, index))

    def _end(self) -> None:
        """The stream is whole."""
        if self.finish_reason is None:
            raise UpstreamInvalidResponse("the stream ended without a finish reason")
        self.is_done = self.is_end_said = True
        if self._request.wants_usage and self.units is not None:
            self._emit(self._chunks.usage(self.units))

    @property
    def _chunks(self) -> ChunkWriter:
        if self._writer is None:
            raise UpstreamInvalidResponse("the stream does not begin with its beginning")
        return self._writer

    def _choice(self, index: int) -> _ChoiceState:
        return self._choices.get(index) or self._begin_choice(index)

    def _emit(self, payload: bytes) -> None:
        self.pending.append(Event(payload, self._has_content))
