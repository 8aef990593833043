"""Clients that mean ill, or no longer care: they hold nothing for long."""

import time

import pytest
from tests.acceptance.asking import begin_chat, fetch
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import ScriptedUpstream, Send, chunk, chunked, event, stream_head

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
    assert record["ending"] == "client_gone"


def trickle(call: RawCall, seconds: float) -> None:
    """Send a byte now and then."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        call.send(b"x")
        time.sleep(0.05)


def test_the_gateway_is_well_after_all_this(gateway: GatewayProcess) -> None:
    assert fetch(gateway, "GET", "/v1/models").status == 200
