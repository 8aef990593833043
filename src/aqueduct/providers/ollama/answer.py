"""What Ollama says, in OpenAI's words: whole answers, and the lines of streams, which have the same members.

Source: Ollama's API reference, `POST /api/chat`. Calls have ids since 0.13 only.
"""

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.base import Answer
from aqueduct.providers.ollama.errors import error_text, read_stream_error
from aqueduct.providers.openai_usage import MAX_COUNT
from aqueduct.providers.translation import write_answer
from aqueduct.wire.chat_writer import Call, Choice
from aqueduct.wire.request import Request

_REASONS = {None: "stop", "": "stop", "stop": "stop", "length": "length"}
"""Older servers give none. `load` and `unload` say that nothing was generated."""


class Function(msgspec.Struct, gc=False):
    """The function that is called; `arguments` is an object."""

    name: str
    arguments: Raw | UnsetType = UNSET


class ToolCall(msgspec.Struct, gc=False):
    """A call, always whole."""

    function: Function
    id: str | None = None

    @property
    def arguments(self) -> str:
        """The arguments as OpenAI writes them: compact JSON in a string."""
        raw = self.function.arguments
        if isinstance(raw, UnsetType) or bytes(raw) == b"null":
            return "{}"
        try:
            return msgspec.json.format(bytes(raw), indent=-1).decode()
        except UnicodeDecodeError as error:
            raise UpstreamInvalidResponse("a call's arguments are not UTF-8") from error


class Message(msgspec.Struct, gc=False):
    """What the model said, or what a line adds to it."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None


class _Alternative(msgspec.Struct, gc=False):
    token: str = ""
    logprob: float = 0.0

    def written(self) -> dict[str, Any]:
        encoded = self.token.encode("utf-8", "replace")
        return {"token": self.token, "logprob": self.logprob, "bytes": list(encoded)}


class Logprob(_Alternative, gc=False):
    """The log probability of one token, and of those that might have stood in its place."""

    top_logprobs: list[_Alternative] | None = None


class Response(msgspec.Struct, gc=False):
    """A whole answer, or one line of a stream; the last one is `done`."""

    model: str = ""
    message: Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    prompt_eval_cached_count: int | None = None
    eval_count: int | None = None
    logprobs: list[Logprob] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Response).decode


def read_response(data: bytes) -> Response:
    """Decode an answer or a line; raise the error that it is, or `UpstreamInvalidResponse` for rubbish."""
    try:
        response = _decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UpstreamInvalidResponse(f"not an answer of Ollama's: {error}") from error
    if text := error_text(response.error):
        raise read_stream_error(text)
    return response


def read_answer(request: Request, body: bytes) -> Answer:
    """Translate a whole answer; raise `UpstreamError` for what is none."""
    response = read_response(body)
    message = response.message
    if message is None or not response.done:
        raise UpstreamInvalidResponse("the answer has no message, or is not done")
    calls = [
        Call(id=call_id(request, call, number), name=call.function.name, arguments=call.arguments)
        for number, call in enumerate(message.tool_calls or ())
    ]
    text = message.content or ""
    choice = Choice(
        finish_reason=finish_reason(response.done_reason, has_calls=bool(calls)),
        # A message without calls has a content, if an empty one: as null it could not be sent back.
        text=text if text or not calls else None,
        reasoning=message.thinking or "",
        calls=calls,
        logprobs=read_logprobs(response.logprobs),
    )
    return write_answer(request, response.model or request.model, [choice], read_units(response))


def call_id(request: Request, call: ToolCall, number: int) -> str:
    """Return the id of a call; where Ollama gives none, one that no other call of the conversation has."""
    return call.id or f"call_{request.id}_{number}"


def finish_reason(reason: str | None, *, has_calls: bool) -> str:
    """Return OpenAI's finish reason; raise `UpstreamInvalidResponse` where nothing was generated."""
    told = _REASONS.get(reason)
    if told is None:
        raise UpstreamInvalidResponse(f"the answer ended with {reason!r}")
    return "tool_calls" if told == "stop" and has_calls else told


def read_logprobs(logprobs: list[Logprob] | None) -> dict[str, Any] | None:
    """Return log probabilities in OpenAI's form."""
    if not logprobs:
        return None
    content = [
        {**each.written(), "top_logprobs": [top.written() for top in each.top_logprobs or ()]} for each in logprobs
    ]
    return {"content": content, "refusal": None}


def read_units(response: Response) -> Units | None:
    """Return what was used; None where the prompt was not counted (older servers), or the count is incredible.

    A count of zero is left out by Ollama.
    """
    inputs, outputs, cached = response.prompt_eval_count, response.eval_count or 0, response.prompt_eval_cached_count
    if inputs is None or not (0 <= inputs <= MAX_COUNT and 0 <= outputs <= MAX_COUNT):
        return None
    units = {"input_tokens": inputs, "output_tokens": outputs}
    if cached is not None and cached > 0:
        units["cached_tokens"] = min(cached, inputs)
    return units
