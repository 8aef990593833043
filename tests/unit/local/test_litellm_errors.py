"""The SDK's exceptions as statuses, codes and words, by what is known of them: their names and attributes."""

import sys
from typing import Any

import httpx2
import msgspec
import pytest

from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source
from aqueduct.control.served import check_credentials
from aqueduct.errors import ConfigurationError
from aqueduct.local.litellm.errors import read_failure
from aqueduct.providers.registry import KINDS


def raised(name: str, words: str, base: str = "Exception", **members: Any) -> Exception:
    """Return an exception as the SDK raises it."""
    parent = type(base, (Exception,), {})
    error: Exception = type(name, (parent,), members)(words)
    return error


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (
            raised("RateLimitError", "x", status_code=429, message="litellm.RateLimitError: GroqException - slow down"),
            429,
            None,
            "slow down",
        ),
        (
            raised("ContextWindowExceededError", "too long", "BadRequestError", status_code=400),
            400,
            "context_length_exceeded",
            "too long",
        ),
        (
            raised("ContentPolicyViolationError", "no", "BadRequestError", status_code=400),
            400,
            "content_policy_violation",
            "no",
        ),
        (raised("Timeout", "x", status_code=408, message="litellm.Timeout: too slow"), 504, None, "too slow"),
        (raised("APIConnectionError", "refused", status_code=500), 502, None, "refused"),
        (raised("PaymentRequiredError", "no money", "BadRequestError", status_code=400), 402, None, "no money"),
        (raised("CallerCredentialRateLimitError", "x", "RateLimitError", status_code=429), 429, None, "x"),
        (
            raised("BadRequestError", "LLM Provider NOT provided. x", status_code=400),
            404,
            None,
            "LLM Provider NOT provided. x",
        ),
        (raised("KeyError", "'choices'"), 500, None, "'choices'"),
        (raised("Odd", "x", status_code="429"), 500, None, "x"),
    ],
)
def test_an_exception_is_known_by_its_name_and_status(
    error: Exception, status: int, code: str | None, message: str
) -> None:
    failure = read_failure(error)
    assert (failure.status, failure.code, failure.message) == (status, code, message)


def test_a_parameter_that_a_provider_does_not_have_is_named() -> None:
    words = "cohere does not support parameters: ['logit_bias'], for model=command-r. To drop these, set `litellm.d…`"
    message = f"litellm.UnsupportedParamsError: {words}"
    failure = read_failure(raised("UnsupportedParamsError", words, "BadRequestError", status_code=400, message=message))
    assert (failure.status, failure.param) == (400, "logit_bias")
    assert failure.message == "The parameter 'logit_bias' is not supported by this model."


def test_how_long_to_wait_is_kept_wherever_the_sdk_has_it() -> None:
    response = httpx2.Response(429, headers={"Retry-After": "7", "x-other": "1"})
    for members in ({"response": response}, {"litellm_response_headers": response.headers}):
        failure = read_failure(raised("RateLimitError", "slow", status_code=429, **members))
        assert failure.headers == ((b"retry-after", b"7"),)


def test_in_a_stream_the_code_tells_the_status() -> None:
    failure = read_failure(raised("RateLimitError", "slow", status_code=429))
    assert msgspec.json.decode(failure.body(is_in_stream=True))["error"]["code"] == 429
    assert msgspec.json.decode(failure.body())["error"]["code"] is None


def test_without_the_extra_a_config_that_needs_it_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = "providers: [{name: t, kind: litellm}]\nmodels: [{name: m, targets: [{provider: t, model: x/y}]}]\n"
    snapshot = compile_source(parse_source(config.encode(), "aqueduct.yaml", {}), KINDS)
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(ConfigurationError, match=r"provider 't'.*pip install 'aqueduct-gateway\[litellm\]'"):
        check_credentials(snapshot, KINDS)


def test_an_option_that_is_the_gateways_business_is_refused_with_its_line() -> None:
    config = "providers:\n  - {name: t, kind: litellm, options: {any: 'thing at all', api_base: 'http://x'}}\n"
    with pytest.raises(ConfigurationError, match=r"aqueduct\.yaml:2: 'api_base' cannot be set here"):
        compile_source(parse_source(config.encode(), "aqueduct.yaml", {}), KINDS)
