"""A client that leaves, at any moment, closes the upstream, is billed what it used, and keeps nothing going."""

import json
import time
from typing import Any

import pytest
from tests.acceptance.asking import MESSAGES, begin_chat
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import (
    ROLE,
    Hold,
    ScriptedUpstream,
    Send,
    Step,
    chunk,
    completion,
    error_reply,
    event,
    json_reply,
    open_stream,
    stream_reply,
)

BEGUN = [ROLE, chunk({"content": "Hi"})]
LEAVING: dict[str, tuple[list[Step], dict[str, Any], bytes]] = {
    "a plain answer awaited": ([Hold()], {}, b""),
    "a plain answer's body awaited": (
        [Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"), Hold()],
        {},
        b"",
    ),
    "a stream's head awaited": ([Hold()], {"stream": True}, b""),
    "a stream's content awaited": ([*open_stream(ROLE), Hold()], {"stream": True}, b""),
    "in the middle of a stream": ([*open_stream(*BEGUN), Hold()], {"stream": True}, event(BEGUN[1])),
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("moment", list(LEAVING))
def test_a_client_that_leaves_closes_the_upstream_within_a_second_and_is_recorded(
    gateway: GatewayProcess, upstream: ScriptedUpstream, moment: str, how: str
) -> None:
    script, fields, until = LEAVING[moment]
    upstream.script(script)
    mine = f"leaving-{moment}-{how}".replace(" ", "-").replace("'", "")
    with RawCall(gateway.port) as call:
        body = json.dumps({"model": "one", "messages": MESSAGES, **fields}).encode()
        head = [
            ("authorization", f"Bearer {gateway.token}"),
            ("content-type", "application/json"),
            ("x-client-request-id", mine),
        ]
        call.request("POST", "/chat/completions", head, body)
        request = upstream.wait_received()
        if until:
            call.read_head().read_until(until)
        left_at = time.monotonic()
        call.close() if how == "close" else call.reset()
        assert request.wait_closed(2) - left_at < 1
    record = gateway.find_usage(client_request_id=mine)
    assert record["ending"] == "client_gone"
    if until:
        assert record["units"]["input_tokens"] > 0
        assert record["units"]["output_tokens"] > 0


def test_a_client_that_leaves_between_retries_stops_them(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(error_reply(503, headers=[("retry-after", "2")]), json_reply(completion()))
    with begin_chat(gateway):
        upstream.wait_received()
    time.sleep(2.5)
    assert len(upstream.received) == 1


def test_a_slow_reader_holds_back_the_upstream_and_loses_nothing(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    piece = "x" * 10_000
    count = 3_000
    upstream.script(stream_reply(*[piece] * count))
    with begin_chat(gateway, stream=True).read_head() as call:
        time.sleep(0.5)
        call.read_all()
    assert call.is_whole
    assert call.body.count(piece.encode()) == count
