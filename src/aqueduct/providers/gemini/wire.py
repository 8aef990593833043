"""Gemini's answer as it comes over the wire; what is not read here is passed over.

Source: `GenerateContentResponse` of the Gemini API (v1beta) and of Vertex AI (v1beta1).
"""

import re
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.providers.gemini import errors


class Blob(msgspec.Struct, rename="camel"):
    """Data in base64."""

    mime_type: str = ""
    data: str = ""


class FunctionCall(msgspec.Struct, rename="camel"):
    """A call of a function; `args` is an object."""

    name: str
    id: str | None = None
    args: Raw | UnsetType = UNSET

    @property
    def arguments(self) -> str:
        """The arguments as OpenAI writes them: compact JSON in a string."""
        if self.args is UNSET or bytes(self.args) == b"null":
            return "{}"
        return msgspec.json.format(bytes(self.args), indent=-1).decode()


class Part(msgspec.Struct, rename="camel"):
    """A piece of content: text, a thought, a call, data."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(msgspec.Struct):
    """What the model said."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One choice, or what a chunk adds to it; Vertex leaves out an index of 0."""

    content: Content | None = None
    finish_reason: str | None = None
    index: int = 0
    grounding_metadata: Any = None
    citation_metadata: Any = None
    logprobs_result: Any = None

    @property
    def parts(self) -> list[Part]:
        """The pieces of content."""
        return (self.content and self.content.parts) or []


class PromptFeedback(msgspec.Struct, rename="camel"):
    """Why the prompt was not answered."""

    block_reason: str | None = None


class Response(msgspec.Struct, rename="camel"):
    """A whole answer, or one event of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: Any = None
    model_version: str | None = None
    error: Any = None

    @property
    def is_blocked(self) -> bool:
        """Whether the prompt was blocked, so that there is no candidate."""
        return self.prompt_feedback is not None and self.prompt_feedback.block_reason is not None


_decode = msgspec.json.Decoder(Response).decode
_ARRAY = re.compile(rb"\s*\[")


def read_response(data: bytes) -> Response:
    """Decode an answer or an event; raise the error it is, or `UpstreamInvalidResponse` for rubbish."""
    try:
        response = _decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if _ARRAY.match(data):
            raise errors.read_error_object(data) from error
        raise UpstreamInvalidResponse(f"not an answer of Gemini: {error}") from error
    if response.error is not None:
        raise errors.read_error_object(data)
    return response
