"""Ollama's stream, told line by line; a call comes whole, in one line."""

from typing_extensions import override

from aqueduct.providers.ollama.answer import (
    Message,
    ToolCall,
    call_id,
    finish_reason,
    read_logprobs,
    read_response,
    read_units,
)
from aqueduct.providers.translation import TranslatedReader
from aqueduct.wire.ndjson import LineSplitter
from aqueduct.wire.request import Request


class OllamaStreamReader(TranslatedReader):
    """Reads one stream; whole at the line that is `done`."""

    def __init__(self, request: Request) -> None:
        super().__init__(request, LineSplitter())
        self._calls = 0

    @override
    def _read(self, frame: bytes) -> None:
        response = read_response(frame)
        if self.response_model is None:
            self._begin(response.model or self._request.model)
        message = response.message or Message()
        self._reasoning(message.thinking or "")
        self._text(message.content or "", logprobs=read_logprobs(response.logprobs))
        for call in message.tool_calls or ():
            self._read_call(call)
        if response.done:
            self.units = read_units(response)
            self._finish(finish_reason(response.done_reason, has_calls=self._calls > 0))
            self._end()

    def _read_call(self, call: ToolCall) -> None:
        number = self._begin_call(call_id(self._request, call, self._calls), call.function.name)
        self._calls += 1
        self._arguments(number, call.arguments)
