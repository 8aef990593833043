"""Anthropic's errors, classified by status and `error.type`.

Prose is read for two things that are said in no other way, both under `invalid_request_error`: that the context is too
long, and that the account's money is used up. The patterns are anchored on the recorded and documented wordings.
"""

import re
from collections.abc import Callable

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamNoCredit,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamServerError,
    UpstreamUnauthorized,
)
from aqueduct.providers.openai_errors import retry_after_seconds
from aqueduct.providers.statuses import REJECTION_STATUSES, overflow_of, rejection_of

_CONTEXT_OVERFLOW = re.compile(r"prompt is too long\b|input length and `max_tokens` exceed context limit\b")
_NO_CREDIT = re.compile(r"Your credit balance is too low\b|You have reached your specified (?:API )?usage limits\b")

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""By `error.type`, what the status is where none came: in the events of a stream."""

_BY_STATUS: dict[int, Callable[..., UpstreamError]] = {
    401: UpstreamUnauthorized,
    402: UpstreamNoCredit,
    403: UpstreamUnauthorized,
    404: UpstreamModelMissing,
    408: UpstreamOverloaded,
    409: UpstreamOverloaded,
    429: UpstreamRateLimited,
    503: UpstreamOverloaded,
    529: UpstreamOverloaded,
}


class ErrorObject(msgspec.Struct, frozen=True):
    """The `error` member, in a body and in an event."""

    type: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: ErrorObject = ErrorObject()


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Classify an answer that is not what was asked for."""
    try:
        error = msgspec.json.decode(body, type=_Body).error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        error = ErrorObject()
    if status < 400 and not error.type:
        return UpstreamInvalidResponse(f"status {status}, no answer")
    return _classify(_STATUSES.get(error.type, 500) if status < 400 else status, error, retry_after_seconds(headers))


def read_error_event(error: ErrorObject) -> UpstreamError:
    """Classify an error that came in a stream."""
    return _classify(_STATUSES.get(error.type, 500), error, None)


def _classify(status: int, error: ErrorObject, retry_after: float | None) -> UpstreamError:
    message = f"status {status}, type {error.type!r}"
    if error.type == "billing_error" or _NO_CREDIT.match(error.message):
        return UpstreamNoCredit(message, status=status)
    if error.type == "overloaded_error":
        return UpstreamOverloaded(message, status=status, retry_after_seconds=retry_after)
    if status in REJECTION_STATUSES:
        is_overflow = _CONTEXT_OVERFLOW.match(error.message) is not None
        return overflow_of(status, error.message) if is_overflow else rejection_of(status, error.message)
    otherwise = UpstreamServerError if status >= 500 else UpstreamInvalidResponse
    return _BY_STATUS.get(status, otherwise)(message, status=status, retry_after_seconds=retry_after)
