"""Errors whose status misleads: what a service's rules say of them goes before the status."""

import re
from collections.abc import Callable

from aqueduct.domain.http import Headers
from aqueduct.errors import (
    InvalidRequest,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamNoCredit,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
)
from aqueduct.providers import openai_errors
from aqueduct.providers.compatible.quirks import ErrorRule, Meaning
from aqueduct.wire.cleaning import clean_message

_FAILURES: dict[Meaning, Callable[..., UpstreamError]] = {
    Meaning.UNAUTHORIZED: UpstreamUnauthorized,
    Meaning.NO_CREDIT: UpstreamNoCredit,
    Meaning.RATE_LIMITED: UpstreamRateLimited,
    Meaning.BAD_ANSWER: UpstreamInvalidResponse,
}
_REJECTIONS = {
    Meaning.CONTEXT_OVERFLOW: ("messages", "context_length_exceeded"),
    Meaning.CONTENT_POLICY: (None, "content_filter"),
}


def read_error(status: int, headers: Headers, body: bytes, rules: tuple[ErrorRule, ...]) -> UpstreamError:
    """Classify by the first rule that matches, else as OpenAI's errors are."""
    error = openai_errors.read_object(body)
    words = f"{error.code} {error.type} {error.message}"
    for rule in rules:
        if rule.status == status and re.search(rule.pattern, words, re.IGNORECASE):
            return _of_meaning(rule.meaning, status, headers, error.message)
    return openai_errors.read_error(status, headers, body)


def _of_meaning(meaning: Meaning, status: int, headers: Headers, message: str | None) -> UpstreamError:
    if meaning in _REJECTIONS:
        param, code = _REJECTIONS[meaning]
        text = clean_message(message or "The model's provider refused the request.")
        return UpstreamRejected(InvalidRequest(text, param=param, code=code), status=400)
    retry_after = openai_errors.retry_after_seconds(headers)
    return _FAILURES[meaning](f"status {status}, {meaning.value}", status=status, retry_after_seconds=retry_after)
