"""Bedrock's errors, classified by the name of the exception, and by status where that is unknown.

The name is in `x-amzn-errortype`, or in the body; in a stream it is a header of the message. Prose is read for two
things that `ValidationException` says in no other way: that the context is too long, and that there is no such model.
Both patterns are anchored on the recorded and documented wordings.
"""

import re
from collections.abc import Callable

import msgspec

from aqueduct.domain.http import Headers
from aqueduct.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamServerError,
    UpstreamUnauthorized,
)
from aqueduct.providers.openai_errors import retry_after_seconds
from aqueduct.providers.statuses import REJECTION_STATUSES, overflow_of, rejection_of
from aqueduct.wire.event_stream import EventStreamMessage

_FROM_THE_MODEL = r"(?:The model returned the following errors: )?"
_CONTEXT_OVERFLOW = re.compile(
    _FROM_THE_MODEL + r"(?:Input Tokens Exceeded\b|Input is too long\b|prompt is too long\b|Too many input tokens\b"
    r"|input length and `max_tokens` exceed context limit\b|This model's maximum context length is\b)"
)
_NO_SUCH_MODEL = re.compile(
    r"The provided model identifier is invalid\b|Invocation of model ID \S+ with on-demand throughput\b"
)

_STATUSES = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ModelStreamErrorException": 424,
    "ThrottlingException": 429,
    "ModelNotReadyException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
"""By exception, what the status is where none came: in a stream."""

_BY_NAME: dict[str, Callable[..., UpstreamError]] = {
    "ServiceQuotaExceededException": UpstreamRateLimited,
    "ModelErrorException": UpstreamServerError,
    "ModelStreamErrorException": UpstreamServerError,
    "ModelNotReadyException": UpstreamOverloaded,
    "ThrottlingException": UpstreamRateLimited,
    "ServiceUnavailableException": UpstreamOverloaded,
}
_BY_STATUS: dict[int, Callable[..., UpstreamError]] = {
    401: UpstreamUnauthorized,
    403: UpstreamUnauthorized,
    404: UpstreamModelMissing,
    408: UpstreamOverloaded,
    429: UpstreamRateLimited,
    503: UpstreamOverloaded,
}


class _Body(msgspec.Struct):
    message: str | None = None
    capital_message: str | None = msgspec.field(default=None, name="Message")
    type: str | None = msgspec.field(default=None, name="__type")

    @property
    def text(self) -> str:
        return self.message or self.capital_message or ""


def read_error(status: int, headers: Headers, body: bytes) -> UpstreamError:
    """Classify an answer that is not what was asked for."""
    said = _read_body(body)
    header = next((value.decode("latin-1") for name, value in headers if name == b"x-amzn-errortype"), "")
    name = _bare_name(header or said.type or "")
    if status < 400 and not name:
        return UpstreamInvalidResponse(f"status {status}, no answer")
    return _classify(_STATUSES.get(name, 500) if status < 400 else status, name, said.text, headers)


def read_exception(message: EventStreamMessage) -> UpstreamError:
    """Classify an error that came in a stream: a modelled exception, or an error without a model."""
    name = _bare_name(message.text(":exception-type") or message.text(":error-code"))
    text = _read_body(message).text or message.text(":error-message")
    return _classify(_STATUSES.get(name, 500), name, text, ())


def _read_body(body: bytes) -> _Body:
    try:
        return msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _Body()


def _bare_name(name: str) -> str:
    """Return an exception's name alone, in its own capitals: `…#name`, `name:http://…` and `name` are in use."""
    bare = name.partition(":")[0].rpartition("#")[2].strip()
    return bare[:1].upper() + bare[1:]


def _classify(status: int, name: str, text: str, headers: Headers) -> UpstreamError:
    message = f"status {status}, type {name!r}"
    if name in _BY_NAME:
        return _BY_NAME[name](message, status=status, retry_after_seconds=retry_after_seconds(headers))
    if status == 400 and _NO_SUCH_MODEL.match(text):
        return UpstreamModelMissing(message, status=status)
    if status in REJECTION_STATUSES:
        is_overflow = _CONTEXT_OVERFLOW.match(text) is not None
        return overflow_of(status, text) if is_overflow else rejection_of(status, text)
    otherwise = UpstreamServerError if status >= 500 else UpstreamInvalidResponse
    kind = _BY_STATUS.get(status, otherwise)
    return kind(message, status=status, retry_after_seconds=retry_after_seconds(headers))
