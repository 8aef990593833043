"""Errors of OpenAI-compatible providers, classified by status and structured code.

Prose is read for one thing only, a context overflow, since most servers say it in no other way; the patterns are
anchored on wordings seen in recorded traffic of OpenAI, vLLM, llama.cpp, SGLang, Mistral, DeepSeek and others.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.errors import (
    InvalidRequest,
    RequestError,
    RequestTooLarge,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamNoCredit,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamUnauthorized,
)
from aqueduct.wire.cleaning import clean_message, clean_name

_CONTEXT_OVERFLOW = re.compile(
    r"maximum context length|context (?:length|window|size) (?:of|is|exceeded|limit)"
    r"|exceeds? the (?:available )?context"
    r"|(?:prompt|input|request)[^.]{0,60}(?:too long|exceeds?[^.]{0,40}(?:context|maximum (?:number of )?tokens))"
    r"|input length and `?max_tokens`? exceed",
    re.IGNORECASE,
)
_REJECTION_STATUSES = frozenset({400, 413, 422})
_OVERLOAD_STATUSES = frozenset({408, 409, 503, 529})
_NO_CREDIT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_POLICY_CODES = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
_RETRY_AFTER_LIMIT_SECONDS = 24 * 3600.0


class _Error(msgspec.Struct):
    """OpenAI's error object; other servers put numbers or null where it has strings."""

    message: str | None = None
    type: str | int | None = None
    code: str | int | None = None
    param: str | None = None


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Classify an answer that is not what was asked for; some servers send errors with status 200."""
    error = read_object(body)
    if status < 400:
        return read_error_object(error) if error.message else UpstreamInvalidResponse(f"status {status}, no answer")
    return _classify(status, error, retry_after_seconds(headers))


def read_error_event(data: bytes) -> UpstreamError:
    """Classify the data of an `event: error`."""
    return _classify(None, read_object(data), None)


def read_error_object(error: Any) -> UpstreamError:
    """Classify an `error` member that came with status 200, in a body or in a stream."""
    return _classify(None, error if isinstance(error, _Error) else _as_error(error), None)


def read_object(body: bytes) -> _Error:
    """Find the error object where servers put it: under `error`, at the top level, in a list, or in `detail`."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Error()
    if isinstance(document, list) and document:
        document = document[0]  # Google's
    if not isinstance(document, dict):
        return _Error()
    error = document.get("error")
    if isinstance(error, str):  # TGI's, xAI's
        document = {"type": document.get("error_type"), **document, "message": error}
    elif error is not None:
        return _as_error(error)
    return _as_error({**_of_detail(document.get("detail")), **document})


def _as_error(value: Any) -> _Error:
    if isinstance(value, str):
        return _Error(message=value)
    members = value if isinstance(value, dict) else {}
    if isinstance(message := members.get("message"), dict):  # Mistral's, around FastAPI's
        members = {**members, **_of_detail(message.get("detail"))}
    if inner := _of_metadata(members.get("metadata")):
        members = {**members, "message": inner}
    kept = {
        name: item for name in ("message", "type", "code", "param") if isinstance(item := members.get(name), str | int)
    }
    try:
        return msgspec.convert(kept, _Error)
    except msgspec.ValidationError:
        return _Error(message=str(kept.get("message", "")))


def _of_detail(detail: Any) -> dict[str, str]:
    """Return what FastAPI says: a text, or a list of what is wrong and where (`["body", "top_p"]`)."""
    if isinstance(detail, str):
        return {"message": detail}
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, dict):
        return {}
    place = first.get("loc")
    names = [str(name) for name in place if name != "body"] if isinstance(place, list) else []
    return {"message": str(first.get("msg", "")), "param": ".".join(names)}


def _of_metadata(metadata: Any) -> str | None:
    """Return what the provider behind OpenRouter said, as its own words are "Provider returned error"."""
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str):
        return None
    return read_object(raw.encode()).message or raw


def _classify(status: int | None, error: _Error, retry_after_seconds: float | None) -> UpstreamError:
    if status is None:
        status = error.code if isinstance(error.code, int) and 400 <= error.code <= 599 else None
    message = f"status {status}, type {error.type!r}, code {error.code!r}"
    if error.code in _POLICY_CODES or (status in _REJECTION_STATUSES and error.code not in _NO_CREDIT_CODES):
        status = status if status in _REJECTION_STATUSES else 400
        return UpstreamRejected(_rejection(status, error), status=status)
    if error.code in _NO_CREDIT_CODES or error.type in _NO_CREDIT_CODES:
        return UpstreamNoCredit(message, status=status)
    classify = _by_status(status, error)
    return classify(message, status=status, retry_after_seconds=retry_after_seconds)


def _by_status(status: int | None, error: _Error) -> Callable[..., UpstreamError]:
    exact: dict[int, Callable[..., UpstreamError]] = {
        401: UpstreamUnauthorized,
        402: UpstreamNoCredit,
        403: UpstreamUnauthorized,
        404: UpstreamModelMissing,
        429: UpstreamRateLimited,
    }
    if status is None:
        is_rate_limit = "rate_limit" in f"{error.type} {error.code}"
        return UpstreamRateLimited if is_rate_limit else UpstreamServerError
    if status in exact:
        return exact[status]
    if status in _OVERLOAD_STATUSES:
        return UpstreamOverloaded
    return UpstreamServerError if status >= 500 else UpstreamInvalidResponse


def _rejection(status: int, error: _Error) -> RequestError:
    """Return what the client may read of a refusal of the request itself."""
    message = clean_message(error.message or "The model's provider refused the request.")
    code, param = clean_name(error.code), clean_name(error.param)
    if code == "context_length_exceeded" or _CONTEXT_OVERFLOW.search(error.message or ""):
        return InvalidRequest(message, param="messages", code="context_length_exceeded")
    if status == 413:
        return RequestTooLarge(message, param=param, code=code)
    rejection = InvalidRequest(message, param=param, code=code)
    rejection.status = status
    return rejection


def retry_after_seconds(headers: Headers) -> float | None:
    """Read `retry-after-ms` and `retry-after` (seconds; the date form is left to our own backoff; RFC 9110, 10.2.3)."""
    for name, unit in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        for field, value in headers:
            if field == name and re.fullmatch(rb"\d{1,9}(?:\.\d{1,9})?", value):
                return min(float(value) * unit, _RETRY_AFTER_LIMIT_SECONDS)
    return None
