"""What the gateway does with requests before and around the model: paths, credentials, limits, headers, timeouts."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.acceptance.asking import MESSAGES, begin, begin_chat, chat, fetch
from tests.acceptance.conftest import UPSTREAM_KEY
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import ScriptedUpstream, completion, error_reply, json_reply, stream_reply

from aqueduct.domain.http import PLAIN_TIMEOUTS, STREAM_TIMEOUTS
from aqueduct.settings import read_settings

BODY = {"model": "one", "messages": MESSAGES}


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/chat/completions", BODY),
        ("POST", "/completions", {"model": "one", "prompt": "Hello"}),
        ("GET", "/models", None),
        ("GET", "/models/one", None),
        ("GET", "/models/org/one", None),
        ("GET", "/models/org%2Fone", None),
        ("GET", "/health/live", None),
        ("GET", "/health/ready", None),
        ("GET", "/openapi.json", None),
    ],
)
def test_every_public_endpoint_answers_with_and_without_the_prefix(
    gateway: GatewayProcess, upstream: ScriptedUpstream, prefix: str, method: str, path: str, body: object
) -> None:
    upstream.script(json_reply(completion()))
    if path == "/completions":
        upstream.script(json_reply({"id": "1", "choices": [{"index": 0, "text": "Hi.", "finish_reason": "stop"}]}))
    answer = fetch(gateway, method, prefix + path, body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_needs_no_token(gateway: GatewayProcess, path: str) -> None:
    assert fetch(gateway, "GET", path, token=None).status == 200


@pytest.mark.parametrize("name", ["Authorization", "api-key", "x-api-key"])
def test_a_token_is_accepted_in_each_of_three_headers(gateway: GatewayProcess, name: str) -> None:
    value = f"Bearer {gateway.token}" if name == "Authorization" else gateway.token
    assert fetch(gateway, "GET", "/models", headers=[(name, value)], token=None).status == 200


def test_two_different_credentials_in_one_request_are_refused(gateway: GatewayProcess) -> None:
    for headers in (
        [("authorization", f"Bearer {gateway.token}"), ("x-api-key", "aq-other")],
        [("api-key", gateway.token), ("x-api-key", "aq-other")],
        [("authorization", f"Bearer {gateway.token}"), ("authorization", "Bearer aq-other")],
    ):
        answer = fetch(gateway, "GET", "/models", headers=headers, token=None)
        assert answer.status == 401
        assert answer.error["code"] == "invalid_api_key"
    same = [("authorization", f"Bearer {gateway.token}"), ("x-api-key", gateway.token)]
    assert fetch(gateway, "GET", "/models", headers=same, token=None).status == 200


def test_models_are_listed_with_their_aliases_in_openai_s_shape(gateway: GatewayProcess) -> None:
    listed = fetch(gateway, "GET", "/models").json
    assert listed["object"] == "list"
    names = [model["id"] for model in listed["data"]]
    assert names[:3] == ["one", "uno", "org/one"]
    for model in listed["data"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert isinstance(model["owned_by"], str)
    one = fetch(gateway, "GET", "/models/uno").json
    assert one["id"] == "uno"


def test_a_model_named_by_an_asterisk_takes_every_name_and_is_not_listed(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    assert chat(narrow_gateway, "anything/at-all").status == 200
    assert upstream.received[0].json["model"] == "anything/at-all"
    assert "*" not in [model["id"] for model in fetch(narrow_gateway, "GET", "/models").json["data"]]


def test_openapi_describes_the_endpoints(gateway: GatewayProcess) -> None:
    described = fetch(gateway, "GET", "/openapi.json", token=None).json
    assert {"/chat/completions", "/completions", "/models"} <= {path.removeprefix("/v1") for path in described["paths"]}


# The order: request head, then authentication, then the body within its limit, then parsing.


def test_a_stranger_is_refused_before_a_byte_of_the_body_is_read(gateway: GatewayProcess) -> None:
    head = (
        "POST /chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n"
    )
    with RawCall(gateway.port).send(f"{head}authorization: Bearer aq-wrong\r\n\r\n".encode()) as call:
        assert call.read_all().status == 401


def test_a_stranger_learns_nothing_about_types_limits_and_models(gateway: GatewayProcess) -> None:
    for body, headers in (
        (b"not json", []),
        (b"<a/>", [("content-type", "text/xml")]),
        (b"x" * 200_000, []),
        (json.dumps({**BODY, "model": "nobody"}).encode(), []),
    ):
        answer = fetch(gateway, "POST", "/chat/completions", body, headers=headers, token="aq-wrong")
        assert answer.status == 401


def test_a_body_over_the_limit_is_refused_before_it_is_parsed(narrow_gateway: GatewayProcess) -> None:
    declared = fetch(narrow_gateway, "POST", "/chat/completions", b"x" * 100_001)
    assert (declared.status, declared.error["code"]) == (413, "request_too_large")
    with begin(narrow_gateway, "POST", "/chat/completions", headers=[("transfer-encoding", "chunked")]) as call:
        call.send(b"%x\r\n%b\r\n" % (100_001, b"x" * 100_001))
        assert call.read_all().status == 413


def test_the_defaults_are_the_documented_ones(gateway: GatewayProcess) -> None:
    settings, _ = read_settings({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.keepalive_interval_seconds == 15
    for timeouts, first_byte, idle, total in ((PLAIN_TIMEOUTS, 600, 600, 600), (STREAM_TIMEOUTS, 600, 120, 3600)):
        assert timeouts.connect_seconds == 5
        assert timeouts.first_byte_seconds == first_byte
        assert timeouts.idle_seconds == idle
        assert timeouts.total_seconds == total
    for size, status in ((64 * 1024 * 1024, 0), (64 * 1024 * 1024 + 1, 413)):
        fields = [("authorization", f"Bearer {gateway.token}"), ("content-length", str(size))]
        with RawCall(gateway.port, timeout_seconds=1).request("POST", "/chat/completions", fields) as call:
            if status:
                assert call.read_all().status == status
            else:
                with pytest.raises(TimeoutError):
                    call.read_head()


def test_a_body_in_chunks_is_read_like_any_other(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion()))
    fields = [("transfer-encoding", "chunked"), ("content-type", "application/json")]
    with begin(gateway, "POST", "/chat/completions", headers=fields) as call:
        for byte in json.dumps(BODY).encode():
            call.send(b"1\r\n%b\r\n" % bytes([byte]))
        assert call.send(b"0\r\n\r\n").read_all().status == 200


def test_the_process_holds_no_more_bytes_in_flight_than_it_may(narrow_gateway: GatewayProcess) -> None:
    with begin(narrow_gateway, "POST", "/chat/completions", headers=[("content-length", "90000")]) as first:
        first.send(b"{")
        deadline = time.monotonic() + 5
        while (second := fetch(narrow_gateway, "POST", "/chat/completions", b" " * 90_000)).status == 400:
            assert time.monotonic() < deadline, "the first body was never counted"
        assert (second.status, second.error["code"]) == (503, "overloaded")
        assert second.headers["retry-after"] == "1"


def test_connections_over_the_limit_are_refused(start_gateway: Callable[..., GatewayProcess]) -> None:
    gateway = start_gateway(max_connections="3")
    held = [RawCall(gateway.port) for _ in range(3)]
    try:
        for call in held:
            assert call.request("GET", "/health/live").read_head().status == 200
        with RawCall(gateway.port) as refused:
            assert refused.read_all().status == 503
            assert refused.error["code"] == "overloaded"
    finally:
        for call in held:
            call.close()
    deadline = time.monotonic() + 5
    while fetch(gateway, "GET", "/health/live").status != 200:
        assert time.monotonic() < deadline


def test_a_head_with_too_many_bytes_or_fields_is_refused(narrow_gateway: GatewayProcess) -> None:
    for headers in ([("x-long", "a" * 9000)], [(f"x-{i}", "1") for i in range(40)]):
        answer = fetch(narrow_gateway, "GET", "/models", headers=headers)
        assert (answer.status, answer.error["code"]) == (431, "headers_too_large")


def test_a_client_that_never_finishes_its_head_or_body_is_cut_off(narrow_gateway: GatewayProcess) -> None:
    with RawCall(narrow_gateway.port).send(b"GET /models HTTP/1.1\r\nhost: x\r\n") as slow_head:
        assert slow_head.is_closed_by_peer()
    with begin(narrow_gateway, "POST", "/chat/completions", headers=[("content-length", "10")]) as slow_body:
        slow_body.send(b"{")
        assert slow_body.is_closed_by_peer()


def test_json_nested_too_deep_is_refused(gateway: GatewayProcess) -> None:
    for depth in (200, 20_000):
        body = b'{"model": "one", "messages": %b%b}' % (b"[" * depth, b"]" * depth)
        answer = fetch(gateway, "POST", "/chat/completions", body)
        assert answer.status == 400
        assert "nested" in answer.error["message"]


def test_rubbish_instead_of_http_is_answered_in_the_one_shape_of_errors(gateway: GatewayProcess) -> None:
    with RawCall(gateway.port).send(b"\x16\x03\x01 this is not HTTP\r\n\r\n") as call:
        assert call.read_all().status == 400
        assert call.error["type"] == "invalid_request_error"


# Validation against OpenAI's schema.


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": 5}, "model"),
        ({"model": None}, "model"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [*MESSAGES, {"role": "user", "content": 5}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": True}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop[0]"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"logprobs": 1}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"seed": 1.5}, "seed"),
        ({"user": 7}, "user"),
        ({"metadata": {"a": 5}}, "metadata.a"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": "not a name"}}]}, "tools[0].function.name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name"),
        ({"reasoning_effort": 5}, "reasoning_effort"),
    ],
    ids=str,
)
def test_a_known_field_of_a_wrong_type_or_range_is_refused_by_its_path(
    gateway: GatewayProcess, upstream: ScriptedUpstream, change: dict[str, Any], param: str
) -> None:
    answer = fetch(gateway, "POST", "/chat/completions", {**BODY, **change})
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["param"] == param
    assert upstream.received == []


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_required_field_that_is_missing_is_named(gateway: GatewayProcess, missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    answer = fetch(gateway, "POST", "/chat/completions", body)
    assert (answer.status, answer.error["param"]) == (400, missing)


def test_a_duplicate_key_and_one_that_differs_in_case_only_are_refused(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    for body, param in (
        (b'{"model": "one", "messages": [], "model": "two"}', "model"),
        (b'{"model": "one", "m\\u006fdel": "two", "messages": []}', "model"),
        (b'{"model": "one", "messages": [{"role": "user", "content": "x"}], "Stream": true}', "Stream"),
        (b'{"model": "one", "messages": [{"role": "user", "content": "x"}], "MAX_TOKENS": 1}', "MAX_TOKENS"),
    ):
        answer = fetch(gateway, "POST", "/chat/completions", body)
        assert (answer.status, answer.error["param"]) == (400, param)
    assert upstream.received == []


def test_what_goes_upstream_is_encoded_anew_from_what_was_parsed(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    nested = b'[ {"role" :"user", "content": "caf\\u00e9"} ]'
    body = b' {\n "messages": %b,\r\n\t"mod\\u0065l" : "one" , "temperature":1.0}  ' % nested
    assert fetch(gateway, "POST", "/v1/chat/completions", body).status == 200
    (sent,) = upstream.received
    assert sent.path == "/v1/chat/completions"
    assert sent.json == {"messages": [{"role": "user", "content": "café"}], "model": "upstream-one", "temperature": 1.0}
    assert b'"model":"upstream-one"' in sent.body
    assert not sent.body.startswith(b" ")
    assert sent.headers["content-length"] == str(len(sent.body))


def test_unknown_fields_parts_tools_and_values_travel_on(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion()))
    extra: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"type": "hologram", "data": [1, 2]}], "mood": "curious"}],
        "tools": [{"type": "time_machine", "year": 1985}],
        "reasoning_effort": "galactic",
        "top_k": 40,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert chat(gateway, **extra).status == 200
    sent = upstream.received[0].json
    assert {name: sent[name] for name in extra} == extra


@pytest.mark.parametrize(
    ("field", "value"), [("models", ["gpt-9"]), ("service_tier", "priority"), ("store", True)], ids=str
)
def test_a_field_that_chooses_a_model_a_price_or_a_retention_is_governed(
    gateway: GatewayProcess, upstream: ScriptedUpstream, field: str, value: Any
) -> None:
    answer = chat(gateway, **{field: value})
    assert (answer.status, answer.error["param"]) == (400, field)
    assert upstream.received == []


def test_the_embedded_model_takes_an_allow_list_only(embedded: GatewayProcess) -> None:
    answer = chat(embedded, "default", n_predict=100_000, max_tokens=2)
    if answer.status == 200:
        assert "n_predict" in answer.headers["x-aqueduct-dropped-params"]
        assert answer.json["usage"]["completion_tokens"] <= 2
    else:
        assert (answer.status, answer.error["param"]) == (400, "n_predict")


# Headers.


def test_no_credential_cookie_or_other_header_of_the_client_goes_upstream(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    headers = [
        ("cookie", "session=1"),
        ("accept-encoding", "gzip, br"),
        ("api-key", gateway.token),
        ("x-api-key", gateway.token),
        ("openai-organization", "org-client"),
        ("x-forwarded-for", "10.1.2.3"),
        ("x-anything", "else"),
        ("user-agent", "client/1.0"),
    ]
    assert fetch(gateway, "POST", "/chat/completions", BODY, headers=headers).status == 200
    sent = upstream.received[0]
    assert sent.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert gateway.token.encode() not in sent.head
    unwanted = {"cookie", "api-key", "x-api-key", "openai-organization", "x-forwarded-for", "x-anything"}
    assert unwanted.isdisjoint(sent.headers)
    assert sent.headers.get("accept-encoding", "identity") == "identity"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 400])
def test_no_cookie_organisation_or_rate_limit_of_the_provider_goes_downstream(
    gateway: GatewayProcess, upstream: ScriptedUpstream, stream: bool, status: int
) -> None:
    headers = {
        "set-cookie": "__cf_bm=1",
        "openai-organization": "org-ours",
        "openai-processing-ms": "5",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-tokens": "9",
        "x-request-id": "req_upstream",
        "server": "their-server",
    }
    if status == 400:
        upstream.script(error_reply(400, headers=headers.items()))
    elif stream:
        upstream.script(stream_reply("Hi", headers=headers.items()))
    else:
        upstream.script(json_reply(completion(), headers=headers.items()))
    answer = chat(gateway, stream=stream)
    assert answer.status == status
    assert answer.headers["x-request-id"] != "req_upstream"
    assert {name for name in answer.headers if name in headers} <= {"x-request-id"}


def test_every_answer_carries_our_request_id_never_the_client_s(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    mine = [("x-request-id", "mine-1")]
    answers = [
        fetch(gateway, "POST", "/chat/completions", BODY, headers=mine),
        fetch(gateway, "POST", "/chat/completions", BODY, headers=mine),
        fetch(gateway, "POST", "/chat/completions", b"rubbish", headers=mine),
        fetch(gateway, "GET", "/models", headers=mine),
        fetch(gateway, "GET", "/models", headers=mine, token=None),
        fetch(gateway, "GET", "/nowhere", headers=mine),
        fetch(gateway, "DELETE", "/models", headers=mine),
        fetch(gateway, "GET", "/models/nobody", headers=mine),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert "mine-1" not in ids


@pytest.mark.parametrize("name", ["x-client-request-id", "x-request-id"])
def test_the_client_s_own_id_is_recorded_beside_ours(
    gateway: GatewayProcess, upstream: ScriptedUpstream, name: str
) -> None:
    upstream.script(json_reply(completion()))
    answer = fetch(gateway, "POST", "/chat/completions", BODY, headers=[(name, "mine-7")])
    record = gateway.usage(answer.headers["x-request-id"])
    assert record["client_request_id"] == "mine-7"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_names_its_target_and_the_number_of_attempts(
    gateway: GatewayProcess, upstream: ScriptedUpstream, spare: ScriptedUpstream, stream: bool
) -> None:
    upstream.script(error_reply(500))
    spare.script(stream_reply("Hi") if stream else json_reply(completion()))
    answer = chat(gateway, "two", stream=stream)
    assert answer.status == 200
    assert answer.headers["x-aqueduct-target"] == "spare/upstream-two"
    assert answer.headers["x-aqueduct-attempts"] == "2"


def test_no_rate_limit_headers_come_where_no_limit_applies(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion()))
    assert not [name for name in chat(gateway).headers if name.startswith("x-ratelimit")]


def test_a_connection_serves_many_requests(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion()))
    connections = set()
    with begin_chat(gateway) as call:
        for _ in range(3):
            call.read_head()
            while call.read_some():
                pass
            assert call.status == 200
            connections.add(call.headers["x-request-id"])
            call.start_over()
            data = json.dumps(BODY).encode()
            fields = [("authorization", f"Bearer {gateway.token}"), ("content-type", "application/json")]
            call.request("POST", "/chat/completions", fields, data)
    assert len(connections) == 3
