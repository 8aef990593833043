"""Cohere's errors, classified by status and `error_type`.

Prose is read for a context overflow alone, where `error_type` is missing; the pattern is anchored on the recorded
wording. Source: Cohere's page on errors. Its own status 498 is a word on a deny-list, 499 a cancelled request.
"""

import re

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.errors import UpstreamError, UpstreamInvalidResponse, UpstreamServerError
from aqueduct.providers.openai_errors import retry_after_seconds
from aqueduct.providers.statuses import REJECTION_STATUSES, failure_of, rejection_of
from aqueduct.wire.cleaning import clean_name

_CONTEXT_OVERFLOW = re.compile(r"too many tokens: ", re.IGNORECASE)
_OVERFLOW_TYPE = "TOO_MANY_TOKENS"
_DENIED_STATUS = 498


class _Error(msgspec.Struct):
    message: str = ""
    error_type: str | None = None


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Classify an answer that is not what was asked for."""
    try:
        error = msgspec.json.decode(body, type=_Error)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        error = _Error()
    if status < 400:
        return UpstreamInvalidResponse(f"status {status}, no answer")
    if status == _DENIED_STATUS:
        return rejection_of(status, error.message, param="messages", code="content_filter")
    if status in REJECTION_STATUSES:
        if error.error_type == _OVERFLOW_TYPE or _CONTEXT_OVERFLOW.match(error.message):
            return rejection_of(400, error.message, param="messages", code="context_length_exceeded")
        code = clean_name(error.error_type)
        return rejection_of(status, error.message, code=None if code is None else code.lower())
    return failure_of(status, f"status {status}, type {error.error_type!r}", retry_after_seconds(headers))


def read_stream_error(message: str) -> UpstreamError:
    """Classify an error at the end of a stream, which is told in prose only."""
    if _CONTEXT_OVERFLOW.match(message):
        return rejection_of(400, message, param="messages", code="context_length_exceeded")
    return UpstreamServerError("the stream ended in an error")
