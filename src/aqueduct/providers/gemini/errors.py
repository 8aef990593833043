"""Google's errors (`google.rpc.Status`), classified by HTTP status, structured reason and detail.

Prose is read for a context overflow alone, which has neither; the pattern is anchored on recorded wordings of the
Gemini API and Vertex AI.
"""

import re
from typing import Any

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamNoCredit,
    UpstreamServerError,
    UpstreamUnauthorized,
)
from aqueduct.providers.openai_errors import retry_after_seconds
from aqueduct.providers.statuses import BY_STATUS, REJECTION_STATUSES, overflow_of, rejection_of
from aqueduct.wire.cleaning import clean_name

_CONTEXT_OVERFLOW = re.compile(
    r"(?:Unable to submit request because )?the input token count "
    r"(?:(?:\(\d+\) )?exceeds the maximum number of tokens allowed|is \d+ but (?:the )?model only supports up to) ",
    re.IGNORECASE,
)
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s")
_UNAUTHORIZED_REASONS = frozenset(
    {"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED", "SERVICE_DISABLED"}
)
_NO_CREDIT_REASONS = frozenset({"BILLING_DISABLED", "BILLING_STATE_INACTIVE"})
_STATUS_CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""The HTTP status of each `google.rpc.Code`, for an error without a number."""


class _Status(msgspec.Struct):
    """`google.rpc.Status` as it is in JSON; `details` are objects of many kinds."""

    code: int | None = None
    message: str = ""
    status: str = ""
    details: list[dict[str, Any]] = []

    @property
    def reason(self) -> str:
        """The reason of `google.rpc.ErrorInfo`."""
        return next((reason for each in self.details if isinstance(reason := each.get("reason"), str)), "")

    @property
    def retry_delay_seconds(self) -> float | None:
        """The delay of `google.rpc.RetryInfo`."""
        for each in self.details:
            delay = each.get("retryDelay")
            if isinstance(delay, str) and (match := _DURATION.fullmatch(delay)):
                return float(match[1])
        return None


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Classify an answer that is not what was asked for."""
    error = _read(body)
    if status < 400 and not error.message:
        return UpstreamInvalidResponse(f"status {status}, no answer")
    return _classify(status if status >= 400 else None, error, retry_after_seconds(headers))


def read_error_object(data: bytes) -> UpstreamError:
    """Classify an error that came with status 200, in a body or in a stream."""
    return _classify(None, _read(data), None)


def _read(data: bytes) -> _Status:
    """Find the error: under `error`, or so in an array, as streams without events begin."""
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Status()
    if isinstance(document, list):
        document = next((item for item in document if isinstance(item, dict) and "error" in item), None)
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str):
        return _Status(message=error)
    try:
        return msgspec.convert(error, _Status)
    except msgspec.ValidationError:
        message = error.get("message") if isinstance(error, dict) else None
        return _Status(message=message if isinstance(message, str) else "")


def _classify(status: int | None, error: _Status, retry_after: float | None) -> UpstreamError:
    if status is None:
        status = error.code if error.code and 400 <= error.code <= 599 else _STATUS_CODES.get(error.status)
    delay = error.retry_delay_seconds
    message = f"status {status}, {error.status or 'no status'}, reason {error.reason or 'none'}"
    if error.reason in _NO_CREDIT_REASONS:
        return UpstreamNoCredit(message, status=status)
    if error.reason in _UNAUTHORIZED_REASONS or (status == 400 and error.status == "FAILED_PRECONDITION"):
        return UpstreamUnauthorized(message, status=status)
    if status in REJECTION_STATUSES:
        if _CONTEXT_OVERFLOW.match(error.message):
            return overflow_of(status, error.message)
        return rejection_of(status, error.message, code=clean_name(error.status.lower()) or None)
    kind = UpstreamServerError if status is None or status >= 500 or status == 499 else UpstreamInvalidResponse
    classify = BY_STATUS.get(status or 0, kind)
    return classify(message, status=status, retry_after_seconds=retry_after if delay is None else delay)
