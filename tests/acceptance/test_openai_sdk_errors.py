"""The gateway's errors, as the official client raises them."""

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import (
    ROLE,
    Drop,
    Hold,
    ScriptedUpstream,
    Step,
    chunk,
    completion,
    error_reply,
    json_reply,
    open_stream,
    stream_reply,
)

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    """A client that does not retry by itself."""
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.token, max_retries=0) as client:
        yield client


Expected = tuple[type[openai.APIStatusError], int, str, str | None, str | None]


def check(error: openai.APIStatusError, expected: Expected) -> None:
    kind, status, type_, code, param = expected
    assert type(error) is kind
    assert (error.status_code, error.type, error.code, error.param) == (status, type_, code, param)
    assert error.request_id


def test_a_wrong_token(gateway: GatewayProcess) -> None:
    for key, code in (("aq-nobody", "invalid_api_key"),):
        with (
            openai.OpenAI(base_url=gateway.url, api_key=key, max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError) as raised,
        ):
            stranger.models.list()
        check(raised.value, (openai.AuthenticationError, 401, "invalid_request_error", code, None))


def test_an_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="nobody", messages=HELLO)
    check(raised.value, (openai.NotFoundError, 404, "invalid_request_error", "model_not_found", "model"))


def test_a_value_out_of_range_names_its_param(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="one", messages=HELLO, temperature=5)
    assert raised.value.param == "temperature"
    nobody: Any = {"role": "nobody", "content": "x"}
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="one", messages=[nobody])
    assert raised.value.param == "messages[0].role"


ROWS: list[tuple[str, list[Step], Expected]] = [
    ("one", error_reply(422, code="odd", param="p"),
     (openai.UnprocessableEntityError, 422, "invalid_request_error", "odd", "p")),
    ("one", error_reply(400, code="context_length_exceeded"),
     (openai.BadRequestError, 400, "invalid_request_error", "context_length_exceeded", "messages")),
    ("one", error_reply(429, headers=[("retry-after", "30")]),
     (openai.RateLimitError, 429, "requests", "upstream_rate_limited", None)),
    ("one", error_reply(401), (openai.InternalServerError, 502, "upstream_error", "upstream_unauthorized", None)),
    ("one", error_reply(404), (openai.InternalServerError, 502, "upstream_error", "upstream_model_missing", None)),
    ("one", [Drop()], (openai.InternalServerError, 502, "upstream_error", "upstream_unreachable", None)),
    ("hasty", [Hold()], (openai.InternalServerError, 504, "timeout_error", "upstream_timeout", None)),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "script", "expected"), ROWS, ids=[str(row[2][3]) for row in ROWS])
def test_an_upstream_s_trouble(
    client: openai.OpenAI, upstream: ScriptedUpstream, model: str, script: list[Step], expected: Expected, stream: bool
) -> None:
    upstream.script(script)
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)
    check(raised.value, expected)


def test_a_stream_that_breaks_raises_and_never_looks_whole(client: openai.OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.script([*open_stream(ROLE, chunk({"content": "Hi"})), Drop()])
    stream = client.chat.completions.create(model="one", messages=HELLO, stream=True)
    received: list[str | None] = []
    with pytest.raises(openai.APIError) as raised:
        received.extend(each.choices[0].delta.content for each in stream)
    assert received == ["", "Hi"]
    assert raised.value.code == "upstream_unreachable"


@pytest.mark.parametrize(
    ("script", "model", "asked"),
    [
        (error_reply(401), "one", 1),
        ([Hold()], "hasty", 1),
        (error_reply(429, headers=[("retry-after", "90")]), "one", 1),
    ],
    ids=["unauthorized", "timeout", "long wait"],
)
def test_the_client_does_not_retry_what_cannot_help(
    gateway: GatewayProcess, upstream: ScriptedUpstream, script: list[Step], model: str, asked: int
) -> None:
    upstream.script(script)
    with (
        openai.OpenAI(base_url=gateway.url, api_key=gateway.token, max_retries=2) as client,
        pytest.raises(openai.APIStatusError),
    ):
        client.chat.completions.create(model=model, messages=HELLO)
    assert len(upstream.received) == asked


def test_the_client_waits_as_long_as_it_is_told_and_asks_again(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(error_reply(429, headers=[("retry-after", "6")]), json_reply(completion()))
    with openai.OpenAI(base_url=gateway.url, api_key=gateway.token, max_retries=1) as client:
        started = time.monotonic()
        assert client.chat.completions.create(model="one", messages=HELLO).choices[0].message.content == "Hello."
        assert time.monotonic() - started >= 5.9


def test_comments_do_not_disturb_the_client(narrow_gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    hold = Hold()
    upstream.script([*open_stream(ROLE)[:1], hold, *open_stream(ROLE)[1:], *stream_reply("Hi")[1:]])
    with openai.OpenAI(base_url=narrow_gateway.url, api_key=narrow_gateway.token, max_retries=0) as client:
        stream = client.chat.completions.create(model="one", messages=HELLO, stream=True)
        hold.gate.open()
        assert "".join(each.choices[0].delta.content or "" for each in stream) == "Hi"


def test_a_client_that_leaves_mid_stream_closes_the_upstream_within_a_second(
    gateway: GatewayProcess, client: openai.OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.script([*open_stream(ROLE, chunk({"content": "Hi"})), Hold()])
    headers = {"x-client-request-id": "sdk-left"}
    with client.chat.completions.create(model="one", messages=HELLO, stream=True, extra_headers=headers) as stream:
        for each in stream:
            if each.choices[0].delta.content:
                break
    left_at = time.monotonic()
    assert upstream.received[0].wait_closed(2) - left_at < 1
    record = gateway.find_usage(client_request_id="sdk-left")
    assert (record["ending"], record["status"]) == ("client_gone", 200)
