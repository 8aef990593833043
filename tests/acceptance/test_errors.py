"""Every row of the table of errors, as a client sees it, and what goes with it."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.asking import MESSAGES, chat, fetch
from tests.acceptance.conftest import UPSTREAM_KEY
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import (
    Drop,
    Hold,
    Reset,
    ScriptedUpstream,
    Send,
    completion,
    error_reply,
    json_reply,
    reply,
    stream_reply,
)

Row = tuple[int, str, str | None, str | None]


def row(answer: RawCall) -> Row:
    """Return an error as its row of the table: status, type, code, param."""
    error = answer.error
    return answer.status, error["type"], error["code"], error["param"]


INVALID = "invalid_request_error"


# The request.


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"{", b"rubbish", b'{"model": "one",}', b"\xff\xfe", b"[]", b'"text"', b"5", b"null", b"{} {}"],
    ids=str,
)
def test_a_body_that_is_no_json_object_is_a_400(gateway: GatewayProcess, body: bytes) -> None:
    status, kind, _, param = row(fetch(gateway, "POST", "/chat/completions", body))
    assert (status, kind, param) == (400, INVALID, None)


def test_a_wrong_type_or_range_is_a_400_with_the_path(gateway: GatewayProcess) -> None:
    status, kind, _, param = row(chat(gateway, temperature=3))
    assert (status, kind, param) == (400, INVALID, "temperature")


@pytest.mark.parametrize(
    "error",
    [
        {"code": "context_length_exceeded", "message": "This model's maximum context length is 8 tokens."},
        {"code": None, "message": "This model's maximum context length is 8 tokens. However, you requested 9."},
        {"code": "400", "message": "the request exceeds the available context size, try increasing it"},
    ],
    ids=["by code", "by OpenAI's words", "by llama.cpp's words"],
)
def test_a_context_that_is_too_long_is_a_400_with_openai_s_code(
    gateway: GatewayProcess, upstream: ScriptedUpstream, error: dict[str, str | None]
) -> None:
    upstream.script(json_reply({"error": {"type": INVALID, **error}}, status=400))
    assert row(chat(gateway)) == (400, INVALID, "context_length_exceeded", "messages")
    assert len(upstream.received) == 1


@pytest.mark.parametrize("schema", [{"type": "strnig"}, {"$ref": "http://127.0.0.1:9/x"}, {"properties": 5}], ids=str)
def test_a_schema_that_is_not_valid_is_a_400(
    gateway: GatewayProcess, upstream: ScriptedUpstream, schema: dict[str, object]
) -> None:
    format_ = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert row(chat(gateway, response_format=format_)) == (400, INVALID, "invalid_json_schema", "response_format")
    assert upstream.received == []


# Credentials.


def test_no_token_is_a_401_without_a_code(gateway: GatewayProcess) -> None:
    for path in ("/models", "/v1/models", "/models/one"):
        assert row(fetch(gateway, "GET", path, token=None)) == (401, INVALID, None, None)
    assert row(fetch(gateway, "POST", "/v1/chat/completions", {}, token=None)) == (401, INVALID, None, None)


def test_a_token_that_is_unknown_revoked_or_expired_is_a_401(gateway: GatewayProcess) -> None:
    expected = (401, INVALID, "invalid_api_key", None)
    assert row(fetch(gateway, "GET", "/models", token="aq-nobody")) == expected
    assert row(fetch(gateway, "GET", "/models", token="sk-someone-else-s")) == expected
    assert row(fetch(gateway, "GET", "/models", token=None, headers=[("authorization", "Basic eDp5")])) == expected

    old = gateway.create_token("--expires", "1m")
    assert fetch(gateway, "GET", "/models", token=old).status == 200
    gateway.query("UPDATE api_tokens SET expires_at = created_at + 1 WHERE id = ?", token_id(gateway, old))
    gateway.run("token", "change", token_id(gateway, old), "--rename", "old")  # a change makes the gateway look again
    assert row(fetch(gateway, "GET", "/models", token=old)) == expected

    doomed = gateway.create_token()
    assert fetch(gateway, "GET", "/models", token=doomed).status == 200
    gateway.run("token", "revoke", token_id(gateway, doomed))
    assert row(fetch(gateway, "GET", "/models", token=doomed)) == expected


def token_id(gateway: GatewayProcess, value: str) -> str:
    """Find the id of a token by the hint that is kept of its value."""
    (found,) = [row for row in gateway.query("SELECT id, hint FROM api_tokens") if value.endswith(row["hint"][-4:])]
    identity: str = found["id"]
    return identity


# The model and the path.


def test_an_unknown_model_and_one_that_the_token_may_not_see_are_the_same_404(gateway: GatewayProcess) -> None:
    expected = (404, INVALID, "model_not_found", "model")
    unknown = chat(gateway, "nobody")
    assert row(unknown) == expected
    limited = gateway.create_token("--models", "two")
    body = {"model": "one", "messages": MESSAGES}
    hidden = fetch(gateway, "POST", "/chat/completions", body, token=limited)
    assert row(hidden) == expected
    assert hidden.error["message"].replace("one", "nobody") == unknown.error["message"]
    assert row(fetch(gateway, "GET", "/models/one", token=limited)) == expected
    assert row(fetch(gateway, "GET", "/models/nobody")) == expected
    assert [model["id"] for model in fetch(gateway, "GET", "/models", token=limited).json["data"]] == ["two"]


def test_a_model_that_goes_by_an_alias_is_allowed_by_the_name_that_was_asked_for(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    limited = gateway.create_token("--models", "uno")
    for model, status in (("uno", 200), ("one", 404)):
        body = {"model": model, "messages": MESSAGES}
        assert fetch(gateway, "POST", "/chat/completions", body, token=limited).status == status


@pytest.mark.parametrize(
    "headers",
    [
        [("content-type", "text/plain")],
        [("content-type", "multipart/form-data; boundary=x")],
        [("content-type", "application/json"), ("content-encoding", "gzip")],
    ],
    ids=str,
)
def test_a_wrong_content_type_or_encoding_is_a_415(gateway: GatewayProcess, headers: list[tuple[str, str]]) -> None:
    answer = fetch(gateway, "POST", "/chat/completions", b"{}", headers=headers)
    assert row(answer) == (415, INVALID, "unsupported_media_type", None)


@pytest.mark.parametrize(
    "path", ["/v2/chat/completions", "/chat", "/v1", "/v1/v1/models", "/modelsx", "/chat/completions/"]
)
def test_an_unknown_path_is_a_404(gateway: GatewayProcess, path: str) -> None:
    assert row(fetch(gateway, "GET", path)) == (404, INVALID, "unknown_url", None)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/chat/completions", "POST"),
        ("PUT", "/v1/completions", "POST"),
        ("POST", "/models", "GET"),
        ("DELETE", "/v1/models/one", "GET"),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_one(
    gateway: GatewayProcess, method: str, path: str, allow: str
) -> None:
    answer = fetch(gateway, method, path)
    assert row(answer) == (405, INVALID, "method_not_allowed", None)
    assert allow in answer.headers["allow"].split(", ")


def test_a_body_over_the_limit_is_a_413(narrow_gateway: GatewayProcess) -> None:
    answer = fetch(narrow_gateway, "POST", "/chat/completions", b" " * 100_001)
    assert row(answer) == (413, INVALID, "request_too_large", None)


# The upstream's own refusals.


def test_an_upstream_s_422_passes_with_its_code_and_param(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(error_reply(422, "no such voice", code="bad_voice", param="audio.voice"))
    answer = chat(gateway)
    assert row(answer) == (422, INVALID, "bad_voice", "audio.voice")
    assert answer.error["message"] == "no such voice"


@pytest.mark.parametrize(
    ("status", "code"), [(400, "unsupported_value"), (400, "content_policy_violation"), (413, "too_big")]
)
def test_a_refusal_of_the_request_itself_passes_and_is_never_retried(
    gateway: GatewayProcess, upstream: ScriptedUpstream, spare: ScriptedUpstream, status: int, code: str
) -> None:
    upstream.script(error_reply(status, "not like this", code=code, param="messages"))
    spare.script(json_reply(completion()))
    assert row(chat(gateway, "two")) == (status, INVALID, code, "messages")
    assert len(upstream.received) == 1
    assert spare.received == []


def test_the_message_of_a_refusal_is_cleaned_of_keys_organisations_and_hosts(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    secrets = [
        UPSTREAM_KEY,
        "org-Abc123Def456Ghi789",
        "10.1.2.3:8000",
        "http://vllm.internal:8000/v1",
        "gpu7.corp.internal",
    ]
    upstream.script(error_reply(400, "bad temperature; " + " and ".join(secrets)))
    message = chat(gateway).error["message"]
    assert message.startswith("bad temperature")
    for secret in secrets:
        assert secret not in message


def test_a_stack_trace_of_the_upstream_stays_with_us(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    trace = 'Traceback (most recent call last):\n  File "/srv/app/server.py", line 1, in f\nKeyError: 1'
    for status in (400, 500):
        upstream.script(error_reply(status, trace))
        body = chat(gateway).body
        assert b"Traceback" not in body
        assert b"server.py" not in body


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "upstream_unauthorized"),
        (402, "upstream_no_credit"),
        (403, "upstream_unauthorized"),
        (404, "upstream_model_missing"),
    ],
)
def test_an_upstream_that_refuses_us_is_a_502_that_says_nothing_of_its_own(
    gateway: GatewayProcess, upstream: ScriptedUpstream, status: int, code: str
) -> None:
    upstream.script(error_reply(status, f"Incorrect API key provided: {UPSTREAM_KEY}", code="secret_code", param="p"))
    answer = chat(gateway)
    assert row(answer) == (502, "upstream_error", code, None)
    assert UPSTREAM_KEY.encode() not in answer.body
    assert b"secret_code" not in answer.body
    assert answer.headers.get("x-should-retry") == ("false" if code == "upstream_unauthorized" else None)
    assert len(upstream.received) == 1


def test_an_upstream_whose_quota_is_used_up_is_out_of_credit(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(error_reply(429, "You exceeded your current quota", code="insufficient_quota"))
    assert row(chat(gateway)) == (502, "upstream_error", "upstream_no_credit", None)


def test_another_target_is_asked_where_one_refuses_us(
    gateway: GatewayProcess, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    upstream.script(error_reply(401))
    spare.script(json_reply(completion("from the spare")))
    assert chat(gateway, "two").json["choices"][0]["message"]["content"] == "from the spare"


# Trouble at the upstream.


def test_every_target_answering_429_is_a_429_with_the_shortest_wait(
    gateway: GatewayProcess, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    upstream.script(error_reply(429, headers=[("retry-after", "50")]))
    spare.script(error_reply(429, headers=[("retry-after", "30")]))
    answer = chat(gateway, "two")
    assert row(answer) == (429, "requests", "upstream_rate_limited", None)
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["retry-after-ms"] == "30000"
    assert "x-should-retry" not in answer.headers


def test_a_wait_of_more_than_a_minute_tells_clients_not_to_retry(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(error_reply(429, headers=[("retry-after", "61")]))
    answer = chat(gateway)
    assert answer.headers["retry-after"] == "61"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_overload_and_server_errors_are_retried_and_then_a_502_or_503(
    gateway: GatewayProcess, upstream: ScriptedUpstream, status: int
) -> None:
    upstream.script(error_reply(status), json_reply(completion()))
    assert chat(gateway).status == 200
    assert len(upstream.received) == 2
    upstream.script(error_reply(status))
    answer = chat(gateway)
    assert answer.status in (502, 503)
    assert answer.error["type"] in ("upstream_error", "service_unavailable_error")
    assert len(upstream.received) > 3


RUBBISH = [
    reply(b"<html>hello</html>", headers=[("content-type", "text/html")]),
    reply(b"", headers=[("content-type", "application/json")]),
    json_reply([]),
    json_reply({}),
    json_reply({"choices": []}),
    json_reply({"choices": "none"}),
    [Send(b"SSH-2.0-OpenSSH_9.2\r\n"), Drop()],
    [Send(b"HTTP/1.1 200 OK\r\ncontent-length: nonsense\r\n\r\n"), Drop()],
]


@pytest.mark.parametrize("script", RUBBISH, ids=[str(i) for i in range(len(RUBBISH))])
def test_an_upstream_that_sends_rubbish_is_a_502(
    gateway: GatewayProcess, upstream: ScriptedUpstream, script: list[Send]
) -> None:
    upstream.script(script)
    assert row(chat(gateway)) == (502, "upstream_error", "upstream_invalid_response", None)


@pytest.mark.parametrize(
    "script",
    [
        [Drop()],
        [Reset()],
        [Send(b"HTTP/1.1 200 OK\r\n"), Drop()],
        [Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"), Drop()],
        [
            Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n"),
            Drop(),
        ],
    ],
    ids=["at once", "reset", "in the head", "in a counted body", "in a chunked body"],
)
def test_an_upstream_that_dies_is_a_502(
    gateway: GatewayProcess, upstream: ScriptedUpstream, script: list[Send]
) -> None:
    upstream.script(script)
    assert row(chat(gateway)) == (502, "upstream_error", "upstream_unreachable", None)


def test_an_upstream_that_cannot_be_reached_is_a_502_and_another_target_is_asked(
    gateway: GatewayProcess, spare: ScriptedUpstream
) -> None:
    answer = chat(gateway, "lost")
    assert row(answer) == (502, "upstream_error", "upstream_unreachable", None)
    assert not re.search(rb"127\.0\.0\.1|:\d{4}|nowhere", answer.body)
    spare.script(json_reply(completion()))
    assert chat(gateway, "half-lost").status == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"]
)
def test_an_upstream_that_is_too_slow_is_a_504_that_is_not_to_be_retried(
    gateway: GatewayProcess, upstream: ScriptedUpstream, sent: bytes, stream: bool
) -> None:
    upstream.script([Send(sent), Hold()])
    started = time.monotonic()
    answer = chat(gateway, "hasty", stream=stream)
    assert row(answer) == (504, "timeout_error", "upstream_timeout", None)
    assert time.monotonic() - started < 3
    assert answer.headers["x-should-retry"] == "false"
    upstream.received[0].wait_closed(2)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port whose server never takes a connection: its backlog is full, so that connecting hangs."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
            fillers.append(filler)
        yield server.getsockname()[1]
        for filler in fillers:
            filler.close()


def test_an_upstream_that_never_takes_the_connection_is_too_slow(tmp_path: Path, deaf_port: int) -> None:
    config = f"""
providers: [{{name: deaf, kind: openai, base_url: "http://127.0.0.1:{deaf_port}/v1"}}]
models: [{{name: deaf, targets: [{{provider: deaf, model: m}}], timeouts: {{connect: 0.3}}}}]
"""
    with GatewayProcess(tmp_path, config) as gateway:
        assert row(chat(gateway, "deaf")) == (504, "timeout_error", "upstream_timeout", None)


# What goes with every error.


def test_a_503_carries_both_retry_headers(narrow_gateway: GatewayProcess) -> None:
    with RawCall(narrow_gateway.port) as first:
        fields = [("authorization", f"Bearer {narrow_gateway.token}"), ("content-length", "90000")]
        first.request("POST", "/chat/completions", fields).send(b"{")
        deadline = time.monotonic() + 5
        while (refused := fetch(narrow_gateway, "POST", "/chat/completions", b" " * 90_000)).status != 503:
            assert time.monotonic() < deadline
        assert row(refused) == (503, "service_unavailable_error", "overloaded", None)
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["retry-after-ms"] == "1000"


def test_requests_without_a_usable_token_are_counted_in_a_metric_not_in_the_database(gateway: GatewayProcess) -> None:
    before = gateway.metric("aqueduct_refused_credentials_total")
    for token in (None, "aq-wrong"):
        assert fetch(gateway, "GET", "/models", token=token).status == 401
    assert gateway.metric("aqueduct_refused_credentials_total") == before + 2
    assert not [record for record in gateway.usage_records() if record["status"] == 401]


def test_a_failed_request_is_recorded_with_its_attempts(
    gateway: GatewayProcess, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    upstream.script(error_reply(401))
    spare.script(error_reply(403))
    answer = chat(gateway, "two")
    record = gateway.usage(answer.headers["x-request-id"])
    assert (record["status"], record["error_code"], record["request_model"]) == (502, "upstream_unauthorized", "two")
    assert [(attempt["target"], attempt["status"]) for attempt in record["attempts"]] == [
        ("lab/upstream-one", 401),
        ("spare/upstream-two", 403),
    ]


def test_a_gateway_that_is_told_to_end_finishes_its_requests_and_takes_no_more(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway()
    hold = Hold()
    body = json_reply(completion())
    upstream.script([hold, *body])
    data = json.dumps({"model": "one", "messages": MESSAGES}).encode()
    fields = [("authorization", f"Bearer {gateway.token}"), ("content-type", "application/json")]
    with RawCall(gateway.port).request("POST", "/chat/completions", fields, data) as call:
        upstream.wait_received()
        gateway.terminate()
        deadline = time.monotonic() + 5
        while True:
            try:
                refused = fetch(gateway, "GET", "/models")
            except ConnectionError:
                break
            assert refused.status in (200, 503)
            assert refused.status == 200 or row(refused) == (503, "service_unavailable_error", "draining", None)
            assert time.monotonic() < deadline
        hold.gate.open()
        assert call.read_all().status == 200
    assert gateway.wait() == 0


def test_a_stream_that_outlasts_the_drain_is_told_so(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(drain_timeout_seconds="1")
    upstream.script([*stream_reply("Hi")[:1], Send(b""), Hold()])
    data = json.dumps({"model": "one", "messages": MESSAGES, "stream": True}).encode()
    fields = [("authorization", f"Bearer {gateway.token}"), ("content-type", "application/json")]
    with RawCall(gateway.port).request("POST", "/chat/completions", fields, data) as call:
        upstream.wait_received()
        gateway.terminate()
        assert row(call.read_all()) == (503, "service_unavailable_error", "draining", None)
    assert gateway.wait() == 0
