"""Errors as clients see them: one shape, all four keys, no word of ours or an upstream's that is not meant for them.

Code raises; only this module renders. What is not in the tree is our own bug and says nothing of itself.
"""

import math

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.errors import (
    AllTargetsFailed,
    MethodNotAllowed,
    RequestError,
    TargetDown,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamNoCredit,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)

DEFAULT_RETRY_AFTER_SECONDS = 1.0
"""What a 429 or 503 says where nobody knows better."""

LONG_WAIT_SECONDS = 60.0
"""The longest wait that the official clients should sit out by themselves."""

_SENTENCES: dict[type[UpstreamError], str] = {
    UpstreamRateLimited: "The upstream provider's rate limit is reached.",
    UpstreamUnauthorized: "The upstream provider refused the gateway's credentials.",
    UpstreamNoCredit: "The gateway's account at the upstream provider has no credit left.",
    UpstreamModelMissing: "The upstream provider does not have the model that the gateway is configured with.",
    UpstreamOverloaded: "The upstream provider is overloaded.",
    UpstreamServerError: "The upstream provider failed to answer the request.",
    UpstreamUnreachable: "The upstream provider could not be reached, or the connection to it broke.",
    UpstreamInvalidResponse: "The upstream provider sent an answer that could not be understood.",
    UpstreamTimeout: "The upstream provider took too long to answer.",
}
_OTHER_SENTENCE = "The upstream provider failed to answer the request."


class ErrorObject(msgspec.Struct, frozen=True):
    """What is wrong, for programs (`type`, `code`, `param`) and for people (`message`)."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    error: ErrorObject


class ErrorAnswer(msgspec.Struct, frozen=True):
    """An error, rendered: `headers` are the ones it brings along, `content-type` included."""

    status: int
    headers: Headers
    body: bytes
    code: str | None = None


class _Verdict(msgspec.Struct, frozen=True):
    """What the client is told, before it is put in bytes."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None
    retry_after_seconds: float | None = None
    should_retry: bool | None = None


def render(error: BaseException) -> ErrorAnswer:
    """Return the answer for `error`, whatever it is."""
    verdict = _judge(error)
    headers = [(b"content-type", b"application/json")]
    should_retry = verdict.should_retry
    wait = verdict.retry_after_seconds
    if wait is None and verdict.status in (429, 503):
        wait = DEFAULT_RETRY_AFTER_SECONDS
    if wait is not None:
        wait = max(wait, 0.0)
        headers.append((b"retry-after", b"%d" % math.ceil(wait)))
        headers.append((b"retry-after-ms", b"%d" % math.ceil(wait * 1000)))
        if wait > LONG_WAIT_SECONDS:
            should_retry = False
    if should_retry is not None:
        headers.append((b"x-should-retry", b"true" if should_retry else b"false"))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allow).encode()))
    return ErrorAnswer(verdict.status, tuple(headers), _encode(verdict), verdict.code)


def error_object(error: BaseException) -> bytes:
    """Return the error as the JSON of an event in a stream that has begun."""
    return _encode(_judge(error))


def telling_cause(causes: tuple[UpstreamError, ...]) -> UpstreamError:
    """Return the failed attempt that speaks for all of them.

    A rejection of the request itself goes before everything: no target would take it. Then the last failure that may
    pass by itself, since it tells the client that asking again can help; then the last one.
    """
    for cause in causes:
        if isinstance(cause, UpstreamRejected):
            return cause
    return next((cause for cause in reversed(causes) if cause.is_retryable), causes[-1])


def _encode(verdict: _Verdict) -> bytes:
    error = ErrorObject(verdict.message, verdict.type, verdict.param, verdict.code)
    return msgspec.json.encode(ErrorEnvelope(error))


def _judge(error: BaseException) -> _Verdict:
    if isinstance(error, RequestError):
        return _refusal(error)
    if isinstance(error, UpstreamError):
        return _failure((error,))
    if isinstance(error, AllTargetsFailed):
        return _failure(error.causes, error.retry_after_seconds)
    return _Verdict(500, "server_error", "The gateway made a mistake in handling the request.", "internal_error")


def _refusal(error: RequestError) -> _Verdict:
    return _Verdict(
        status=error.status,
        type=error.type,
        message=error.message,
        code=error.code,
        param=error.param,
        retry_after_seconds=error.retry_after_seconds,
        should_retry=error.should_retry,
    )


def _failure(causes: tuple[UpstreamError, ...], wait_seconds: float | None = None) -> _Verdict:
    causes = tuple(cause for cause in causes if not isinstance(cause, TargetDown))
    if not causes:
        message = "No target is available for this model now."
        return _Verdict(
            503, "service_unavailable_error", message, "no_target_available", retry_after_seconds=wait_seconds
        )
    cause = telling_cause(causes)
    if isinstance(cause, UpstreamRejected):
        return _refusal(cause.rejection)
    waits = [each.retry_after_seconds for each in causes if each.retry_after_seconds is not None]
    message = _SENTENCES.get(type(cause), _OTHER_SENTENCE)
    if all(isinstance(each, UpstreamRateLimited) for each in causes):
        # The target that is free soonest decides how long to wait.
        return _Verdict(429, "requests", message, cause.code, retry_after_seconds=min(waits, default=None))
    if isinstance(cause, UpstreamTimeout):
        return _Verdict(504, "timeout_error", message, cause.code, should_retry=False)
    should_retry = False if isinstance(cause, UpstreamUnauthorized) else None
    wait = cause.retry_after_seconds if cause.is_retryable else None
    return _Verdict(502, "upstream_error", message, cause.code, retry_after_seconds=wait, should_retry=should_retry)
