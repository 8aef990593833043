import json
from typing import Any

import pytest

from aqueduct import errors
from aqueduct.errors import (
    AllTargetsFailed,
    InsufficientQuota,
    InvalidRequest,
    MethodNotAllowed,
    RateLimitExceeded,
    RequestError,
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
from aqueduct.wire.errors import error_object, render

SECRET = "sk-secret at 10.0.0.5"


def error_of(error: BaseException) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(render(error).body)
    assert list(answer) == ["error"]
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert json.loads(error_object(error)) == answer
    return dict(answer["error"])


def header(error: BaseException, name: str) -> str | None:
    values = [value.decode() for key, value in render(error).headers if key == name.encode()]
    assert len(values) < 2
    return values[0] if values else None


ROWS: list[tuple[BaseException, int, str, str | None, str | None]] = [
    (errors.InvalidRequest("m"), 400, "invalid_request_error", None, None),
    (
        errors.InvalidRequest("m", param="stop", code="invalid_type"),
        400,
        "invalid_request_error",
        "invalid_type",
        "stop",
    ),
    (errors.InvalidJsonSchema("m"), 400, "invalid_request_error", "invalid_json_schema", "response_format"),
    (errors.MissingToken("m"), 401, "invalid_request_error", None, None),
    (errors.InvalidToken("m"), 401, "invalid_request_error", "invalid_api_key", None),
    (errors.PermissionDenied("m"), 403, "permission_denied_error", "permission_denied", None),
    (errors.ModelNotFound("m"), 404, "invalid_request_error", "model_not_found", "model"),
    (errors.UnknownUrl("m"), 404, "invalid_request_error", "unknown_url", None),
    (errors.MethodNotAllowed("m", allow=["GET"]), 405, "invalid_request_error", "method_not_allowed", None),
    (errors.RequestTooLarge("m"), 413, "invalid_request_error", "request_too_large", None),
    (errors.UnsupportedMediaType("m"), 415, "invalid_request_error", "unsupported_media_type", None),
    (errors.HeadersTooLarge("m"), 431, "invalid_request_error", "headers_too_large", None),
    (errors.RateLimitExceeded("m"), 429, "requests", "rate_limit_exceeded", None),
    (errors.InsufficientQuota("m"), 429, "insufficient_quota", "insufficient_quota", None),
    (errors.SchemaNotSatisfied("m"), 502, "upstream_error", "schema_not_satisfied", "response_format"),
    (errors.Overloaded("m"), 503, "service_unavailable_error", "overloaded", None),
    (errors.Draining("m"), 503, "service_unavailable_error", "draining", None),
    (errors.JournalUnavailable("m"), 503, "service_unavailable_error", "accounting_unavailable", None),
    (errors.TokenCheckUnavailable("m"), 503, "service_unavailable_error", errors.TokenCheckUnavailable.code, None),
    (errors.ObjectNotFound("m"), 404, "invalid_request_error", "not_found", None),
    (errors.ObjectExists("m"), 409, "invalid_request_error", "already_exists", None),
    (errors.RequestInProgress("m"), 409, "invalid_request_error", "request_in_progress", None),
    (errors.ObjectChanged("m"), 412, "invalid_request_error", "precondition_failed", "If-Match"),
    (errors.IdempotencyKeyReused("m"), 422, "invalid_request_error", "idempotency_key_reused", "Idempotency-Key"),
    (errors.PreconditionRequired("m"), 428, "invalid_request_error", "precondition_required", "If-Match"),
    (errors.DatabaseUnavailable("m"), 503, "service_unavailable_error", errors.DatabaseUnavailable.code, None),
    (errors.CountersUnavailable("m"), 503, "service_unavailable_error", "limits_unavailable", None),
    (AllTargetsFailed([]), 503, "service_unavailable_error", "no_target_available", None),
    (UpstreamRateLimited(SECRET), 429, "requests", "upstream_rate_limited", None),
    (UpstreamUnauthorized(SECRET), 502, "upstream_error", "upstream_unauthorized", None),
    (UpstreamNoCredit(SECRET), 502, "upstream_error", "upstream_no_credit", None),
    (UpstreamModelMissing(SECRET), 502, "upstream_error", "upstream_model_missing", None),
    (UpstreamOverloaded(SECRET), 502, "upstream_error", "upstream_overloaded", None),
    (UpstreamServerError(SECRET), 502, "upstream_error", "upstream_server_error", None),
    (UpstreamUnreachable(SECRET), 502, "upstream_error", "upstream_unreachable", None),
    (UpstreamInvalidResponse(SECRET), 502, "upstream_error", "upstream_invalid_response", None),
    (UpstreamTimeout(SECRET), 504, "timeout_error", "upstream_timeout", None),
    (UpstreamError(SECRET), 502, "upstream_error", "upstream_error", None),
    (errors.TargetDown(SECRET), 503, "service_unavailable_error", "no_target_available", None),
    (ValueError(SECRET), 500, "server_error", "internal_error", None),
    (errors.ConfigurationError(SECRET), 500, "server_error", "internal_error", None),
    (KeyboardInterrupt(), 500, "server_error", "internal_error", None),
]


@pytest.mark.parametrize(("error", "status", "type_", "code", "param"), ROWS, ids=lambda value: type(value).__name__)
def test_every_error_has_its_row(
    error: BaseException, status: int, type_: str, code: str | None, param: str | None
) -> None:
    rendered = error_of(error)
    answer = render(error)
    assert (answer.status, rendered["type"], rendered["code"], rendered["param"]) == (status, type_, code, param)
    assert answer.code == code
    assert rendered["message"]
    assert "secret" not in rendered["message"]
    assert "10.0.0.5" not in rendered["message"]
    assert header(error, "content-type") == "application/json"
    waits = status in (429, 503) or isinstance(error, errors.RequestInProgress)
    assert (header(error, "retry-after") is not None) == waits


def test_every_refusal_of_the_tree_has_a_row() -> None:
    assert {type(row[0]) for row in ROWS} >= set(RequestError.__subclasses__())
    assert {type(row[0]) for row in ROWS} >= set(UpstreamError.__subclasses__()) - {UpstreamRejected}


def test_one_failed_attempt_is_told_as_if_every_target_had_failed() -> None:
    for error, *_ in ROWS:
        if isinstance(error, UpstreamError):
            assert render(error) == render(AllTargetsFailed([error, error]))


def test_what_the_upstream_says_about_the_request_passes_through() -> None:
    rejection = InvalidRequest("Too long.", param="messages", code="context_length_exceeded")
    error = AllTargetsFailed([UpstreamOverloaded("o"), UpstreamRejected(rejection, status=400)])
    assert render(error) == render(rejection)


def test_a_rejection_keeps_the_status_of_the_upstream() -> None:
    rejection = InvalidRequest("Cannot be processed.", code="unprocessable")
    rejection.status = 422
    assert render(UpstreamRejected(rejection, status=422)).status == 422


@pytest.mark.parametrize(
    ("causes", "status", "code"),
    [
        ([UpstreamRateLimited(""), UpstreamRateLimited("")], 429, "upstream_rate_limited"),
        ([UpstreamRateLimited(""), UpstreamServerError("")], 502, "upstream_server_error"),
        ([UpstreamServerError(""), UpstreamRateLimited("")], 502, "upstream_rate_limited"),
        ([UpstreamOverloaded(""), UpstreamUnauthorized("")], 502, "upstream_overloaded"),
        ([UpstreamUnauthorized(""), UpstreamModelMissing("")], 502, "upstream_model_missing"),
        ([UpstreamUnreachable(""), UpstreamTimeout("")], 504, "upstream_timeout"),
        ([UpstreamTimeout(""), UpstreamUnreachable("")], 502, "upstream_unreachable"),
    ],
)
def test_the_last_failure_that_may_pass_speaks_for_all(causes: list[UpstreamError], status: int, code: str) -> None:
    error = AllTargetsFailed(causes)
    assert (render(error).status, error_of(error)["code"]) == (status, code)


def test_the_target_that_is_free_soonest_decides_how_long_to_wait() -> None:
    causes = [UpstreamRateLimited("", retry_after_seconds=wait) for wait in (30.0, 2.2, None)]
    assert header(AllTargetsFailed(causes), "retry-after") == "3"
    assert header(AllTargetsFailed(causes), "retry-after-ms") == "2200"


@pytest.mark.parametrize(
    ("wait", "seconds", "milliseconds", "should_retry"),
    [(0.0, "0", "0", None), (0.2, "1", "200", None), (60.0, "60", "60000", None), (60.5, "61", "60500", "false")],
)
def test_a_wait_is_given_in_seconds_and_milliseconds(
    wait: float, seconds: str, milliseconds: str, should_retry: str | None
) -> None:
    error = RateLimitExceeded("m")
    error.retry_after_seconds = wait
    found = [header(error, name) for name in ("retry-after", "retry-after-ms", "x-should-retry")]
    assert found == [seconds, milliseconds, should_retry]


@pytest.mark.parametrize(
    "error",
    [InsufficientQuota("m"), errors.SchemaNotSatisfied("m"), UpstreamUnauthorized("m"), UpstreamTimeout("m")],
    ids=lambda error: type(error).__name__,
)
def test_what_a_retry_cannot_mend_says_so(error: BaseException) -> None:
    assert header(error, "x-should-retry") == "false"


def test_other_errors_leave_retrying_to_the_client() -> None:
    for error in (InvalidRequest("m"), UpstreamServerError("m"), RateLimitExceeded("m"), ValueError("m")):
        assert header(error, "x-should-retry") is None


def test_a_wrong_method_is_told_the_right_ones() -> None:
    assert header(MethodNotAllowed("m", allow=["GET", "HEAD"]), "allow") == "GET, HEAD"
