"""Clients that play with their connection: they hold no memory, hide no leaving, and cost nobody else an answer."""

import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.asking import MESSAGES, fetch
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import (
    Hold,
    Pause,
    ScriptedUpstream,
    Send,
    chunk,
    chunked,
    completion,
    event,
    json_reply,
    stream_head,
    stream_reply,
)

LIVE = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"


def connect(gateway: GatewayProcess, receive_buffer: int = 0) -> socket.socket:
    """Connect to the gateway; a small buffer keeps the kernel from reading in place of the client."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", gateway.port))
    return connection


def post(gateway: GatewayProcess, padding: int = 0, *, stream: bool = False) -> bytes:
    """Return a whole request for a completion, with so many bytes of a prompt."""
    messages = [*MESSAGES, {"role": "user", "content": "x" * padding}]
    body = json.dumps({"model": "one", "messages": messages, "stream": stream}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
        % (gateway.token.encode(), len(body), body)
    )


def resident_mb(gateway: GatewayProcess) -> int:
    """Return the process's resident memory."""
    status = Path(f"/proc/{gateway.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) // 1024


def count_until(connection: socket.socket, mark: bytes, count: int) -> int:
    """Read until a mark has come so often, or nothing comes any more; return how often it came."""
    received = b""
    while received.count(mark) < count:
        data = connection.recv(262_144)
        if not data:
            break
        received += data
    return received.count(mark)


def flood(connection: socket.socket, data: bytes, times: int) -> bool:
    """Send the same bytes so many times; return whether they were all taken."""
    try:
        for _ in range(times):
            connection.sendall(data)
    except OSError:
        return False
    return True


def test_answers_that_nobody_reads_are_not_made(gateway: GatewayProcess) -> None:
    before = resident_mb(gateway)
    with connect(gateway, receive_buffer=4096) as connection:
        connection.settimeout(1)
        flood(connection, b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 2000, times=20)
        time.sleep(1)
        assert resident_mb(gateway) - before < 60
    assert fetch(gateway, "GET", "/health/live").status == 200


@pytest.mark.parametrize("ahead", [b"", LIVE], ids=["nothing ahead", "a request ahead"])
def test_a_client_that_leaves_is_noticed_behind_a_large_body_too(
    gateway: GatewayProcess, upstream: ScriptedUpstream, ahead: bytes
) -> None:
    upstream.script([Hold()])
    connection = connect(gateway)
    connection.sendall(post(gateway, 100_000) + ahead)
    request = upstream.wait_received()
    left_at = time.monotonic()
    connection.close()
    assert request.wait_closed(5) - left_at < 1


def test_a_head_that_is_cut_by_a_large_read_is_not_too_large(gateway: GatewayProcess) -> None:
    padded = LIVE.replace(b"\r\n\r\n", b"\r\nx-pad: " + b"y" * 200 + b"\r\n\r\n")
    with connect(gateway) as connection:
        connection.sendall(padded * 280 + padded[:40])
        time.sleep(0.3)
        connection.sendall(padded[40:])
        assert count_until(connection, b"HTTP/1.1 200", 281) == 281


def test_a_client_that_reads_slowly_but_steadily_gets_all_of_its_answer(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    text = "z" * 8_000_000
    upstream.script(json_reply(completion(text)))
    with connect(narrow_gateway, receive_buffer=65_536) as connection:
        connection.sendall(post(narrow_gateway))
        received = 0
        while received < len(text):
            received += len(connection.recv(100_000))
            time.sleep(0.03)  # some three seconds in all: three times as long as one may read nothing


def test_an_answer_that_is_cut_off_unread_is_recorded_as_undelivered(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion("z" * 20_000_000)))
    with connect(narrow_gateway, receive_buffer=4096) as connection:
        connection.sendall(post(narrow_gateway))
        head = connection.recv(1000)
        found = re.search(rb"x-request-id: (\S+)", head)
        assert found is not None
        deadline = time.monotonic() + 20
        while narrow_gateway.usage(found[1].decode())["delivered"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_closing_connection_whose_answer_nobody_reads_is_given_up(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(body_timeout_seconds="1", drain_timeout_seconds="20")
    upstream.script(json_reply(completion("z" * 4_000_000)))
    with connect(gateway, receive_buffer=1024) as connection:
        connection.sendall(post(gateway).replace(b"host: x", b"connection: close"))
        connection.recv(100)
        time.sleep(4)
        began = time.monotonic()
        gateway.stop()
        assert time.monotonic() - began < 10


def test_a_stream_is_not_cut_for_what_waits_behind_it(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    pieces = [step for _ in range(12) for step in (Send(chunked(event(chunk({"content": "x"})))), Pause(0.25))]
    upstream.script([stream_head(), *pieces, *stream_reply("end")[1:]], json_reply(completion()))
    with connect(narrow_gateway) as connection:
        connection.sendall(post(narrow_gateway, stream=True) + post(narrow_gateway, 90_000)[:-5])
        assert count_until(connection, b"[DONE]", 1) == 1


def test_a_trailer_without_end_is_not_gathered(gateway: GatewayProcess) -> None:
    before = resident_mb(gateway)
    body = b'5\r\n{"a":\r\n0\r\nx-trailer: '
    with connect(gateway) as connection:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n" % gateway.token.encode()
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n" + body)
        assert not flood(connection, b"z" * 262_144, times=400)
    assert resident_mb(gateway) - before < 60


def test_a_client_that_still_sends_gets_the_answer_that_ends_its_connection(gateway: GatewayProcess) -> None:
    fields = [("connection", "close"), ("content-length", "20000000"), ("authorization", "Bearer aq-wrong")]
    with RawCall(gateway.port) as call:
        call.request("POST", "/v1/chat/completions", fields)
        for _ in range(20):
            call.send(b"x" * 100_000)
        assert call.read_all().status == 401


def test_a_thousand_offers_of_another_protocol_in_one_write_are_answered(gateway: GatewayProcess) -> None:
    offer = b"GET /health/live HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    with connect(gateway) as connection:
        connection.sendall(offer * 1000)
        assert count_until(connection, b"HTTP/1.1 200", 1000) == 1000


def test_an_offer_keeps_the_wish_to_close(gateway: GatewayProcess) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nconnection: close, upgrade\r\nupgrade: h2c\r\n\r\n")
        received = b""
        while data := connection.recv(4096):
            received += data
        assert b"connection: close" in received
