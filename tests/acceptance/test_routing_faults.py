"""What an upstream can do wrong before the commit, and what the client sees of it: with one target, with a spare."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.acceptance.asking import chat
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import (
    LAST_CHUNK,
    ROLE,
    Drop,
    Hold,
    Reset,
    Script,
    ScriptedUpstream,
    Send,
    chunked,
    completion,
    error_reply,
    event,
    json_reply,
    open_stream,
    raw_stream,
    reply,
    stream_head,
    stream_reply,
)

CONFIG = """
providers:
  - {{name: lab, kind: openai, base_url: "{lab}", api_key: sk-lab, breaker: false}}
  - {{name: spare, kind: openai, base_url: "{spare}", api_key: sk-spare, breaker: false}}
models:
  - name: alone
    retries: {{reserve: 1000}}
    targets: [{{provider: lab, model: m}}]
    timeouts: {{first_byte: 1, idle: 1, total: 5}}
  - name: pair
    retries: {{reserve: 1000}}
    targets: [{{provider: lab, model: m}}, {{provider: spare, model: m, priority: 2}}]
    timeouts: {{first_byte: 1, idle: 1, total: 5}}
"""

JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
BROKEN_CHUNK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"


class Fault(NamedTuple):
    """What the upstream does, and what is seen of it; `calls` is how often one target alone is asked."""

    plain: Script
    stream: Script
    status: int
    code: str
    calls: int = 3


def same(script: Script, status: int, code: str, calls: int = 3) -> Fault:
    return Fault(script, script, status, code, calls)


ERROR = {"error": {"message": "m", "type": "server_error", "code": None, "param": None}}
FAULTS = {
    "429 with a long retry-after": same(
        error_reply(429, headers=[("retry-after", "9")]), 429, "upstream_rate_limited", calls=1
    ),
    "429 with a short retry-after": same(
        error_reply(429, headers=[("retry-after-ms", "20")]), 429, "upstream_rate_limited"
    ),
    "429 without retry-after": same(error_reply(429), 429, "upstream_rate_limited"),
    "500": same(error_reply(500), 502, "upstream_server_error"),
    "503": same(error_reply(503), 502, "upstream_overloaded"),
    "529": same(error_reply(529), 502, "upstream_overloaded"),
    "401": same(error_reply(401), 502, "upstream_unauthorized", calls=1),
    "404": same(error_reply(404), 502, "upstream_model_missing", calls=1),
    "a reset before the head": same([Reset()], 502, "upstream_unreachable"),
    "an end before the head": same([Drop()], 502, "upstream_unreachable"),
    "a reset in the head": same([Send(b"HTTP/1.1 200 OK\r\ncont"), Reset()], 502, "upstream_unreachable"),
    "a reset after the head": Fault([Send(JSON_HEAD), Reset()], [stream_head(), Reset()], 502, "upstream_unreachable"),
    "half an answer": Fault(
        [Send(JSON_HEAD + b'{"id":'), Drop()], [*open_stream(ROLE), Drop()], 502, "upstream_unreachable"
    ),
    "a stream that ends before it has said anything": Fault(
        [Send(JSON_HEAD), Drop()], [*open_stream(ROLE), Send(LAST_CHUNK)], 502, "upstream_unreachable"
    ),
    "silence before the head": same([Hold()], 504, "upstream_timeout", calls=1),
    "silence after the head": Fault(
        [Send(JSON_HEAD), Hold()], [stream_head(), Hold()], 504, "upstream_timeout", calls=1
    ),
    "a wrong content type": same(
        reply(b"<html>Login</html>", headers=[("content-type", "text/html")]), 502, "upstream_invalid_response"
    ),
    "truncated JSON": Fault(
        reply(b'{"choices": [', headers=[("content-type", "application/json")]),
        [stream_head(), Send(chunked(b'data: {"choices": [\n\n')), Send(LAST_CHUNK)],
        502,
        "upstream_invalid_response",
    ),
    "an error with status 200": Fault(
        json_reply(ERROR), raw_stream(event(ROLE) + event(ERROR)), 502, "upstream_server_error"
    ),
    "broken framing": same([Send(BROKEN_CHUNK), Drop()], 502, "upstream_invalid_response"),
}


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[ScriptedUpstream, ScriptedUpstream]]:
    with ScriptedUpstream() as lab, ScriptedUpstream() as spare:
        yield lab, spare


@pytest.fixture(scope="module")
def faulty_gateway(
    tmp_path_factory: pytest.TempPathFactory, upstreams: tuple[ScriptedUpstream, ScriptedUpstream]
) -> Iterator[GatewayProcess]:
    lab, spare = upstreams
    folder: Path = tmp_path_factory.mktemp("faulty")
    with GatewayProcess(folder, CONFIG.format(lab=lab.base_url, spare=spare.base_url)) as process:
        yield process


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_an_error_of_its_own_and_costs_nothing_where_another_target_can_answer(
    faulty_gateway: GatewayProcess,
    upstreams: tuple[ScriptedUpstream, ScriptedUpstream],
    name: str,
    stream: bool,
) -> None:
    fault, (lab, spare) = FAULTS[name], upstreams
    for upstream in upstreams:
        upstream.reset()
    lab.script(fault.stream if stream else fault.plain)

    answer = chat(faulty_gateway, "alone", stream=stream)
    assert (answer.status, answer.error["code"]) == (fault.status, fault.code)
    assert len(lab.received) == fault.calls
    assert b"[DONE]" not in answer.body

    spare.script(stream_reply("Hi") if stream else json_reply(completion("Hi")))
    answer = chat(faulty_gateway, "pair", stream=stream)
    assert answer.status == 200
    assert answer.headers["x-aqueduct-target"] == "spare/m"
    assert answer.headers["x-aqueduct-attempts"] == "2"
    assert (len(lab.received), len(spare.received)) == (fault.calls + 1, 1)
    assert (b"[DONE]" in answer.body) == stream
