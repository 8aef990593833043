"""Ollama's errors, classified by status; an error is a text, in a body or in the last line of a stream.

Prose is read for what is said in no other way: a context overflow, and what a model cannot do. The patterns are
anchored on the wordings of Ollama's server and of its cloud (recorded).
"""

import re
from typing import Any

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.errors import UpstreamError, UpstreamInvalidResponse, UpstreamServerError
from aqueduct.providers.openai_errors import retry_after_seconds
from aqueduct.providers.statuses import REJECTION_STATUSES, failure_of, rejection_of

_CONTEXT_OVERFLOW = re.compile(
    r"prompt too long; exceeded max context length"
    r"|the prompt is longer than the context length"
    r"|(?:the )?input length exceeds the context length"
    r"|request \(\d+ tokens\) exceeds the available context size"
)
_INCAPABLE = re.compile(r"\S{1,300} does not support (?P<what>tools|thinking|vision|images)\b")
_PARAMS = {"tools": "tools", "thinking": "reasoning_effort", "vision": "messages", "images": "messages"}


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Classify an answer that is not what was asked for; a runner that failed may put its own JSON into the text."""
    try:
        text = _text(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        text = ""
    if status < 400:
        return read_stream_error(text) if text else UpstreamInvalidResponse(f"status {status}, no answer")
    if _CONTEXT_OVERFLOW.match(text):  # older servers say it with a status of 500
        return rejection_of(400, text, param="messages", code="context_length_exceeded")
    if status in REJECTION_STATUSES:
        incapable = _INCAPABLE.match(text)
        return rejection_of(status, text, param=None if incapable is None else _PARAMS[incapable["what"]])
    return failure_of(status, f"status {status}", retry_after_seconds(headers))


def read_stream_error(text: str) -> UpstreamError:
    """Classify an error that came with status 200."""
    if _CONTEXT_OVERFLOW.match(text):
        return rejection_of(400, text, param="messages", code="context_length_exceeded")
    return UpstreamServerError("the answer ended in an error")


def error_text(error: Any) -> str:
    """Return the text of an `error` member, in whatever shape it came; empty for none."""
    return _text({"error": error}) or ("unknown" if error else "")


def _text(document: Any) -> str:
    """Find the text: under `error`, as it is, as JSON of the runner's, or as an object's `message`."""
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str) and error.startswith("{"):
        try:
            return _text(msgspec.json.decode(error)) or error
        except (msgspec.DecodeError, RecursionError):
            return error
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else ""
