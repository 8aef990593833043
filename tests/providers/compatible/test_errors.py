"""Errors of services that speak OpenAI's format, however they spell them."""

import json
from typing import Any

import pytest
from tests.providers.compatible.asking import chat, target

from aqueduct.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamNoCredit,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnauthorized,
)
from aqueduct.providers.registry import KINDS


def read(kind: str, status: int, document: Any) -> UpstreamError:
    return chat(kind).read_error(status, ((b"retry-after", b"3"),), json.dumps(document).encode())


FILTERED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering the content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}},
    }
}


@pytest.mark.parametrize(
    ("kind", "status", "document", "expected"),
    [
        ("xai", 400, {"code": "invalid-argument", "error": "Incorrect API key provided: x"}, UpstreamUnauthorized),
        ("xai", 403, {"code": "permission", "error": "You have used all your credits"}, UpstreamNoCredit),
        ("gemini-openai", 400, [{"error": {"code": 400, "message": "API key not valid."}}], UpstreamUnauthorized),
        ("openrouter", 403, {"error": {"code": 403, "message": "Key limit exceeded"}}, UpstreamNoCredit),
        ("perplexity", 401, {"error": {"type": "insufficient_quota", "code": 401}}, UpstreamNoCredit),
        ("groq", 400, {"error": {"message": "m", "code": "tool_use_failed"}}, UpstreamInvalidResponse),
        ("groq", 413, {"error": {"type": "tokens", "code": "rate_limit_exceeded"}}, UpstreamRateLimited),
        ("mistral", 401, {"detail": "Invalid API Key"}, UpstreamUnauthorized),
    ],
)
def test_a_failure_is_what_it_means(kind: str, status: int, document: Any, expected: type[UpstreamError]) -> None:
    error = read(kind, status, document)
    assert type(error) is expected
    assert error.retry_after_seconds in (None, 3)


@pytest.mark.parametrize(
    ("kind", "status", "document", "code", "param"),
    [
        ("azure", 400, FILTERED, "content_filter", "prompt"),
        ("xai", 403, {"code": "p", "error": "Content violates usage guidelines."}, "content_filter", None),
        ("openrouter", 403, {"error": {"code": 403, "message": "Input was flagged"}}, "content_filter", None),
        (
            "tgi",
            422,
            {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096", "error_type": "validation"},
            "context_length_exceeded",
            "messages",
        ),
        (
            "openrouter",
            400,
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": '{"error":{"message":"maximum context length is 8 tokens"}}'},
                }
            },
            "context_length_exceeded",
            "messages",
        ),
        (
            "llamacpp",
            400,
            {"error": {"code": 400, "message": "too big", "type": "exceed_context_size_error"}},
            "context_length_exceeded",
            "messages",
        ),
    ],
)
def test_a_refusal_of_the_request_is_a_400_with_its_code(
    kind: str, status: int, document: Any, code: str, param: str | None
) -> None:
    error = read(kind, status, document)
    assert isinstance(error, UpstreamRejected)
    assert (error.rejection.status, error.rejection.code, error.rejection.param) == (400, code, param)


def test_what_fastapi_says_is_told_with_its_place() -> None:
    wrong = {"type": "extra_forbidden", "loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}
    for document in ({"detail": [wrong]}, {"object": "error", "message": {"detail": [wrong]}, "type": "invalid"}):
        error = read("mistral", 422, document)
        assert isinstance(error, UpstreamRejected)
        assert (error.rejection.status, error.rejection.param) == (422, "top_k")
        assert error.rejection.message == "Extra inputs are not permitted"


@pytest.mark.parametrize("document", [[], [1], {"error": []}, {"detail": [1]}, {"error": {"metadata": {"raw": "["}}}])
def test_rubbish_is_read_by_its_status(document: Any) -> None:
    assert isinstance(read("openrouter", 401, document), UpstreamUnauthorized)


@pytest.mark.parametrize(
    ("at", "path"),
    [
        (target("mistral"), "/v1/models"),
        (target("azure", base_path=""), "/openai/v1/models"),
        (target("azure", base_path="", api_version="2024-10-21"), "/openai/models?api-version=2024-10-21"),
        (target("azure", base_path="/models", api_version="2024-05-01"), "/models/info?api-version=2024-05-01"),
    ],
)
def test_models_are_listed_where_the_service_has_them(at: Any, path: str) -> None:
    assert KINDS[at.provider.kind].models_path(at.provider) == path
