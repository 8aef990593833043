"""Writes OpenAI's chat completions, whole and as chunks, for answers that came in another format.

Source: OpenAI's API description, `CreateChatCompletionResponse` and `CreateChatCompletionStreamResponse`. Beyond it,
`reasoning_content` holds the model's reasoning as DeepSeek, vLLM and others spell it.
"""

from typing import Any

import msgspec

from aqueduct.domain.usage import Units
from aqueduct.wire.request import Request
from aqueduct.wire.usage import usage_object

_encode = msgspec.json.encode


class Call(msgspec.Struct, kw_only=True):
    """A function call: `arguments` is JSON in a string. `members` are added to it as they are."""

    id: str
    name: str
    arguments: str
    members: dict[str, Any] = {}


class Choice(msgspec.Struct, kw_only=True):
    """One choice of an answer; `text` is None where the model said nothing. `members` are added to its message."""

    finish_reason: str
    text: str | None = None
    reasoning: str = ""
    refusal: str | None = None
    calls: list[Call] = []
    logprobs: dict[str, Any] | None = None
    members: dict[str, Any] = {}

    @property
    def is_checkable(self) -> bool:
        """Whether a JSON schema is about its text."""
        return self.finish_reason == "stop" and not (self.refusal or self.calls)

    def generated(self) -> str:
        """Return all that the model wrote, for counting."""
        return "".join((self.reasoning, self.text or "", self.refusal or "", *(call.arguments for call in self.calls)))


def answer_id(request: Request) -> str:
    """Return the id of an answer whose upstream gave it none: the request's, so that it is found in the records."""
    return f"chatcmpl-{request.id}"


def write_completion(request: Request, model: str, choices: list[Choice], units: Units | None) -> bytes:
    """Return a whole completion."""
    completion: dict[str, Any] = {
        "id": answer_id(request),
        "object": "chat.completion",
        "created": request.received_at,
        "model": model,
        "choices": [
            {
                "index": index,
                "message": _message(choice),
                "logprobs": choice.logprobs,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(choices)
        ],
    }
    if units is not None:
        completion["usage"] = usage_object(units)
    return _encode(completion)


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": choice.refusal}
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    message |= choice.members
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
                **call.members,
            }
            for call in choice.calls
        ]
    return message


class ChunkWriter:
    """Writes the chunks of one stream; what they all share is encoded once."""

    def __init__(self, request: Request, model: str) -> None:
        head = {
            "id": answer_id(request),
            "object": "chat.completion.chunk",
            "created": request.received_at,
            "model": model,
        }
        self._head = _encode(head)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}' if request.wants_usage else b"]}"
        self._content = (
            self._head + b'{"index":0,"delta":{"content":',
            b'},"logprobs":null,"finish_reason":null}' + self._tail,
        )

    def content(self, text: str, index: int = 0) -> bytes:
        """Return a chunk of text."""
        if index:
            return self.delta({"content": text}, index)
        before, after = self._content
        return before + _encode(text) + after

    def delta(self, delta: dict[str, Any], index: int = 0, logprobs: Any = None) -> bytes:
        """Return a chunk that adds to a choice."""
        return self._chunk({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None})

    def finish(self, reason: str, index: int = 0) -> bytes:
        """Return the chunk that ends a choice."""
        return self._chunk({"index": index, "delta": {}, "logprobs": None, "finish_reason": reason})

    def usage(self, units: Units) -> bytes:
        """Return the chunk that tells the usage: one without choices."""
        return self._head + b'],"usage":%b}' % _encode(usage_object(units))

    def _chunk(self, choice: dict[str, Any]) -> bytes:
        return self._head + _encode(choice) + self._tail
