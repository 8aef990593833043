"""What an HTTP status alone says of a failure, for protocols whose errors say little more."""

from collections.abc import Callable

from aqueduct.errors import (
    InvalidRequest,
    RequestTooLarge,
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
)
from aqueduct.wire.cleaning import clean_message

REJECTION_STATUSES = frozenset({400, 413, 422})
"""The upstream refuses the request itself."""

BY_STATUS: dict[int, Callable[..., UpstreamError]] = {
    401: UpstreamUnauthorized,
    402: UpstreamNoCredit,
    403: UpstreamUnauthorized,
    404: UpstreamModelMissing,
    408: UpstreamOverloaded,
    409: UpstreamOverloaded,
    429: UpstreamRateLimited,
    503: UpstreamOverloaded,
    504: UpstreamTimeout,
    529: UpstreamOverloaded,
}
"""What a status means where nothing else is said."""


def failure_of(status: int, message: str, retry_after_seconds: float | None) -> UpstreamError:
    """Return the failure that a status stands for; `message` is for the log."""
    otherwise = UpstreamServerError if status >= 500 else UpstreamInvalidResponse
    return BY_STATUS.get(status, otherwise)(message, status=status, retry_after_seconds=retry_after_seconds)


def overflow_of(status: int, text: str) -> UpstreamRejected:
    """Return a refusal of a request that is longer than the context: a 400 to the client, as OpenAI has it."""
    rejection = InvalidRequest(clean_message(text), param="messages", code="context_length_exceeded")
    return UpstreamRejected(rejection, status=status)


def rejection_of(status: int, text: str, *, param: str | None = None, code: str | None = None) -> UpstreamRejected:
    """Return a refusal of the request itself, in the upstream's own words as far as a client may read them.

    A status that is not for clients becomes 400.
    """
    message = clean_message(text or "The model's provider refused the request.")
    if status == 413:
        return UpstreamRejected(RequestTooLarge(message, param=param, code=code), status=status)
    rejection = InvalidRequest(message, param=param, code=code)
    if status in REJECTION_STATUSES:
        rejection.status = status
    return UpstreamRejected(rejection, status=status)
