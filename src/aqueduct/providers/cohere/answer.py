"""What Cohere says, in OpenAI's words: whole answers, and what streams have in common with them.

Source: Cohere's API reference, `V2ChatResponse`. An answer does not name its model.
"""

from typing import Any

import msgspec

from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamInvalidResponse, UpstreamServerError, UpstreamTimeout
from aqueduct.providers.base import Answer
from aqueduct.providers.openai_usage import MAX_COUNT
from aqueduct.providers.translation import write_answer
from aqueduct.wire.chat_writer import Call, Choice
from aqueduct.wire.request import Request

_REASONS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
}
"""Every other reason that is no failure (`ERROR_TOXIC`) is a block: the answer is not to look whole."""


class Function(msgspec.Struct, gc=False):
    """A call's function; in a stream, a piece of it."""

    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A call."""

    id: str | None = None
    function: Function | None = None


class Block(msgspec.Struct, gc=False):
    """A block of the content; which member it has is for its type to say."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class Source(msgspec.Struct, gc=False):
    """Where something cited comes from: a document, or what a tool said."""

    type: str = ""
    id: str | None = None
    document: Any = None
    tool_output: Any = None


class Citation(msgspec.Struct, gc=False):
    """A piece of a block, by its characters, and its sources."""

    start: int = 0
    end: int = 0
    text: str | None = None
    sources: list[Source] | None = None
    content_index: int | None = None
    type: str | None = None


class LogprobItem(msgspec.Struct, gc=False):
    """A piece of text, and the log probability of each token that it is made of."""

    text: str | None = None
    logprobs: list[float] | None = None


class Counts(msgspec.Struct, gc=False):
    """Numbers of tokens."""

    input_tokens: float | None = None
    output_tokens: float | None = None


class Usage(msgspec.Struct, gc=False):
    """What was used: `billed_units` leave out what Cohere itself put into the prompt."""

    billed_units: Counts | None = None
    tokens: Counts | None = None
    cached_tokens: float | None = None


class _Message(msgspec.Struct, gc=False):
    content: list[Block] | None = None
    tool_plan: str | None = None
    tool_calls: list[ToolCall] | None = None
    citations: list[Citation] | None = None


class _Response(msgspec.Struct, gc=False):
    message: _Message
    finish_reason: str
    usage: Usage | None = None
    logprobs: list[LogprobItem] | None = None


_decode = msgspec.json.Decoder(_Response).decode


def read_answer(request: Request, body: bytes) -> Answer:
    """Translate a whole answer; raise `UpstreamError` for what is none."""
    try:
        response = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UpstreamInvalidResponse(f"the answer is not one of Cohere's: {error}") from error
    return write_answer(request, request.model, [_choice(response)], read_units(response.usage))


def _choice(response: _Response) -> Choice:
    message = response.message
    text = ""
    thoughts: list[str] = [message.tool_plan or ""]
    starts: dict[int, int] = {}
    for index, block in enumerate(message.content or ()):
        starts[index] = len(text)
        text += block.text or ""
        thoughts.append(block.thinking or "")
    calls = [_call(call) for call in message.tool_calls or ()]
    annotations = [
        each for citation in message.citations or () for each in read_annotations(citation, _start(citation, starts))
    ]
    return Choice(
        finish_reason=finish_reason(response.finish_reason, has_calls=bool(calls)),
        # A message without calls has a content, if an empty one: as null it could not be sent back.
        text=text if text or not calls else None,
        reasoning="".join(thoughts),
        calls=calls,
        logprobs=read_logprobs(response.logprobs),
        members={"annotations": annotations} if annotations else {},
    )


def _start(citation: Citation, starts: dict[int, int]) -> int:
    return starts.get(citation.content_index or 0, 0)


def _call(call: ToolCall) -> Call:
    function = call.function or Function()
    if call.id is None or function.name is None:
        raise UpstreamInvalidResponse("a call has no id, or no name")
    return Call(id=call.id, name=function.name, arguments=function.arguments or "{}")


def finish_reason(reason: str, *, has_calls: bool) -> str:
    """Return OpenAI's finish reason; raise `UpstreamError` where there is no whole answer."""
    if reason == "TIMEOUT":
        raise UpstreamTimeout("Cohere gave up on the answer")
    if reason in ("ERROR", "USER_CANCEL"):
        raise UpstreamServerError(f"the answer ended with {reason}")
    told = _REASONS.get(reason, "content_filter")
    return "tool_calls" if told == "stop" and has_calls else told


def read_annotations(citation: Citation, offset: int) -> list[dict[str, Any]]:
    """Return a citation's sources as annotations of the text; `offset` is where its block begins.

    What is cited in a plan or in thoughts is no part of the text.
    """
    if citation.type not in (None, "TEXT_CONTENT"):
        return []
    start, end = offset + citation.start, offset + citation.end
    return [_annotation(source, start, end) for source in citation.sources or ()]


def _annotation(source: Source, start: int, end: int) -> dict[str, Any]:
    found = source.document if source.type == "document" else source.tool_output
    members = found if isinstance(found, dict) else {}
    title = next((members[name] for name in ("title", "name") if isinstance(members.get(name), str)), None)
    url = members.get("url")
    if isinstance(url, str) and url:
        cited = {"url": url, "title": title or url, "start_index": start, "end_index": end}
        return {"type": "url_citation", "url_citation": cited}
    file = {"file_id": source.id, "filename": title, "start_index": start, "end_index": end}
    return {"type": "file_citation", "file_citation": file}


def read_logprobs(items: list[LogprobItem] | None) -> dict[str, Any] | None:
    """Return log probabilities in OpenAI's form; of a text of several tokens, that of them all together."""
    content = [
        {
            "token": item.text,
            "logprob": sum(item.logprobs),
            "bytes": list(item.text.encode("utf-8", "replace")),
            "top_logprobs": [],
        }
        for item in items or ()
        if item.text and item.logprobs
    ]
    return {"content": content, "refusal": None} if content else None


def read_units(usage: Usage | None) -> Units | None:
    """Return what is paid for, or else what was used; None where neither is told, or it is incredible.

    Cached tokens are counted within all that were used, so that they say nothing of those that are billed.
    """
    if usage is None:
        return None
    if (billed := _units(usage.billed_units)) is not None:
        return billed
    units = _units(usage.tokens)
    if units is not None and usage.cached_tokens and (cached := _count(usage.cached_tokens)):
        units["cached_tokens"] = min(cached, units["input_tokens"])
    return units


def _units(counts: Counts | None) -> Units | None:
    if counts is None or (counts.input_tokens is None and counts.output_tokens is None):
        return None
    inputs, outputs = _count(counts.input_tokens), _count(counts.output_tokens)
    return None if inputs is None or outputs is None else {"input_tokens": inputs, "output_tokens": outputs}


def _count(value: float | None) -> int | None:
    """Return a count, or None for what cannot be one."""
    if value is None:
        return 0
    return int(value) if 0 <= value <= MAX_COUNT and value == int(value) else None
