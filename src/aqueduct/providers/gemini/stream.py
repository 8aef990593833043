"""One stream of Gemini's, told as it comes.

Each event is an answer of its own, with what is new. There is no last one: a stream is whole when its body ends after a
finish reason for every candidate. What belongs behind the text (sources, the finish reason itself, which turns on
whether a call came) is told then.
"""

from typing import Any

from typing_extensions import override

from aqueduct.providers.gemini.answer import (
    CONTENT_FILTER,
    call_id,
    finish_reason,
    image_url,
    read_annotations,
    read_logprobs,
    signature_members,
)
from aqueduct.providers.gemini.usage import read_units
from aqueduct.providers.gemini.wire import Candidate, Part, read_response
from aqueduct.providers.translation import TranslatedReader
from aqueduct.wire.request import Request
from aqueduct.wire.sse import SseSplitter


class GeminiStreamReader(TranslatedReader):
    """Reads one stream."""

    _has_last_frame = False

    def __init__(self, request: Request) -> None:
        super().__init__(request, SseSplitter())
        self._reasons: dict[int, str] = {}
        self._sources: dict[int, tuple[Any, Any]] = {}

    @override
    def _read(self, frame: bytes) -> None:
        response = read_response(frame)
        if self.response_model is None:
            self._begin(response.model_version or self._request.model)
        if response.usage_metadata is not None and (units := read_units(response.usage_metadata)) is not None:
            self.units = units
        if response.candidates:
            for candidate in response.candidates:
                self._read_candidate(candidate)
        elif response.is_blocked:
            self._reasons[0] = CONTENT_FILTER

    def _read_candidate(self, candidate: Candidate) -> None:
        index = candidate.index
        logprobs = read_logprobs(candidate.logprobs_result)
        for part in candidate.parts:
            self._read_part(part, index, logprobs)
        grounding, citations = candidate.grounding_metadata, candidate.citation_metadata
        if grounding is not None or citations is not None:
            known = self._sources.get(index, (None, None))
            self._sources[index] = (grounding or known[0], citations or known[1])
        if candidate.finish_reason is not None:
            has_calls = self._choice(index).calls > 0
            self._reasons[index] = finish_reason(candidate.finish_reason, has_calls=has_calls)

    def _read_part(self, part: Part, index: int, logprobs: dict[str, Any] | None) -> None:
        if part.function_call is not None:
            call = part.function_call
            identity = call_id(self._request, call, index, self._choice(index).calls)
            number = self._begin_call(identity, call.name, index, **signature_members(part.thought_signature))
            self._arguments(number, call.arguments, index)
            return
        if part.thought:
            self._reasoning(part.text or "", index)
            return
        if part.text:
            self._text(part.text, index, logprobs)
        if part.thought_signature:
            self._members(index, **signature_members(part.thought_signature))
        if (image := image_url(part)) is not None:
            self._has_content = True
            self._members(index, images=[image])

    @override
    def _is_whole(self) -> bool:
        return bool(self._choices) and self._choices.keys() <= self._reasons.keys()

    @override
    def _end(self) -> None:
        for index, reason in sorted(self._reasons.items()):
            choice = self._choice(index)
            if sources := self._sources.get(index):
                annotations = read_annotations(*sources, "".join(choice.text))
                if annotations:
                    self._members(index, annotations=annotations)
            self._finish("tool_calls" if reason == "stop" and choice.calls else reason, index)
        super()._end()
