"""Clients that mean ill, or no longer care: they hold nothing for long."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from tests.acceptance.asking import begin_chat, chat, fetch
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import (
    Drop,
    Hold,
    ScriptedUpstream,
    Send,
    chunk,
    chunked,
    event,
    open_stream,
    stream_head,
)

BIG_EVENT = Send(chunked(event(chunk({"content": "x" * 60_000}))))


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/nothing"])
def test_a_head_request_is_answered(gateway: GatewayProcess, path: str) -> None:
    with RawCall(gateway.port, 5) as call:
        call.request("HEAD", path, [("authorization", f"Bearer {gateway.token}")]).read_head()
        assert call.status in {404, 405}
        call.start_over()
        assert call.request("GET", "/health/live").read_head().status == 200


def test_a_body_that_never_ends_is_not_listened_to_for_long_once_it_is_answered(gateway: GatewayProcess) -> None:
    with RawCall(gateway.port) as call:
        call.request("POST", "/v1/chat/completions", [("content-length", "4000000000")]).read_head()
        assert call.status == 401
        with pytest.raises(ConnectionError):
            trickle(call, seconds=15)


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script([stream_head(), *[BIG_EVENT] * 400])
    with begin_chat(narrow_gateway, stream=True) as call:
        call.read_head()
        upstream.wait_received().wait_closed()
        record = narrow_gateway.usage(call.headers["x-request-id"])
    assert record["ending"] == "send_failed"


def test_a_stranger_s_rubbish_leaves_no_line_in_the_log_and_a_broken_stream_one(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(log_format="json")
    lines = len(gateway.log)
    with RawCall(gateway.port) as call:
        call.send(b"\x00\r\n\r\n").read_all()
    with RawCall(gateway.port) as call:
        call.request("GET", "/", [("upgrade", "websocket"), ("connection", "upgrade")]).read_head()
    assert gateway.log[lines:] == ""
    upstream.script([*open_stream(chunk({"content": "x"})), Drop()])
    assert not chat(gateway, stream=True).is_whole
    told = [json.loads(line) for line in gateway.log[lines:].splitlines()]
    assert [each["event"] for each in told] == ["attempt_failed"]


def test_requests_that_a_second_interrupt_ends_are_recorded(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway()
    upstream.script([*open_stream(chunk({"content": "x"})), Hold()])
    with begin_chat(gateway, stream=True) as call:
        call.read_head()
        for _ in range(2):
            os.kill(gateway.pid, signal.SIGINT)
            time.sleep(0.3)
        call.read_all()
    assert b'"code":"draining"' in call.body
    assert gateway.wait() == 0
    assert gateway.usage(call.headers["x-request-id"])["ending"] == "cancelled"


def trickle(call: RawCall, seconds: float) -> None:
    """Send a byte now and then."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        call.send(b"x")
        time.sleep(0.05)


def test_the_gateway_is_well_after_all_this(gateway: GatewayProcess) -> None:
    assert fetch(gateway, "GET", "/v1/models").status == 200
