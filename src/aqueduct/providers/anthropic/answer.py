"""A whole message of Anthropic's as a choice of OpenAI's."""

from typing import Any

import msgspec

from aqueduct.errors import UpstreamInvalidResponse
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
from aqueduct.providers.base import Answer
from aqueduct.providers.translation import write_answer
from aqueduct.wire.chat_writer import Call, Choice
from aqueduct.wire.request import Request


class Block(msgspec.Struct, gc=False):
    """A block of an answer; which members it has is for its type to say."""

    type: str = ""
    text: str = ""
    citations: list[Any] | None = None
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def arguments(self) -> str:
        """Return a call's input as it was written; what is only skipped has not been decoded."""
        try:
            return bytes(self.input).decode()
        except UnicodeDecodeError as error:
            raise UpstreamInvalidResponse("a call's input is not UTF-8") from error


class _Message(msgspec.Struct):
    content: list[Block] | None = None
    model: str = ""
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: Usage | None = None
    error: ErrorObject | None = None


_decoder = msgspec.json.Decoder(_Message)


def read_answer(request: Request, body: bytes) -> Answer:
    """Translate a whole message; raise `UpstreamError` for what is none."""
    try:
        message = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UpstreamInvalidResponse(f"the answer is not a message: {error}") from error
    if message.error is not None:
        raise read_error_event(message.error)
    if message.content is None or message.stop_reason is None:
        raise UpstreamInvalidResponse("the answer has no content, or does not say why it ends")
    choice = _choice(message.content, finish_reason(message.stop_reason))
    if message.stop_reason == "refusal" and message.stop_details is not None:
        choice.refusal = message.stop_details.explanation
    return write_answer(request, message.model, [choice], read_units(message.usage))


def _choice(blocks: list[Block], reason: str) -> Choice:
    """Return all blocks as one message; those of a type unknown here (of tools on Anthropic's side) are left out."""
    text = ""
    annotations: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    calls: list[Call] = []
    for place, block in enumerate(blocks):
        if block.type == "text":
            start, text = len(text), text + block.text
            found = (annotation(citation, start, len(text)) for citation in block.citations or ())
            annotations += [each for each in found if each is not None]
        elif block.type == "thinking":
            details.append(reasoning_detail(place, len(details), block.thinking, block.signature))
        elif block.type == "redacted_thinking":
            details.append(encrypted_detail(place, len(details), block.data))
        elif block.type == "tool_use":
            calls.append(Call(id=block.id, name=block.name, arguments=block.arguments))
    members: dict[str, Any] = {"reasoning_details": details} if details else {}
    if annotations:
        members["annotations"] = annotations
    reasoning = "".join(block.thinking for block in blocks if block.type == "thinking")
    # A message without calls has a content, if an empty one: as null it could not be sent back.
    said = text if text or not calls else None
    return Choice(finish_reason=reason, text=said, reasoning=reasoning, calls=calls, members=members)
