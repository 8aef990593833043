"""Where requests go, seen from outside: fallbacks, keys, health that administrators can see, and outages."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.asking import MESSAGES, chat, fetch
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import (
    Hold,
    ScriptedUpstream,
    chunk,
    completion,
    error_reply,
    event,
    json_reply,
)

Upstreams = list[ScriptedUpstream]

CONFIG = """
providers:
  - {{name: a, kind: openai, base_url: "{0}", api_keys: [sk-first-key, sk-second-key]}}
  - {{name: b, kind: openai, base_url: "{1}", api_key: sk-b}}
  - {{name: c, kind: openai, base_url: "{2}", api_key: sk-c}}
  - {{name: raw, kind: openai, base_url: "{1}", api_key: sk-b, breaker: false}}
models:
  - {{name: keyed, targets: [{{provider: a, model: m}}]}}
  - {{name: lonely, targets: [{{provider: b, model: lonely}}]}}
  - name: spread
    strategy: weighted
    targets: [{{provider: a, model: s}}, {{provider: b, model: s, weight: 2}}, {{provider: c, model: s}}]
  - {{name: overloaded, targets: [{{provider: raw, model: m}}, {{provider: raw, model: n}}]}}
  - name: first
    targets: [{{provider: raw, model: first}}]
    fallbacks: [second]
    context_overflow_fallbacks: [long]
    content_policy_fallbacks: [second]
  - {{name: second, targets: [{{provider: c, model: second}}]}}
  - {{name: long, targets: [{{provider: c, model: long}}]}}
  - name: hedged
    hedge: {{after: 0.3}}
    targets: [{{provider: raw, model: h}}, {{provider: c, model: h}}]
"""


@pytest.fixture
def three() -> Iterator[Upstreams]:
    with ScriptedUpstream() as a, ScriptedUpstream() as b, ScriptedUpstream() as c:
        for upstream in (a, b, c):
            upstream.script(json_reply(completion()))
        yield [a, b, c]


@pytest.fixture
def routed(tmp_path: Path, three: Upstreams) -> Iterator[GatewayProcess]:
    """A gateway with breakers, in front of three upstreams."""
    with GatewayProcess(tmp_path, CONFIG.format(*(upstream.base_url for upstream in three))) as process:
        yield process


def keys_used(upstream: ScriptedUpstream) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in upstream.received]


def health(gateway: GatewayProcess, target: str, key: int = 1) -> dict[str, Any]:
    """Return what administrators see of a target."""
    (found,) = [
        each
        for each in fetch(gateway, "GET", "/api/admin/targets").json["data"]
        if (each["target"], each["key"]) == (target, key)
    ]
    return dict(found)


def test_a_key_that_is_refused_or_used_up_gives_way_to_the_next(routed: GatewayProcess, three: Upstreams) -> None:
    three[0].script(error_reply(401), json_reply(completion()))
    for _ in range(3):
        assert chat(routed, "keyed").status == 200
    assert keys_used(three[0]) == ["sk-first-key", *["sk-second-key"] * 3]
    assert health(routed, "a/m")["state"] == "open"
    assert health(routed, "a/m")["reason"] == "refusal"
    assert health(routed, "a/m", key=2)["state"] == "closed"
    assert health(routed, "a/m", key=2)["attempts"] == 3
    assert routed.metric("aqueduct_target_is_open") == 1


def test_a_target_that_is_out_is_not_asked_and_the_client_hears_when_to_come_back(
    routed: GatewayProcess, three: Upstreams
) -> None:
    three[1].script(error_reply(429, headers=[("retry-after", "30")]))
    assert chat(routed, "lonely").status == 429
    answer = chat(routed, "lonely")
    assert (answer.status, answer.error["code"]) == (503, "no_target_available")
    assert 20 < int(answer.headers["retry-after"]) <= 30
    assert len(three[1].received) == 1


def test_only_administrators_see_how_the_targets_are(routed: GatewayProcess) -> None:
    names = {each["target"] for each in fetch(routed, "GET", "/api/admin/targets").json["data"]}
    assert {"a/m", "b/s", "c/long"} <= names
    assert fetch(routed, "GET", "/api/admin/targets", token=routed.create_token()).status == 403


@pytest.mark.parametrize(
    ("script", "target"),
    [
        (error_reply(401), "c/second"),
        (error_reply(400, "too long", code="context_length_exceeded"), "c/long"),
        (error_reply(400, "no", code="content_filter"), "c/second"),
    ],
    ids=["failure", "overflow", "policy"],
)
def test_another_model_answers_and_the_request_counts_as_the_one_that_was_asked_for(
    routed: GatewayProcess, three: Upstreams, script: list[Any], target: str
) -> None:
    three[1].script(script)
    answer = chat(routed, "first")
    assert answer.status == 200
    assert answer.headers["x-aqueduct-target"] == target
    assert three[2].received[-1].json["model"] == target.partition("/")[2]
    record = routed.usage(answer.headers["x-request-id"])
    assert (record["model"], record["request_model"], record["target"]) == ("first", "first", target)
    assert [attempt["target"] for attempt in record["attempts"]] == ["raw/first", target]


def test_a_fallback_may_be_a_model_that_the_token_may_not_ask_for_itself(
    routed: GatewayProcess, three: Upstreams
) -> None:
    three[1].script(error_reply(401))
    limited = routed.create_token("--models", "first")
    body = {"model": "first", "messages": [{"role": "user", "content": "Hi"}]}
    assert fetch(routed, "POST", "/chat/completions", body, token=limited).status == 200


def test_one_of_three_targets_out_costs_no_request(routed: GatewayProcess, three: Upstreams) -> None:
    three[1].script(error_reply(500))
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: chat(routed, "spread").status, range(80)))
    assert statuses == [200] * 80
    # Five failures in a row open it; as many may have been on their way, and a probe now and then.
    assert len(three[1].received) < 20


def test_retries_cannot_multiply_an_overload(routed: GatewayProcess, three: Upstreams) -> None:
    three[1].script(error_reply(529))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: chat(routed, "overloaded"), range(150)))
    assert {answer.status for answer in answers} == {502}
    # A fifth more, the reserve of 20, and one a second for as long as it took.
    seconds = three[1].received[-1].at - three[1].received[0].at
    assert len(three[1].received) <= 150 * 1.2 + 20 + seconds + 1
    assert routed.metric("aqueduct_retries_refused_total") > 0


def test_a_hedge_answers_where_the_first_target_is_slow_and_the_loser_is_recorded(
    routed: GatewayProcess, three: Upstreams
) -> None:
    three[1].script([Hold()])
    answer = chat(routed, "hedged")
    assert answer.status == 200
    assert answer.headers["x-aqueduct-target"] == "c/h"
    three[1].received[0].wait_closed(5)
    record = routed.usage(answer.headers["x-request-id"])
    assert [attempt["target"] for attempt in record["attempts"]] == ["raw/h", "c/h"]
    assert record["attempts"][0]["is_estimated"]
    assert record["attempts"][0]["units"]["input_tokens"] > 0


# A hundred streams while a target dies and returns.

EVENTS = 25
STREAMS = 100


class Echo:
    """An upstream whose streams carry what the request was called, so that nothing can be mixed up unseen."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def rise(self) -> None:
        """Listen, on the port it had."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Stop listening, and reset every connection."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
                name = json.loads(await reader.readexactly(length))["user"]
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                for number in range(EVENTS):
                    data = event(chunk({"content": f"{name}:{number} "}))
                    writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                    await writer.drain()
                    await asyncio.sleep(0.04)
                data = event(chunk({}, "stop")) + b"data: [DONE]\n\n"
                writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
        self._writers.discard(writer)
        self._serving.discard(task)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_stream(gateway: GatewayProcess, name: str) -> tuple[str, bool]:
    """Ask for a stream; return its text and whether it ended as a whole one, or with an error that says so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = json.dumps({"model": "echo", "messages": MESSAGES, "user": name, "stream": True})
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "host: gateway",
        f"authorization: Bearer {gateway.token}",
        "connection: close",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    writer.write("\r\n".join([*lines, "", body]).encode())
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    status = int(raw.split(b" ", 2)[1])
    assert status == 200, raw
    datas = [line[6:] for line in raw.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data: ")]
    is_done = datas[-1] == b"[DONE]"
    documents = [json.loads(data) for data in datas if data != b"[DONE]"]
    has_error = "error" in documents[-1]
    assert is_done != has_error, raw[-500:]
    text = "".join(each["choices"][0]["delta"].get("content", "") for each in documents if "choices" in each)
    return text, is_done


@contextlib.asynccontextmanager
async def echoes() -> AsyncIterator[tuple[Echo, Echo]]:
    first, second = Echo(), Echo()
    await first.rise()
    await second.rise()
    try:
        yield first, second
    finally:
        await first.die()
        await second.die()


def test_a_hundred_streams_while_a_target_dies_and_returns_are_whole_or_say_that_they_are_not(tmp_path: Path) -> None:
    async def work() -> None:
        async with echoes() as (first, second):
            config = f"""
providers:
  - {{name: first, kind: openai, base_url: "http://127.0.0.1:{first.port}/v1", breaker: {{cooling: 1}}}}
  - {{name: second, kind: openai, base_url: "http://127.0.0.1:{second.port}/v1"}}
models:
  - {{name: echo, strategy: weighted, targets: [{{provider: first, model: m}}, {{provider: second, model: m}}]}}
"""
            gateway = await asyncio.to_thread(GatewayProcess(tmp_path, config).start)
            try:
                await disturb(gateway, first)
            finally:
                await asyncio.to_thread(gateway.stop)

    async def disturb(gateway: GatewayProcess, first: Echo) -> None:
        tasks = []
        async with asyncio.TaskGroup() as group:
            for number in range(STREAMS):
                tasks.append(group.create_task(read_stream(gateway, f"client-{number}")))
                await asyncio.sleep(0.03)
                if number == 40:
                    await first.die()
                if number == 70:
                    await first.rise()
        whole = 0
        for number, task in enumerate(tasks):
            text, is_whole = task.result()
            pieces = [f"client-{number}:{index} " for index in range(EVENTS)]
            assert "".join(pieces).startswith(text)
            assert text == "".join(pieces) or not is_whole
            whole += is_whole
        # Only what the dying target had begun is lost; what was asked while it was dead went to the other.
        assert whole >= STREAMS - 41
        assert all(task.result()[1] for task in tasks[42:70])

    asyncio.run(work())
