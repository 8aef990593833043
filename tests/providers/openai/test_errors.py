"""What an OpenAI-compatible provider says when it does not answer, by status and structured code."""

import json
from typing import Any

import pytest

from aqueduct.errors import (
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
from aqueduct.providers.openai_errors import read_error


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (401, body(message="Incorrect API key provided: sk-abc", code="invalid_api_key"), UpstreamUnauthorized),
        (403, b"<html>Forbidden</html>", UpstreamUnauthorized),
        (402, body(message="Insufficient Balance"), UpstreamNoCredit),
        (429, body(message="quota", type="insufficient_quota", code="insufficient_quota"), UpstreamNoCredit),
        (429, body(message="slow down", code="rate_limit_exceeded"), UpstreamRateLimited),
        (404, body(message="The model does not exist", code="model_not_found"), UpstreamModelMissing),
        (408, b"", UpstreamOverloaded),
        (409, b"", UpstreamOverloaded),
        (503, b"", UpstreamOverloaded),
        (529, body(message="Overloaded"), UpstreamOverloaded),
        (500, b"oops", UpstreamServerError),
        (302, b"", UpstreamInvalidResponse),
        (418, b"", UpstreamInvalidResponse),
        (200, body(message="upstream error", code=502), UpstreamServerError),
    ],
)
def test_a_failure_is_classified(status: int, content: bytes, kind: type[UpstreamError]) -> None:
    assert type(read_error(status, (), content)) is kind


def test_a_refusal_of_the_request_keeps_its_code_and_param_but_no_key() -> None:
    content = body(message="Invalid value at sk-proj-abcdefghijklmnop1234567890", param="top_p", code="invalid_value")
    error = read_error(400, (), content)
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.status, error.rejection.param, error.rejection.code) == (400, "top_p", "invalid_value")
    assert "sk-proj" not in error.rejection.message


def test_a_422_stays_one() -> None:
    error = read_error(422, (), b'{"detail": "temperature must be a number"}')
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.status, error.rejection.message) == (422, "temperature must be a number")


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "the request exceeds the available context size (3072 tokens), try increasing it",
        "Prompt contains 200000 tokens, too large for model with 131072 maximum context length",
        "Input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
    ],
)
def test_a_context_overflow_is_known_however_it_is_said(message: str) -> None:
    error = read_error(400, (), body(message=message, code=None))
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.code, error.rejection.param) == ("context_length_exceeded", "messages")


def test_a_wait_is_read_in_seconds_and_milliseconds() -> None:
    assert read_error(429, ((b"retry-after", b"7"),), b"").retry_after_seconds == 7
    assert read_error(429, ((b"retry-after", b"7"), (b"retry-after-ms", b"250")), b"").retry_after_seconds == 0.25
    assert read_error(429, ((b"retry-after", b"Wed, 21 Oct 2026 07:28:00 GMT"),), b"").retry_after_seconds is None


@pytest.mark.parametrize(
    "content", [b'{"error": null}', b'{"error": []}', b'{"error": {"message": {}}}', b"[", b"\xff", b"3"]
)
def test_a_body_of_any_shape_is_read(content: bytes) -> None:
    assert isinstance(read_error(400, (), content), UpstreamRejected)
