"""The SDK's exceptions as statuses and OpenAI's error envelope; what the upstream said of waiting is kept.

An exception is known by its name and its `status_code`, so that this works with whatever version is installed.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_STATUSES = {
    "Timeout": 504,
    "APIConnectionError": 502,
    "APIResponseValidationError": 502,
    "JSONSchemaValidationError": 502,
    "PaymentRequiredError": 402,
    "LiteLLMUnknownProvider": 404,
}
"""By the exception's name, where `status_code` says something else or nothing."""

_CODES = {
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_policy_violation",
    "UnsupportedParamsError": "unsupported_parameter",
}
_PREFIX = re.compile(r"^(?:litellm\.)?(?:[A-Za-z]*(?:Error|Exception|Timeout))(?::| -)\s*")
_UNSUPPORTED = re.compile(r"^\S+ does not support parameters: \W*(?P<name>[a-z_]+)")
_UNKNOWN_PROVIDER = re.compile(r"^LLM Provider NOT provided\b")
_RETRY_HEADERS = ("retry-after", "retry-after-ms")
_MAX_MESSAGE = 2000


class Failure(msgspec.Struct, frozen=True):
    """A call that failed, as it goes over HTTP."""

    status: int
    message: str
    code: str | None
    param: str | None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def body(self, *, is_in_stream: bool = False) -> bytes:
        """Return the envelope; in a stream, where there is no status, the code tells it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        code: str | int | None = self.code
        if is_in_stream and code is None:
            code = self.status
        error = {"message": self.message, "type": kind, "param": self.param, "code": code}
        return msgspec.json.encode({"error": error})


def read_failure(error: Exception) -> Failure:
    """Return what an exception of the SDK, or of anything below it, means."""
    names = [kind.__name__ for kind in type(error).__mro__]
    message = _message(error)
    unsupported = _UNSUPPORTED.search(message)
    if unsupported:  # what follows is advice for those who run the SDK
        message = f"The parameter '{unsupported['name']}' is not supported by this model."
    return Failure(
        status=404 if _UNKNOWN_PROVIDER.match(message) else _status(error, names),
        message=message,
        code=next((_CODES[name] for name in names if name in _CODES), None),
        param=unsupported["name"] if unsupported else None,
        headers=tuple(_retry_headers(error)),
    )


def _status(error: Exception, names: list[str]) -> int:
    for name in names:
        if name in _STATUSES:
            return _STATUSES[name]
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and 400 <= status <= 599 else 500


def _message(error: Exception) -> str:
    """Return the upstream's words without the names of the exceptions that the SDK wrapped them in."""
    message = str(getattr(error, "message", None) or error)
    while match := _PREFIX.match(message):
        message = message[match.end() :]
    return message[:_MAX_MESSAGE]


def _retry_headers(error: Exception) -> list[tuple[bytes, bytes]]:
    response = getattr(error, "response", None)
    for found in (getattr(error, "litellm_response_headers", None), getattr(response, "headers", None)):
        if isinstance(found, Mapping):
            kept = [(name.encode(), _value(found, name)) for name in _RETRY_HEADERS if name in found]
            if kept:
                return kept
    return []


def _value(headers: Mapping[Any, Any], name: str) -> bytes:
    return str(headers[name]).encode("latin-1", "replace")
