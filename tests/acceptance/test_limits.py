"""Limits and budgets as a client meets them: exact under concurrency, told in headers, given back when unused."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.acceptance.asking import MESSAGES, begin, fetch
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import Hold, ScriptedUpstream, Step, completion, json_reply, stream_reply

BODY = {"model": "one", "messages": MESSAGES}


def ask(gateway: GatewayProcess, token: str, **fields: object) -> RawCall:
    """Ask for a completion with a token and read the whole answer."""
    return fetch(gateway, "POST", "/v1/chat/completions", {**BODY, **fields}, token=token)


def answered(usage: tuple[int, int]) -> list[Step]:
    """Return an upstream's answer that reports so many input and output tokens."""
    prompt, output = usage
    counts = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    return [*json_reply({**completion(), "usage": counts})]


def test_a_thousand_parallel_requests_get_exactly_what_the_limit_allows(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    token = gateway.create_token("--requests-per-minute", "100")
    with ThreadPoolExecutor(50) as pool:
        statuses = Counter(pool.map(lambda _: ask(gateway, token).status, range(1000)))
    assert statuses == {200: 100, 429: 900}
    assert len(upstream.received) == 100


def test_a_refusal_says_which_limit_and_when_to_come_again(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion()))
    token = gateway.create_token("--requests-per-minute", "2")
    first = ask(gateway, token)
    assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert ask(gateway, token).headers["x-ratelimit-remaining-requests"] == "0"
    refused = ask(gateway, token)
    assert (refused.status, refused.error["type"], refused.error["code"]) == (429, "requests", "rate_limit_exceeded")
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert int(refused.headers["retry-after-ms"]) <= 61_000
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    record = gateway.usage(refused.headers["x-request-id"])
    assert (record["status"], record["ending"], record["attempts"]) == (429, "refused", [])


def test_input_tokens_are_reserved_by_bytes_and_settled_to_the_truth(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(answered((900, 5)))
    token = gateway.create_token("--input-tokens-per-minute", "1000")
    assert ask(gateway, token).headers["x-ratelimit-limit-tokens"] == "1000"
    refused = ask(gateway, token, messages=[{"role": "user", "content": "word " * 200}])
    assert (refused.status, refused.error["type"]) == (429, "tokens")
    assert refused.headers["x-ratelimit-remaining-tokens"] == "100"
    never = ask(gateway, token, messages=[{"role": "user", "content": "word " * 2000}])
    assert (never.status, never.headers["x-should-retry"]) == (429, "false")


@pytest.mark.parametrize("stream", [False, True])
def test_output_tokens_that_were_not_used_are_given_back(
    gateway: GatewayProcess, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.script(stream_reply("Hi") if stream else answered((5, 10)))
    token = gateway.create_token("--output-tokens-per-minute", "1000")
    for _ in range(5):
        assert ask(gateway, token, max_tokens=900, stream=stream).status == 200
    refused = ask(gateway, token, max_tokens=1001)
    assert (refused.status, refused.headers["x-should-retry"]) == (429, "false")


def test_places_are_given_back_in_every_ending(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    token = gateway.create_token("--concurrent-requests", "1")
    held = Hold()
    upstream.script([held], json_reply(completion()))
    with begin(gateway, "POST", "/v1/chat/completions", BODY, token=token):
        upstream.wait_received()
        refused = ask(gateway, token)
        assert (refused.status, refused.error["type"]) == (429, "concurrency")
    deadline = time.monotonic() + 5  # the client left: its place is free within a second
    while (answer := ask(gateway, token)).status == 429:
        assert time.monotonic() < deadline
    assert answer.status == 200
    assert ask(gateway, token, messages="wrong").status == 400
    assert ask(gateway, token).status == 200


def test_a_request_waits_for_a_place_as_long_as_it_may(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(queue_seconds="20")
    token = gateway.create_token("--concurrent-requests", "1")
    held = Hold()
    upstream.script([held, *json_reply(completion())], json_reply(completion()))
    with begin(gateway, "POST", "/v1/chat/completions", BODY, token=token) as first:
        upstream.wait_received()
        answers: list[int] = []
        second = threading.Thread(target=lambda: answers.append(ask(gateway, token).status))
        second.start()
        second.join(0.5)
        assert second.is_alive()
        held.gate.open()
        assert first.read_all().status == 200
        second.join(10)
        assert answers == [200]


def test_a_hard_budget_refuses_once_it_is_spent_and_after_a_restart_too(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway()
    token = gateway.create_token("--budget", "1.00/month")
    gateway.config_file.write_text(
        gateway.config_file.read_text().replace(
            "targets: [{provider: lab, model: upstream-one}]\n  - name: two",
            "price: {currency: USD, input_per_million: 1000, output_per_million: 1000}\n"
            "    targets: [{provider: lab, model: upstream-one}]\n  - name: two",
        )
    )
    upstream.script(answered((400, 0)))
    deadline = time.monotonic() + 10
    paid = set()
    while (answer := ask(gateway, token, max_tokens=1)).status == 200:
        paid.add(gateway.usage(answer.headers["x-request-id"])["cost_nano"])
        assert time.monotonic() < deadline
    assert 400_000_000 in paid
    assert (answer.status, answer.error["code"]) == (429, "insufficient_quota")
    assert answer.headers["x-should-retry"] == "false"
    gateway.kill()
    gateway.start()
    assert ask(gateway, token, max_tokens=1).status == 429


def test_the_body_of_a_refusal_is_the_one_shape_of_errors(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(json_reply(completion()))
    token = gateway.create_token("--requests-per-minute", "0")
    answer = ask(gateway, token)
    assert answer.status == 429
    assert set(json.loads(answer.body)["error"]) == {"message", "type", "param", "code"}
