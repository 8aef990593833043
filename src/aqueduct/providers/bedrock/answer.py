"""A whole answer of Converse's as a choice of OpenAI's."""

from typing import Any

import msgspec

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.anthropic.blocks import encrypted_detail, reasoning_detail
from aqueduct.providers.base import Answer
from aqueduct.providers.bedrock.blocks import Reasoning, TokenUsage, ToolUse, annotation, finish_reason, read_units
from aqueduct.providers.translation import write_answer
from aqueduct.wire.chat_writer import Call, Choice
from aqueduct.wire.request import Request


class _Text(msgspec.Struct, gc=False):
    text: str = ""


class _Cited(msgspec.Struct, gc=False):
    content: list[_Text] = []
    citations: list[Any] = []

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.content)


class _Block(msgspec.Struct, rename="camel", gc=False):
    """A block of an answer: one of its members is there."""

    text: str = ""
    tool_use: ToolUse | None = None
    reasoning_content: Reasoning | None = None
    citations_content: _Cited | None = None


class _Message(msgspec.Struct):
    content: list[_Block] = []


class _Output(msgspec.Struct):
    message: _Message | None = None


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output | None = None
    stop_reason: str | None = None
    usage: TokenUsage | None = None


_decoder = msgspec.json.Decoder(_Answer)


def read_answer(request: Request, body: bytes) -> Answer:
    """Translate a whole answer; raise `UpstreamInvalidResponse` for what is none."""
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UpstreamInvalidResponse(f"the answer is not one of Converse's: {error}") from error
    message = None if answer.output is None else answer.output.message
    if message is None or answer.stop_reason is None:
        raise UpstreamInvalidResponse("the answer has no message, or does not say why it ends")
    choice = _choice(message.content, finish_reason(answer.stop_reason))
    return write_answer(request, request.model, [choice], read_units(answer.usage))


def _choice(blocks: list[_Block], reason: str) -> Choice:
    """Return all blocks as one message; those of a kind unknown here are left out."""
    text = reasoning = ""
    annotations: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    calls: list[Call] = []
    for place, block in enumerate(blocks):
        if block.citations_content is not None:
            start, text = len(text), text + block.citations_content.text
            found = (annotation(citation, start, len(text)) for citation in block.citations_content.citations)
            annotations += [each for each in found if each is not None]
        elif block.tool_use is not None and block.tool_use.is_clients:
            called = block.tool_use
            calls.append(Call(id=called.tool_use_id, name=called.name, arguments=called.arguments))
        elif block.reasoning_content is not None:
            thought = block.reasoning_content.reasoning_text
            reasoning += thought.text if thought else ""
            details += _details(block.reasoning_content, place, len(details))
        text += block.text
    members: dict[str, Any] = {"reasoning_details": details} if details else {}
    if annotations:
        members["annotations"] = annotations
    # A message without calls has a content, if an empty one: as null it could not be sent back.
    said = text if text or not calls else None
    return Choice(finish_reason=reason, text=said, reasoning=reasoning, calls=calls, members=members)


def _details(block: Reasoning, place: int, number: int) -> list[dict[str, Any]]:
    """Return what must come back as it is: what is signed, and what is encrypted."""
    if block.redacted_content:
        return [encrypted_detail(place, number, block.redacted_content)]
    thought = block.reasoning_text
    return [reasoning_detail(place, number, thought.text, thought.signature)] if thought and thought.signature else []
