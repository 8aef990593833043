"""Every error Aqueduct raises, as one tree.

Code raises; only `wire/errors.py` renders. No message may hold a credential, an upstream's address or a stack trace.

    AqueductError
    ├── ConfigurationError            start-up or reload: names the setting and the fix
    ├── ControlError                  what a person asked for cannot be done: says why and what to do instead
    │   ├── InvalidValue
    │   ├── NotFound
    │   ├── AlreadyExists
    │   ├── NotAllowed                whoever asks may not do this
    │   ├── Stale                     somebody else has changed it since it was read
    │   ├── SignInRefused             a way in did not lead in: says to the person why
    │   └── TooManyAttempts           somebody guesses
    ├── RequestError                  safe to show to the client: status, type, code, param
    │   ├── InvalidRequest            400
    │   ├── InvalidJsonSchema         400
    │   ├── MissingToken              401
    │   ├── InvalidToken              401
    │   ├── PermissionDenied          403
    │   ├── ModelNotFound             404
    │   ├── UnknownUrl                404
    │   ├── ObjectNotFound            404
    │   ├── MethodNotAllowed          405
    │   ├── ObjectExists              409
    │   ├── RequestInProgress         409
    │   ├── ObjectChanged             412
    │   ├── RequestTooLarge           413
    │   ├── UnsupportedMediaType      415
    │   ├── IdempotencyKeyReused      422
    │   ├── PreconditionRequired      428
    │   ├── HeadersTooLarge           431
    │   ├── RateLimitExceeded         429
    │   ├── InsufficientQuota         429
    │   ├── SchemaNotSatisfied        502
    │   ├── Overloaded                503
    │   ├── Draining                  503
    │   ├── JournalUnavailable        503
    │   ├── TokenCheckUnavailable     503
    │   ├── DatabaseUnavailable       503
    │   └── CountersUnavailable       503
    ├── UpstreamError                 one attempt failed: never shown verbatim
    │   ├── UpstreamRejected          the upstream refused the request itself: 400, 413, 422, content policy
    │   ├── UpstreamRateLimited       429
    │   ├── UpstreamUnauthorized      401, 403
    │   ├── UpstreamNoCredit          402
    │   ├── UpstreamModelMissing      404
    │   ├── UpstreamOverloaded        408, 409, 503, 529
    │   ├── UpstreamServerError       other 5xx
    │   ├── UpstreamUnreachable       no connection, or it died
    │   ├── UpstreamInvalidResponse   it sent rubbish
    │   ├── UpstreamTimeout           it was too slow
    │   └── TargetDown                it was known to be down and not asked
    └── AllTargetsFailed              what the client hears when no attempt succeeded
"""

from collections.abc import Sequence


class AqueductError(Exception):
    """The root of the tree."""


class ConfigurationError(AqueductError):
    """A setting or a config file is wrong; the message names the setting (or line) and the fix."""


class ControlError(AqueductError):
    """A person asked for something that cannot be done; the message says why and what to do instead."""


class InvalidValue(ControlError):
    """A value that was given is not one that can be used."""


class NotFound(ControlError):
    """What was named does not exist, or no longer."""


class AlreadyExists(ControlError):
    """The name is taken."""


class NotAllowed(ControlError):
    """Whoever asks may see this, but not do what he asked for."""


class Stale(ControlError):
    """The version that a change was made from is no longer the newest."""


class SignInRefused(ControlError):
    """Whoever wants to sign in has not shown who he is; `code` is for whom he asks for help. The log may have more."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class TooManyAttempts(ControlError):
    """Somebody tried too often to sign in; `retry_after_seconds` is how long to wait."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RequestError(AqueductError):
    """A refusal that may be shown to the client as it is.

    `status`, `type` and `code` are the row of the table in `docs/reference/errors.md`; an instance may override `code`
    with OpenAI's own. `retry_after_seconds` becomes `retry-after`; `should_retry`, when not None, `x-should-retry`.
    """

    status = 400
    type = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after_seconds: float | None = None
    should_retry: bool | None = None

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if param is not None:
            self.param = param
        if code is not None:
            self.code = code


class InvalidRequest(RequestError):
    """Not JSON, not an object, a wrong type or range, a member that may not be used."""


class InvalidJsonSchema(RequestError):
    """The schema in `response_format` is not one, or asks for what is never fetched."""

    code = "invalid_json_schema"
    param = "response_format"


class MissingToken(RequestError):
    """No credential came with the request."""

    status = 401


class InvalidToken(RequestError):
    """The API token is unknown, revoked or expired, or two different credentials came."""

    status = 401
    code = "invalid_api_key"


class PermissionDenied(RequestError):
    """The API token is good, but may not do this."""

    status = 403
    type = "permission_denied_error"
    code = "permission_denied"


class TermsNotAccepted(PermissionDenied):
    """The organisation's terms of service come first."""

    code = "terms_not_accepted"


class ModelNotFound(RequestError):
    """No such model, or none this API token may see; the two are not told apart."""

    status = 404
    code = "model_not_found"
    param = "model"


class UnknownUrl(RequestError):
    """Nothing is served at this path."""

    status = 404
    code = "unknown_url"


class ObjectNotFound(RequestError):
    """What is to be administered is not there, or not for whoever asks; the two are not told apart."""

    status = 404
    code = "not_found"


class ObjectExists(RequestError):
    """The name is taken."""

    status = 409
    code = "already_exists"


class RequestInProgress(RequestError):
    """A request with the same idempotency key is being answered at this moment."""

    status = 409
    code = "request_in_progress"
    retry_after_seconds = 1.0


class ObjectChanged(RequestError):
    """Somebody else has changed it since the version that `If-Match` names."""

    status = 412
    code = "precondition_failed"
    param = "If-Match"


class IdempotencyKeyReused(RequestError):
    """The idempotency key came with another request before."""

    status = 422
    code = "idempotency_key_reused"
    param = "Idempotency-Key"


class PreconditionRequired(RequestError):
    """A change must say in `If-Match` which version it was made from."""

    status = 428
    code = "precondition_required"
    param = "If-Match"


class MethodNotAllowed(RequestError):
    """The path exists, but not with this method; `allow` names those it has."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: Sequence[str]) -> None:
        super().__init__(message)
        self.allow = tuple(allow)


class RequestTooLarge(RequestError):
    """The body is over the limit."""

    status = 413
    code = "request_too_large"


class UnsupportedMediaType(RequestError):
    """The body is not `application/json`, or it is compressed."""

    status = 415
    code = "unsupported_media_type"


class HeadersTooLarge(RequestError):
    """The request head is over the limit in bytes or in number of fields."""

    status = 431
    code = "headers_too_large"


class RateLimitExceeded(RequestError):
    """A limit on requests, tokens or concurrency is used up; `type` says which."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"


class InsufficientQuota(RequestError):
    """A budget is used up."""

    status = 429
    type = "insufficient_quota"
    code = "insufficient_quota"
    should_retry = False


class SchemaNotSatisfied(RequestError):
    """The model's answer still breaks the JSON schema after every attempt."""

    status = 502
    type = "upstream_error"
    code = "schema_not_satisfied"
    param = "response_format"
    should_retry = False


class Overloaded(RequestError):
    """The process holds as many request bytes or requests as it may."""

    status = 503
    type = "service_unavailable_error"
    code = "overloaded"
    retry_after_seconds = 1.0


class Draining(RequestError):
    """The gateway is shutting down and takes no new request."""

    status = 503
    type = "service_unavailable_error"
    code = "draining"
    retry_after_seconds = 1.0


class JournalUnavailable(RequestError):
    """Usage cannot be recorded (the disk is full), so nothing is served unaccounted."""

    status = 503
    type = "service_unavailable_error"
    code = "accounting_unavailable"
    retry_after_seconds = 5.0


class TokenCheckUnavailable(RequestError):
    """The database does not answer, and the API token is none of those known already."""

    status = 503
    type = "service_unavailable_error"
    code = "authentication_unavailable"
    retry_after_seconds = 5.0


class DatabaseUnavailable(RequestError):
    """The database does not answer, so nothing can be administered."""

    status = 503
    type = "service_unavailable_error"
    code = "database_unavailable"
    retry_after_seconds = 5.0


class CountersUnavailable(RequestError):
    """The server that counts for limits and budgets does not answer, and nothing is served uncounted."""

    status = 503
    type = "service_unavailable_error"
    code = "limits_unavailable"
    retry_after_seconds = 1.0
    may_have_reserved = False
    """Whether the question was sent: what it asks for may be reserved, although no answer came."""


class UpstreamError(AqueductError):
    """One attempt at one target failed.

    The message is for the log and the attempt's record, never for the client. `status` is the upstream's HTTP status or
    None, `retry_after_seconds` what it asked for.
    """

    code = "upstream_error"
    is_retryable = True

    def __init__(self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class UpstreamRejected(UpstreamError):
    """The upstream refused the request itself; `rejection` is what the client may read of it."""

    code = "upstream_rejected"
    is_retryable = False

    def __init__(self, rejection: RequestError, *, status: int) -> None:
        super().__init__(rejection.message, status=status)
        self.rejection = rejection


class UpstreamRateLimited(UpstreamError):
    """The upstream answered 429."""

    code = "upstream_rate_limited"


class UpstreamUnauthorized(UpstreamError):
    """The upstream refused our credentials."""

    code = "upstream_unauthorized"
    is_retryable = False


class UpstreamNoCredit(UpstreamError):
    """The upstream says that our account has no credit."""

    code = "upstream_no_credit"
    is_retryable = False


class UpstreamModelMissing(UpstreamError):
    """The upstream does not have the model it was configured with."""

    code = "upstream_model_missing"
    is_retryable = False


class UpstreamOverloaded(UpstreamError):
    """The upstream is up but cannot take the request now."""

    code = "upstream_overloaded"


class UpstreamServerError(UpstreamError):
    """The upstream answered with another 5xx."""

    code = "upstream_server_error"


class UpstreamUnreachable(UpstreamError):
    """No connection could be made, or it died before the answer was whole.

    `is_sent` is false where no byte of the request can have reached the upstream.
    """

    code = "upstream_unreachable"
    is_sent = True


class UpstreamInvalidResponse(UpstreamError):
    """The upstream sent something that is not an answer."""

    code = "upstream_invalid_response"


class UpstreamTimeout(UpstreamError):
    """The upstream was too slow to connect, to begin, to go on or to end."""

    code = "upstream_timeout"


class TargetDown(UpstreamError):
    """The target is known to be down, so it was not asked; another one may be."""

    code = "target_down"
    is_retryable = False


class AllTargetsFailed(AqueductError):
    """No target gave an answer; `causes` are the attempts' errors, in order, possibly empty (every target cooling).

    `retry_after_seconds` is how long until the first of those that were not asked is tried again.
    """

    def __init__(self, causes: Sequence[UpstreamError], *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{len(causes)} attempts failed")
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds
