"""Upstreams that send what they should not: nothing of it is a bug of ours, a leak or a wrong bill."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.asking import chat
from tests.acceptance.conftest import CONFIG
from tests.gateway_process import GatewayProcess, free_port
from tests.scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STOP,
    USAGE,
    ScriptedUpstream,
    Send,
    chunk,
    chunked,
    completion,
    error_reply,
    event,
    json_reply,
    raw_stream,
    reply,
)

PLAIN_KEY = "hunter2-is-my-plain-key"
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
CALL = {"id": "c", "type": "function"}


@pytest.fixture(scope="module")
def lab() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory, lab: ScriptedUpstream) -> Iterator[GatewayProcess]:
    """A gateway whose provider key looks like no key at all."""
    config = CONFIG.format(lab=lab.base_url, spare=lab.base_url, key=PLAIN_KEY, closed_port=free_port())
    with GatewayProcess(tmp_path_factory.mktemp("careless"), config) as process:
        yield process


def choice(**members: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop", **members}


def answer(*choices: object, **members: object) -> dict[str, Any]:
    return {**completion(), "choices": choices, **members}


@pytest.mark.parametrize(("model", "stream"), [("forced", False), ("told", True)])
@pytest.mark.parametrize(
    "odd",
    [
        {"message": None},
        {"message": {"tool_calls": {}}},
        {"message": {"tool_calls": [None]}},
        {"message": {"tool_calls": [{**CALL, "function": {"name": "answer", "arguments": None}}]}},
        {"message": {"tool_calls": [{**CALL, "function": {"name": "answer"}}]}, "finish_reason": "tool_calls"},
        {"finish_reason": 1},
    ],
)
def test_an_answer_that_has_to_be_rewritten_and_is_malformed_is_a_502(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str, odd: dict[str, Any], stream: bool
) -> None:
    upstream.script(json_reply(answer(choice(**odd))))
    call = chat(gateway, model, response_format=FORMAT, stream=stream)
    assert (call.status, call.error["type"]) == (502, "upstream_error")


@pytest.mark.parametrize("model", ["forced", "told"])
def test_an_answer_without_index_and_finish_reason_can_be_rewritten(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    upstream.script(json_reply(answer({"message": {"role": "assistant", "content": "{}"}})))
    assert chat(gateway, model, response_format=FORMAT, stream=True).status == 200


@pytest.mark.parametrize("member", [b"1e999", b"9" * 5000, b'"\xff"'])
def test_a_value_that_no_parser_takes_is_a_502_where_the_answer_has_to_be_rewritten(
    gateway: GatewayProcess, upstream: ScriptedUpstream, member: bytes
) -> None:
    body = json.dumps(completion("{}")).encode()[:-1] + b',"odd":' + member + b"}"
    upstream.script(reply(body, headers=[("content-type", "application/json")]))
    call = chat(gateway, "told", response_format=FORMAT)
    assert (call.status, call.error["code"]) == (502, "upstream_invalid_response")


def test_no_choice_hides_behind_another_of_the_same_index(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    unchecked = choice(message={"role": "assistant", "content": "no JSON"})
    upstream.script(json_reply(answer(unchecked, choice())))
    assert chat(gateway, response_format=FORMAT, n=2).status == 502


@pytest.mark.parametrize("count", [-5, 1.5, "7", 10**30, True, [], {}])
def test_an_answer_whose_usage_is_incredible_passes_and_is_counted_by_us(
    gateway: GatewayProcess, upstream: ScriptedUpstream, count: object
) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 3}
    upstream.script(
        json_reply({**completion(), "usage": usage}),
        raw_stream(event(chunk({"content": "Hello."})) + event(STOP) + event({**USAGE, "usage": usage}) + DONE),
    )
    for call in (chat(gateway), chat(gateway, stream=True)):
        assert (call.status, call.is_whole) == (200, True)
        record = gateway.usage(call.headers["x-request-id"])
        assert record["is_estimated"]
        assert 0 < record["units"]["input_tokens"] < 50


@pytest.mark.parametrize("usage", ["x", 7, [], {}, {"prompt_tokens": None}])
def test_usage_that_reports_nothing_is_none(gateway: GatewayProcess, upstream: ScriptedUpstream, usage: object) -> None:
    upstream.script(json_reply({**completion(), "usage": usage}))
    call = chat(gateway)
    assert call.status == 200
    assert gateway.usage(call.headers["x-request-id"])["is_estimated"]


def test_counts_written_as_floats_are_read_and_details_are_no_more_than_their_whole(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    usage = {"prompt_tokens": 7.0, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 900}}
    upstream.script(json_reply({**completion(), "usage": usage}))
    record = gateway.usage(chat(gateway).headers["x-request-id"])
    assert record["units"] == {"input_tokens": 7, "output_tokens": 3, "cached_tokens": 7}


def test_a_stream_is_known_by_its_type_in_any_case_and_pings_are_nobody_s(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    content = event(chunk({"content": "x"}, "stop"))
    pings = b'event: ping\ndata: {"type":"ping"}\n\ndata:\n\ndata: \n\n'
    head = Send(b"HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream\r\ntransfer-encoding: chunked\r\n\r\n")
    upstream.script([head, Send(chunked(pings + content + pings + DONE)), Send(LAST_CHUNK)])
    call = chat(gateway, stream=True)
    assert (call.status, len(call.events)) == (200, 2)


def test_an_upstream_that_repeats_our_key_does_not_tell_it_to_clients(
    careless: GatewayProcess, lab: ScriptedUpstream
) -> None:
    words: dict[str, Any] = {"code": f"c {PLAIN_KEY}", "param": f"p {PLAIN_KEY}", "type": PLAIN_KEY}
    in_stream = event({"error": {"message": f"bad {PLAIN_KEY}", **words, "code": 400}})
    for script, stream in (
        (error_reply(400, f"bad key {PLAIN_KEY}", **words), False),
        (json_reply({"error": {"message": f"bad {PLAIN_KEY}", "code": 400}}), False),
        (raw_stream(in_stream), True),
        (raw_stream(event(chunk({"content": "x"})) + in_stream), True),
    ):
        lab.reset()
        lab.script(script)
        call = chat(careless, stream=stream)
        assert b"[concealed]" in call.body
        assert PLAIN_KEY.encode() not in call.body
        assert PLAIN_KEY not in str(call.headers)
    assert PLAIN_KEY not in careless.log


def test_a_code_that_is_none_is_not_handed_on(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(error_reply(400, "bad", code="c" * 10_000, param="p\r\nx: y"))
    assert chat(gateway).error | {"message": ""} == {
        "message": "",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


def test_only_the_beginning_of_long_names_is_recorded(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply({**completion(), "model": "m" * 100_000}))
    record = gateway.usage(chat(gateway, user="u" * 100_000).headers["x-request-id"])
    assert (record["response_model"], record["end_user"]) == ("m" * 500, "u" * 500)
    unknown = chat(gateway, "n" * 100_000)
    assert len(unknown.body) < 1000
    assert gateway.usage(unknown.headers["x-request-id"])["request_model"] == "n" * 500


def test_a_bug_is_logged_without_the_values_of_variables(tmp_path: Path) -> None:
    program = (
        "import structlog\n"
        "from aqueduct.settings import Settings\n"
        "from aqueduct.telemetry.logs import configure_logs\n"
        "configure_logs(Settings())\n"
        "def fail(prompt):\n"
        "    raise KeyError('index')\n"
        "try:\n"
        "    fail('SECRET'.lower())\n"
        "except KeyError as error:\n"
        "    structlog.get_logger().error('bug', exc_info=error)\n"
    )
    shown = run_python(program, tmp_path)
    assert "KeyError: 'index'" in shown
    assert "secret" not in shown


def run_python(program: str, folder: Path) -> str:
    """Run a program in a process of its own and return what it wrote to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stderr
