"""Anthropic's errors, in answers and in streams, become ours."""

import json
from typing import Any

import pytest
from tests.providers.anthropic.asking import CHAT, framed, plain, read_stream

from aqueduct.domain.http import Headers
from aqueduct.errors import (
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

KINDS = [
    (400, "invalid_request_error", UpstreamRejected),
    (401, "authentication_error", UpstreamUnauthorized),
    (402, "billing_error", UpstreamNoCredit),
    (403, "permission_error", UpstreamUnauthorized),
    (404, "not_found_error", UpstreamModelMissing),
    (413, "request_too_large", UpstreamRejected),
    (429, "rate_limit_error", UpstreamRateLimited),
    (500, "api_error", UpstreamServerError),
    (504, "timeout_error", UpstreamServerError),
    (529, "overloaded_error", UpstreamOverloaded),
]


def body(kind: str, message: str = "nope", **members: Any) -> bytes:
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, **members}, "request_id": "r"}
    ).encode()


def read(status: int, data: bytes, headers: Headers = ()) -> UpstreamError:
    return CHAT.read_error(status, headers, data)


@pytest.mark.parametrize(("status", "kind", "expected"), KINDS)
def test_every_type_of_error_is_known_with_its_status_and_without(
    status: int, kind: str, expected: type[UpstreamError]
) -> None:
    error = read(status, body(kind))
    assert type(error) is expected
    assert error.status == status
    event = {"type": "error", "error": {"type": kind, "message": "nope"}}
    with pytest.raises(expected):
        read_stream([framed(event)])
    with pytest.raises(expected):
        plain(body(kind))
    assert type(read(200, body(kind))) is expected


def test_what_the_status_alone_says() -> None:
    for status, expected in [(400, UpstreamRejected), (502, UpstreamServerError), (529, UpstreamOverloaded)]:
        for data in (b"", b"<html>", b"[]", b'{"error": 5}', b"\xff"):
            assert type(read(status, data)) is expected
    assert type(read(200, b"{}")) is UpstreamInvalidResponse
    assert type(read(418, b"{}")) is UpstreamInvalidResponse
    assert type(read(500, body("overloaded_error"))) is UpstreamOverloaded


def test_when_to_come_back_is_read() -> None:
    assert read(429, body("rate_limit_error"), ((b"retry-after", b"7"),)).retry_after_seconds == 7.0
    assert read(529, body("overloaded_error"), ((b"retry-after", b"3"),)).retry_after_seconds == 3.0


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 3333404 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
    ],
)
def test_a_context_that_is_too_long_has_its_code(message: str) -> None:
    error = read(400, body("invalid_request_error", message))
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.code, error.rejection.param) == ("context_length_exceeded", "messages")


def test_a_context_is_too_long_only_where_the_message_begins_so() -> None:
    error = read(400, body("invalid_request_error", "tools.0: the prompt is too long: shorten the description"))
    assert isinstance(error, UpstreamRejected)
    assert error.rejection.code is None


@pytest.mark.parametrize(
    "message",
    [
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
    ],
)
def test_an_account_without_money_is_no_fault_of_the_request(message: str) -> None:
    assert type(read(400, body("invalid_request_error", message))) is UpstreamNoCredit


def test_a_refusal_is_handed_on_without_what_is_not_for_clients() -> None:
    error = read(
        400, body("invalid_request_error", "messages.0: bad, see https://api.anthropic.com/x (sk-ant-api03-abcdef12)")
    )
    assert isinstance(error, UpstreamRejected)
    assert error.rejection.message == "messages.0: bad, see [url] ([credential])"
    too_large = read(413, body("request_too_large"))
    assert isinstance(too_large, UpstreamRejected)
    assert isinstance(too_large.rejection, RequestTooLarge)
