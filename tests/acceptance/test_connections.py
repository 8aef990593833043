"""What a client's connection carries: requests sent ahead, bodies awaited or broken, other versions of HTTP."""

import json
import socket

import pytest
from tests.acceptance.asking import MESSAGES
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply, stream_reply

BODY = json.dumps({"model": "one", "messages": MESSAGES}).encode()


def head(gateway: GatewayProcess, method: str, path: str, *lines: str, version: str = "1.1") -> bytes:
    """Return a request's head with a good token."""
    fields = [f"{method} {path} HTTP/{version}", "host: gateway", f"authorization: Bearer {gateway.token}", *lines]
    return "\r\n".join(fields).encode() + b"\r\n\r\n"


def post(gateway: GatewayProcess, body: bytes = BODY, *lines: str, version: str = "1.1") -> bytes:
    """Return a whole request for a completion."""
    return head(gateway, "POST", "/v1/chat/completions", f"content-length: {len(body)}", *lines, version=version) + body


def read_to_the_end(port: int, sent: bytes) -> bytes:
    """Send bytes, and return all that comes until the gateway closes."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        while data := connection.recv(65_536):
            received += data
    return received


def test_requests_sent_ahead_are_answered_in_their_order(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion("first")), stream_reply("second"), json_reply(completion("third")))
    stream = json.dumps({"model": "one", "messages": MESSAGES, "stream": True}).encode()
    requests = [post(gateway), post(gateway, stream), post(gateway), head(gateway, "GET", "/health/live")]
    last = head(gateway, "GET", "/v1/models/one", "connection: close")
    received = read_to_the_end(gateway.port, b"".join([*requests, last]))
    marks = [b"first", b"second", b"third", b'{"status":"live"}', b'"id":"one"']
    places = [received.find(mark) for mark in marks]
    assert -1 not in places
    assert places == sorted(places)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 5


def test_a_hundred_requests_in_one_write_are_each_answered_once(gateway: GatewayProcess) -> None:
    received = read_to_the_end(
        gateway.port,
        head(gateway, "GET", "/health/live") * 99 + head(gateway, "GET", "/health/live", "connection: close"),
    )
    assert received.count(b'{"status":"live"}') == 100
    assert received.count(b"connection: close") == 1


def test_what_follows_a_request_that_closes_is_not_answered(gateway: GatewayProcess) -> None:
    received = read_to_the_end(
        gateway.port, head(gateway, "GET", "/health/live", "connection: close") + head(gateway, "GET", "/v1/models")
    )
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_client_that_asks_first_is_told_to_go_on(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion()))
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        fields = (f"content-length: {len(BODY)}", "expect: 100-continue")
        connection.sendall(head(gateway, "POST", "/v1/chat/completions", *fields))
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_stranger_that_asks_first_is_refused_at_once(gateway: GatewayProcess) -> None:
    fields = [("authorization", "Bearer aq-wrong"), ("content-length", "5"), ("expect", "100-continue")]
    with RawCall(gateway.port) as call:
        assert call.request("POST", "/v1/chat/completions", fields).read_head().status == 401


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_of_the_older_version_gets_its_answer_to_the_end_of_the_connection(
    gateway: GatewayProcess, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.script(stream_reply("Hi") if stream else json_reply(completion("Hi")))
    body = json.dumps({"model": "one", "messages": MESSAGES, "stream": stream}).encode()
    received = read_to_the_end(gateway.port, post(gateway, body, version="1.0"))
    answer_head, _, answer = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in answer_head
    assert b"connection: close" in answer_head
    if stream:
        assert answer.startswith(b"data: {")
        assert answer.endswith(b"data: [DONE]\n\n")
    else:
        assert json.loads(answer)["choices"][0]["message"]["content"] == "Hi"


def test_a_client_that_offers_another_protocol_is_answered_in_this_one(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion("Hi")), json_reply(completion("Again")))
    offer = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABkAARAAAAAAAIAAAAA")
    with RawCall(gateway.port) as call:
        for text in ("Hi", "Again"):
            assert call.send(post(gateway, BODY, *offer)).read_head().status == 200
            while call.read_some():
                pass
            assert call.json["choices"][0]["message"]["content"] == text
            call.start_over()
    assert [request.json["messages"] for request in upstream.received] == [MESSAGES, MESSAGES]


def test_a_body_whose_chunks_are_broken_is_refused_with_a_reason(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    start = head(gateway, "POST", "/v1/chat/completions", "transfer-encoding: chunked")
    received = read_to_the_end(gateway.port, start + b'5\r\n{"mod\r\nzz\r\n')
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"not valid HTTP/1.1" in received
    assert upstream.received == []


def test_rubbish_behind_a_request_does_not_cost_it_its_answer(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion("Hi")))
    received = read_to_the_end(gateway.port, post(gateway) + b"\x00\x01\x02 rubbish\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"Hi"' in received


@pytest.mark.parametrize("target", ["http://gateway/health/live", "/health/live?verbose=1", "/health/liv%65"])
def test_a_target_is_understood_in_every_form(gateway: GatewayProcess, target: str) -> None:
    with RawCall(gateway.port) as call:
        assert call.request("GET", target).read_all().status == 200


@pytest.mark.parametrize("start", [b"CONNECT gateway:80 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET nothing HTTP/1.1"])
def test_a_target_that_is_no_path_is_refused(gateway: GatewayProcess, start: bytes) -> None:
    with RawCall(gateway.port) as call:
        assert call.send(start + b"\r\nhost: gateway\r\n\r\n").read_all().status in {400, 404, 405}


def test_trailers_without_end_are_refused(gateway: GatewayProcess) -> None:
    start = head(gateway, "POST", "/v1/chat/completions", "transfer-encoding: chunked")
    chunks = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
    received = read_to_the_end(gateway.port, start + chunks + b"x-more: 1\r\n" * 100 + b"\r\n")
    assert received.startswith(b"HTTP/1.1 400 ")


def test_two_lengths_or_a_length_beside_chunks_are_refused(gateway: GatewayProcess) -> None:
    for fields in (
        ("content-length: 5", "content-length: 6"),
        ("content-length: 5", "transfer-encoding: chunked"),
        ("transfer-encoding: chunked, identity",),
    ):
        received = read_to_the_end(gateway.port, head(gateway, "POST", "/v1/chat/completions", *fields) + b"0\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 400 "), fields
