"""What a streamed answer looks like on the wire: framing, usage, the commit and the end."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.acceptance.asking import begin_chat, chat
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import (
    DONE,
    LAST_CHUNK,
    ROLE,
    STOP,
    USAGE,
    Drop,
    Hold,
    Pause,
    Reset,
    ScriptedUpstream,
    Send,
    Step,
    chunk,
    chunked,
    error_reply,
    event,
    json_reply,
    open_stream,
    raw_stream,
    stream_head,
    stream_reply,
)


def contents(call: RawCall) -> str:
    """Put the content of a stream together."""
    chunks = [json.loads(payload) for payload in call.events if payload != b"[DONE]"]
    return "".join(
        choice["delta"].get("content") or "" for value in chunks if "choices" in value for choice in value["choices"]
    )


def error_event(call: RawCall) -> dict[str, Any]:
    """Return the error that a stream ended with, having checked that it ended as a broken one must."""
    document = json.loads(call.events[-1])
    assert set(document) == {"error"}
    assert set(document["error"]) == {"message", "type", "param", "code"}
    assert b"[DONE]" not in call.body
    assert not call.is_whole, "a truncated answer must not look whole"
    error: dict[str, Any] = document["error"]
    return error


# Framing.


def test_a_stream_is_one_data_line_an_event_and_ends_with_done(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(stream_reply("Hel", "lo"))
    answer = chat(gateway, stream=True)
    assert answer.status == 200
    assert answer.headers["content-type"].split(";")[0] == "text/event-stream"
    assert answer.body.endswith(b"\n\ndata: [DONE]\n\n")
    assert answer.events.count(b"[DONE]") == 1
    assert contents(answer) == "Hello"
    assert answer.is_whole


def test_events_go_out_one_by_one_as_they_arrive(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gates = [Hold(), Hold()]
    steps: list[Step] = [*open_stream(ROLE, chunk({"content": "a"})), gates[0]]
    steps += [Send(chunked(event(chunk({"content": "b"})))), gates[1]]
    steps += [Send(chunked(event(STOP) + DONE) + LAST_CHUNK)]
    upstream.script(steps)
    with begin_chat(gateway, stream=True).read_head() as call:
        call.read_until(event(chunk({"content": "a"})))
        gates[0].gate.open()
        call.read_until(event(chunk({"content": "b"})))
        gates[1].gate.open()
        assert call.read_all().is_whole


@pytest.mark.parametrize("separator", ["\r\n", "\r", "\n"], ids=["CRLF", "CR", "LF"])
def test_events_are_framed_anew_otherwise_they_pass_byte_for_byte(
    gateway: GatewayProcess, upstream: ScriptedUpstream, separator: str
) -> None:
    odd = b'{ "choices":[{"delta":{"content":"caf\\u00e9 \\/ \xc3\xa9"},"index":0}], "x" : 1.0e0,"model":"m" }'
    lines = [": a comment", "id: 7", "event: message", "retry: 10", f"data:{odd.decode()}", ""]
    lines += [f"data: {json.dumps(STOP)}", "", "data: [DONE]", "", ""]
    upstream.script(raw_stream(separator.join(lines).encode()))
    answer = chat(gateway, stream=True)
    assert answer.events == [odd, json.dumps(STOP).encode(), b"[DONE]"]
    assert b"\r" not in answer.body


def test_lines_are_split_at_line_ends_only(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg"
    payload = json.dumps(chunk({"content": text}), ensure_ascii=False)
    for control in ("\x0b", "\x0c", "\x1c"):
        payload = payload.replace(control, f"\\u{ord(control):04x}")
    upstream.script(raw_stream(f"data: {payload}\n\n".encode() + event(STOP) + DONE))
    answer = chat(gateway, stream=True)
    assert answer.events[0] == payload.encode()
    assert contents(answer) == text


@pytest.mark.parametrize("every", [1, 2, 3, 7, 64])
def test_a_chunk_cut_anywhere_arrives_intact(gateway: GatewayProcess, upstream: ScriptedUpstream, every: int) -> None:
    text = "naïve 😀 “日本語”"
    stream = b"".join(map(event, [ROLE, chunk({"content": text}), STOP])) + DONE
    upstream.script(raw_stream(stream, every=every))
    assert contents(chat(gateway, stream=True)) == text


def test_an_event_of_several_data_lines_is_one_event(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    first, second = json.dumps(chunk({"content": "Hi"})).split(", ", 1)
    upstream.script(raw_stream(f"data: {first},\ndata: {second}\n\n".encode() + event(STOP) + DONE))
    answer = chat(gateway, stream=True)
    assert contents(answer) == "Hi"
    assert answer.is_whole


# Usage.


def test_usage_that_was_not_asked_for_is_taken_out_but_was_asked_for_upstream(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    with_null = [{**chunk({"content": "Hi"}), "usage": None}, {**STOP, "usage": None}]
    upstream.script(raw_stream(b"".join(map(event, [*with_null, USAGE])) + DONE))
    answer = chat(gateway, stream=True)
    assert [json.loads(payload) for payload in answer.events[:-1]] == [chunk({"content": "Hi"}), STOP]
    assert upstream.received[0].json["stream_options"] == {"include_usage": True}
    record = gateway.usage(answer.headers["x-request-id"])
    assert (record["units"]["input_tokens"], record["units"]["output_tokens"]) == (7, 3)


def test_usage_comes_as_a_last_chunk_when_it_was_asked_for(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    with_null = [{**chunk({"content": "Hi"}), "usage": None}, {**STOP, "usage": None}]
    upstream.script(raw_stream(b"".join(map(event, [*with_null, USAGE])) + DONE))
    answer = chat(gateway, stream=True, stream_options={"include_usage": True})
    assert [json.loads(payload) for payload in answer.events[:-1]] == [*with_null, USAGE]


def test_usage_on_the_last_chunk_with_choices_is_taken_out_of_it(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(raw_stream(event(chunk({"content": "Hi"})) + event({**STOP, "usage": USAGE["usage"]}) + DONE))
    answer = chat(gateway, stream=True)
    assert json.loads(answer.events[1]) == STOP
    assert gateway.usage(answer.headers["x-request-id"])["units"]["output_tokens"] == 3


def test_other_stream_options_stay_when_the_gateway_asks_for_usage(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(stream_reply("Hi"))
    chat(gateway, stream=True, stream_options={"include_obfuscation": False, "include_usage": False})
    assert upstream.received[0].json["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_usage_that_the_upstream_does_not_report_is_counted_and_marked(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(raw_stream(event(chunk({"content": "one two three four five"})) + event(STOP) + DONE))
    answer = chat(gateway, stream=True)
    record = gateway.usage(answer.headers["x-request-id"])
    assert record["is_estimated"] is True
    assert record["units"]["output_tokens"] == 5


# The commit.


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "Hi"},
        {"reasoning_content": "Hm"},
        {"reasoning": "Hm"},
        {"refusal": "No."},
        {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    ],
    ids=lambda delta: str(next(iter(delta))),
)
def test_the_status_line_goes_out_with_the_first_content_reasoning_or_tool_call(
    gateway: GatewayProcess, upstream: ScriptedUpstream, delta: dict[str, Any]
) -> None:
    upstream.script([*open_stream(ROLE, chunk(delta)), Hold()])
    with begin_chat(gateway, stream=True).read_head() as call:
        assert call.status == 200
        call.read_until(event(chunk(delta)))
        assert call.body.startswith(event(ROLE))


def test_role_and_lifecycle_events_wait_for_the_content_since_overload_often_follows_them(
    gateway: GatewayProcess, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    overloaded = {"error": {"message": "Overloaded", "type": "overloaded_error", "code": 529}}
    upstream.script(raw_stream(event(ROLE) + event({**chunk({}), "choices": []}) + event(overloaded)))
    spare.script(stream_reply("from the spare"))
    answer = chat(gateway, "two", stream=True)
    assert (answer.status, answer.headers["x-aqueduct-target"]) == (200, "spare/upstream-two")
    assert contents(answer) == "from the spare"


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (error_reply(400, code="unsupported_value"), 400, "unsupported_value"),
        (error_reply(401), 502, "upstream_unauthorized"),
        (error_reply(429, headers=[("retry-after", "20")]), 429, "upstream_rate_limited"),
        (raw_stream(event(ROLE)), 502, "upstream_unreachable"),
        (raw_stream(b"data: {rubbish\n\n"), 502, "upstream_invalid_response"),
        ([*open_stream(ROLE), Drop()], 502, "upstream_unreachable"),
        ([*open_stream(ROLE), Reset()], 502, "upstream_unreachable"),
        (raw_stream(event(ROLE) + event({"error": {"message": "no", "code": 401}})), 502, "upstream_unauthorized"),
        (json_reply({"error": {"message": "too fast", "code": 429}}), 429, "upstream_rate_limited"),
    ],
)
def test_until_the_commit_every_error_has_its_own_status(
    gateway: GatewayProcess, upstream: ScriptedUpstream, script: list[Step], status: int, code: str
) -> None:
    upstream.script(script)
    answer = chat(gateway, stream=True)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"


def test_until_the_commit_every_retry_is_free(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(error_reply(503), [*open_stream(ROLE), Drop()], stream_reply("at last"))
    answer = chat(gateway, stream=True)
    assert contents(answer) == "at last"
    assert answer.headers["x-aqueduct-attempts"] == "3"


def test_from_the_commit_on_nothing_is_retried(
    gateway: GatewayProcess, upstream: ScriptedUpstream, spare: ScriptedUpstream
) -> None:
    upstream.script([*open_stream(ROLE, chunk({"content": "Hi"})), Drop()])
    spare.script(stream_reply("never"))
    answer = chat(gateway, "two", stream=True)
    assert (answer.status, contents(answer)) == (200, "Hi")
    assert error_event(answer)["code"] == "upstream_unreachable"
    assert spare.received == []


def test_silence_is_broken_by_comments_which_commit_and_repeat(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(
        [
            *open_stream(ROLE),
            Pause(1.1),
            *[Send(chunked(event(value))) for value in (chunk({"content": "Hi"}), STOP)],
            Send(chunked(DONE) + LAST_CHUNK),
        ]
    )
    started = time.monotonic()
    with begin_chat(narrow_gateway, stream=True).read_head() as call:
        assert call.status == 200
        assert call.read_some() == b": keepalive\n\n"
        assert 0.2 < time.monotonic() - started < 0.8
        call.read_all()
    assert call.body.count(b": keepalive\n\n") >= 3
    assert contents(call) == "Hi"
    assert call.is_whole


def test_silence_after_the_commit_is_broken_too_and_never_inside_an_event(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    half = event(chunk({"content": "Hi"}))
    upstream.script(
        [
            *open_stream(ROLE, chunk({"content": "a"})),
            Send(chunked(half[:20])),
            Pause(0.8),
            Send(chunked(half[20:] + event(STOP) + DONE) + LAST_CHUNK),
        ]
    )
    answer = chat(narrow_gateway, stream=True)
    assert answer.body.count(b": keepalive\n\n") >= 2
    assert contents(answer) == "aHi"
    assert b"event:" not in answer.body


def test_a_failure_after_a_comment_committed_is_told_in_the_stream(
    narrow_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script([Pause(0.5), *error_reply(401)])
    answer = chat(narrow_gateway, stream=True)
    assert answer.status == 200
    assert answer.body.startswith(b": keepalive\n\n")
    assert error_event(answer)["code"] == "upstream_unauthorized"


def test_comments_can_be_switched_off(start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream) -> None:
    gateway = start_gateway(keepalive_interval_seconds="0")
    upstream.script([Pause(0.5), *stream_reply("Hi")])
    answer = chat(gateway, stream=True)
    assert b": keepalive" not in answer.body


# The end.


@pytest.mark.parametrize(
    "end",
    [event(STOP), event(STOP) + event(USAGE), event(STOP).rstrip(b"\n"), event(STOP) + b": bye\n\n"],
    ids=["finish reason", "usage", "no blank line", "comment"],
)
def test_a_stream_that_ends_after_a_finish_reason_is_whole_and_done_is_added(
    gateway: GatewayProcess, upstream: ScriptedUpstream, end: bytes
) -> None:
    upstream.script(raw_stream(event(chunk({"content": "Hi"})) + end))
    answer = chat(gateway, stream=True)
    assert answer.events[-1] == b"[DONE]"
    assert answer.is_whole


def test_done_alone_makes_a_stream_whole(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(raw_stream(event(chunk({"content": "Hi"})) + DONE))
    assert chat(gateway, stream=True).events[-1] == b"[DONE]"


def test_every_choice_begun_needs_its_finish_reason(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    def choice(index: int, finish_reason: str | None = None) -> dict[str, Any]:
        value = chunk({"content": "x"}, finish_reason)
        value["choices"][0]["index"] = index
        return value

    upstream.script(raw_stream(b"".join(map(event, [choice(0), choice(1), choice(0, "stop")]))))
    assert error_event(chat(gateway, stream=True, n=2))["code"] == "upstream_unreachable"
    upstream.script(raw_stream(b"".join(map(event, [choice(0), choice(1), choice(1, "length"), choice(0, "stop")]))))
    assert chat(gateway, stream=True, n=2).events[-1] == b"[DONE]"


def test_what_comes_after_done_is_nobody_s(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(
        raw_stream(event(chunk({"content": "Hi"})) + event(STOP) + DONE + event(chunk({"content": "more"})))
    )
    answer = chat(gateway, stream=True)
    assert contents(answer) == "Hi"
    assert answer.events[-1] == b"[DONE]"


BEGUN = [ROLE, chunk({"content": "Hi"})]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([*open_stream(*BEGUN), Drop()], "upstream_unreachable"),
        ([*open_stream(*BEGUN), Reset()], "upstream_unreachable"),
        (raw_stream(b"".join(map(event, BEGUN))), "upstream_unreachable"),
        (raw_stream(b"".join(map(event, BEGUN)) + event(STOP)[:30]), None),
        (raw_stream(b"".join(map(event, BEGUN)) + b"data: {rubbish\n\n"), "upstream_invalid_response"),
        ([*open_stream(*BEGUN), Send(b"not a chunk size\r\n")], "upstream_invalid_response"),
        (raw_stream(b"".join(map(event, BEGUN)) + event({"error": {"message": "x", "code": 500}})), None),
        (raw_stream(b"".join(map(event, BEGUN)) + event({"error": "out of memory"})), None),
        (
            raw_stream(
                b"".join(map(event, BEGUN))
                + b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n'
            ),
            None,
        ),
        (raw_stream(b"".join(map(event, BEGUN)) + b'event: error\ndata: {"message": "x", "code": 503}\n\n'), None),
        (raw_stream(b"".join(map(event, BEGUN)) + b'data: {"object":"error","message":"x","code":500}\n\n'), None),
    ],
    ids=[
        "drop",
        "reset",
        "early end",
        "cut event",
        "rubbish",
        "bad framing",
        "error object",
        "error string",
        "Anthropic's error",
        "named error",
        "vLLM's error",
    ],
)
def test_a_stream_that_breaks_gets_one_error_and_then_the_end_of_the_connection(
    gateway: GatewayProcess, upstream: ScriptedUpstream, script: list[Step], code: str | None
) -> None:
    upstream.script(script)
    answer = chat(gateway, stream=True)
    assert answer.status == 200
    error = error_event(answer)
    assert error["type"] == "upstream_error"
    assert code is None or error["code"] == code
    assert len([payload for payload in answer.events if b'"error"' in payload]) == 1
    assert contents(answer) == "Hi"


def test_a_stream_that_stalls_past_the_idle_timeout_breaks(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script([*open_stream(*BEGUN), Hold()])
    started = time.monotonic()
    answer = chat(gateway, "hasty", stream=True)
    assert 0.3 < time.monotonic() - started < 1.4
    assert error_event(answer) == {
        "message": error_event(answer)["message"],
        "type": "timeout_error",
        "code": "upstream_timeout",
        "param": None,
    }
    upstream.received[0].wait_closed(1)


def test_a_stream_that_outlasts_its_total_timeout_breaks(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    steps: list[Step] = [*open_stream(ROLE)]
    for _ in range(40):
        steps += [Send(chunked(event(chunk({"content": "x"})))), Pause(0.1)]
    upstream.script(steps)
    started = time.monotonic()
    answer = chat(gateway, "hasty", stream=True)
    assert 1.2 < time.monotonic() - started < 3
    assert error_event(answer)["code"] == "upstream_timeout"


def test_a_first_event_that_never_comes_is_a_504(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script([stream_head(), Send(chunked(event(ROLE))), Hold()])
    answer = chat(gateway, "hasty", stream=True)
    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")


def test_a_stream_of_comments_alone_is_not_waited_for(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    comments = [step for _ in range(40) for step in (Send(chunked(b": busy\n\n")), Pause(0.05))]
    upstream.script([stream_head(), *comments])
    answer = chat(gateway, "eager", stream=True)
    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
    assert gateway.usage(answer.headers["x-request-id"])["attempts"][0]["error"] == "upstream_timeout"
    upstream.script(stream_reply("Hi"))
    assert contents(chat(gateway, "eager", stream=True)) == "Hi"


def test_a_broken_stream_is_recorded_as_such(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script([*open_stream(*BEGUN), Drop()])
    record = gateway.usage(chat(gateway, stream=True).headers["x-request-id"])
    assert (record["ending"], record["is_stream"]) == ("upstream_died", True)


def test_a_burst_larger_than_what_is_buffered_does_not_stop_the_stream(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    burst = Send(chunked(b"".join([event(chunk({"content": "x" * 1000}))] * 1000)))
    upstream.script(
        [*open_stream(ROLE, chunk({"content": "a"})), Pause(0.2), burst, Pause(0.2), *stream_reply("b")[1:]]
    )
    answer = chat(gateway, stream=True)
    assert answer.is_whole
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.body.count(b"x" * 1000) == 1000
