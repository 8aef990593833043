"""What Gemini says, in OpenAI's words: finish reasons, calls, log probabilities, sources."""

from typing import Any

import msgspec

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.gemini.wire import Candidate, FunctionCall, Part, Response
from aqueduct.wire.chat_writer import Call, Choice
from aqueduct.wire.request import Request

CONTENT_FILTER = "content_filter"

_REASONS = {"STOP": "stop", "FINISH_REASON_UNSPECIFIED": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
"""Every other reason is a block, by a policy or for no reason that is told: the answer is not to look whole."""

_BROKEN = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"}
    | {"MISSING_THOUGHT_SIGNATURE", "NO_IMAGE", "IMAGE_OTHER"}
)
"""The model failed; another attempt may not."""


def finish_reason(reason: str | None, *, has_calls: bool) -> str:
    """Return OpenAI's finish reason; raise `UpstreamInvalidResponse` where the model made a mistake."""
    if reason in _BROKEN:
        raise UpstreamInvalidResponse(f"the model failed: {reason}")
    told = "stop" if reason is None else _REASONS.get(reason, CONTENT_FILTER)
    return "tool_calls" if told == "stop" and has_calls else told


def call_id(request: Request, call: FunctionCall, index: int, number: int) -> str:
    """Return the id of a call; where Gemini gives none, one that no other call of the conversation has."""
    return call.id or f"call_{request.id}_{index}_{number}"


def signature_members(signature: str | None) -> dict[str, Any]:
    """Return the members that carry a thought signature to the client, which sends them back."""
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}


def image_url(part: Part) -> dict[str, Any] | None:
    """Return an image that the model made, as clients of such models read it (`message.images`)."""
    blob = part.inline_data
    if blob is None or part.thought:
        return None
    return {"type": "image_url", "image_url": {"url": f"data:{blob.mime_type};base64,{blob.data}"}}


def read_choices(request: Request, response: Response) -> list[Choice]:
    """Return the choices of a whole answer; a prompt that was blocked has one, which says so."""
    candidates = response.candidates or []
    if not candidates and response.is_blocked:
        return [Choice(finish_reason=CONTENT_FILTER)]
    ordered = sorted(candidates, key=lambda candidate: candidate.index)
    return [_choice(request, candidate, index) for index, candidate in enumerate(ordered)]


def _choice(request: Request, candidate: Candidate, index: int) -> Choice:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Call] = []
    images: list[dict[str, Any]] = []
    members: dict[str, Any] = {}
    for part in candidate.parts:
        if part.function_call is not None:
            calls.append(_call(request, part, index, len(calls)))
        elif part.thought:
            thoughts.append(part.text or "")
        else:
            texts += [] if part.text is None else [part.text]
            members |= signature_members(part.thought_signature)
            images += [] if (image := image_url(part)) is None else [image]
    text = "".join(texts)
    if images:
        members["images"] = images
    if annotations := read_annotations(candidate.grounding_metadata, candidate.citation_metadata, text):
        members["annotations"] = annotations
    return Choice(
        finish_reason=finish_reason(candidate.finish_reason, has_calls=bool(calls)),
        text=text if texts else None,
        reasoning="".join(thoughts),
        calls=calls,
        logprobs=read_logprobs(candidate.logprobs_result),
        members=members,
    )


def _call(request: Request, part: Part, index: int, number: int) -> Call:
    if (call := part.function_call) is None:
        raise ValueError("the part is no call")
    return Call(
        id=call_id(request, call, index, number),
        name=call.name,
        arguments=call.arguments,
        members=signature_members(part.thought_signature),
    )


class _Logprob(msgspec.Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0

    def written(self) -> dict[str, Any]:
        return {"token": self.token, "logprob": self.log_probability, "bytes": list(self.token.encode())}


class _Top(msgspec.Struct):
    candidates: list[_Logprob] = []


class _Logprobs(msgspec.Struct, rename="camel"):
    chosen_candidates: list[_Logprob] = []
    top_candidates: list[_Top] = []


def read_logprobs(value: Any) -> dict[str, Any] | None:
    """Return the log probabilities of an answer's tokens, or None where there are none."""
    if value is None:
        return None
    read = _convert(value, _Logprobs)
    if not read.chosen_candidates:
        return None
    tops = read.top_candidates or [_Top()] * len(read.chosen_candidates)
    content = [
        {**chosen.written(), "top_logprobs": [each.written() for each in top.candidates]}
        for chosen, top in zip(read.chosen_candidates, tops, strict=False)
    ]
    return {"content": content, "refusal": None}


class _Source(msgspec.Struct):
    uri: str = ""
    title: str | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    web: _Source | None = None
    retrieved_context: _Source | None = None
    maps: _Source | None = None

    @property
    def source(self) -> _Source | None:
        return self.web or self.retrieved_context or self.maps


class _Segment(msgspec.Struct, rename="camel", frozen=True):
    start_index: int = 0
    end_index: int = 0


class _Support(msgspec.Struct, rename="camel"):
    segment: _Segment = _Segment()
    grounding_chunk_indices: list[int] = []


class _Grounding(msgspec.Struct, rename="camel"):
    grounding_chunks: list[_Chunk] = []
    grounding_supports: list[_Support] = []


class _Citation(msgspec.Struct, rename="camel"):
    start_index: int = 0
    end_index: int = 0
    uri: str = ""
    title: str | None = None


class _Citations(msgspec.Struct, rename="camel"):
    """The Gemini API and Vertex have different names for the same list."""

    citation_sources: list[_Citation] = []
    citations: list[_Citation] = []


def read_annotations(grounding: Any, citations: Any, text: str) -> list[dict[str, Any]]:
    """Return where the text, or pieces of it, came from; Gemini counts bytes, OpenAI characters."""
    if grounding is None and citations is None:
        return []
    encoded = text.encode()
    annotations: list[dict[str, Any]] = []

    def add(source: _Source | _Citation | None, start: int, end: int) -> None:
        if source is not None and source.uri:
            citation = {
                "url": source.uri,
                "title": source.title or source.uri,
                "start_index": _characters(encoded, start),
                "end_index": _characters(encoded, end),
            }
            annotations.append({"type": "url_citation", "url_citation": citation})

    found = _convert(grounding or {}, _Grounding)
    sources = [chunk.source for chunk in found.grounding_chunks]
    for support in found.grounding_supports:
        for number in support.grounding_chunk_indices:
            if 0 <= number < len(sources):
                add(sources[number], support.segment.start_index, support.segment.end_index)
    if not found.grounding_supports:
        for source in sources:
            add(source, 0, len(encoded))
    cited = _convert(citations or {}, _Citations)
    for citation in (*cited.citation_sources, *cited.citations):
        add(citation, citation.start_index, citation.end_index)
    return annotations


def _characters(encoded: bytes, count: int) -> int:
    """Return how many characters so many bytes are."""
    return len(encoded[: max(count, 0)].decode(errors="ignore"))


def _convert(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return kind()  # an answer is not worth less for what it says beside itself
