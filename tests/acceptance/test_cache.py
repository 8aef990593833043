"""The response cache as clients see it: what is given again, to whom, at what cost, and who waits for whom."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from tests.acceptance.asking import begin, fetch
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess
from tests.raw_http import Fields, RawCall
from tests.scripted_upstream import (
    DONE,
    ROLE,
    STOP,
    USAGE,
    Gate,
    Hold,
    ScriptedUpstream,
    chunk,
    completion,
    error_reply,
    event,
    json_reply,
    open_stream,
    raw_stream,
    stream_reply,
)

CONFIG = """
providers:
  - {{name: lab, kind: openai, base_url: "{url}", breaker: false}}
  - {{name: other, kind: openai, base_url: "{url}", breaker: false}}
models:
  - name: kept
    aliases: [held]
    cache: {{ttl: 600, max_bytes: 20000}}
    price: {{input_per_million: 1, output_per_million: 10}}
    targets: [{{provider: lab, model: m}}]
    retries: {{reserve: 100000}}
    fallbacks: [plain]
  - {{name: asked, cache: {{when: asked}}, targets: [{{provider: lab, model: m}}]}}
  - name: ruled
    cache: {{ttl: 600}}
    targets: [{{provider: lab, model: m}}]
    rules: [{{when: {{metadata: {{stage: canary}}}}, model: plain}}]
    mirror: {{model: plain, share: 1}}
  - {{name: plain, targets: [{{provider: other, model: n}}]}}
"""
PLAIN = json_reply(completion())
STREAM = stream_reply("Hel", "lo.")


@pytest.fixture(scope="module")
def lab() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def upstream(lab: ScriptedUpstream) -> ScriptedUpstream:
    lab.reset()
    return lab


@pytest.fixture(scope="module")
def caching(tmp_path_factory: pytest.TempPathFactory, lab: ScriptedUpstream) -> Iterator[GatewayProcess]:
    """A gateway with models that have a cache."""
    settings = {"AQUEDUCT_KEEPALIVE_INTERVAL_SECONDS": "0.3"}
    folder = tmp_path_factory.mktemp("caching")
    with GatewayProcess(folder, CONFIG.format(url=lab.base_url), settings) as process:
        yield process


def question(**fields: Any) -> dict[str, Any]:
    """Return a request that nobody has made before."""
    return {"model": "kept", "messages": [{"role": "user", "content": unique("question")}], **fields}


def ask(gateway: GatewayProcess, body: dict[str, Any], *, token: str = "", headers: Fields = ()) -> RawCall:
    return fetch(gateway, "POST", "/v1/chat/completions", body, token=token, headers=headers)


def outcome(call: RawCall) -> str | None:
    assert call.status == 200, call.body
    return call.headers.get("x-aqueduct-cache")


def asked_until_kept(gateway: GatewayProcess, body: dict[str, Any], *, token: str = "") -> RawCall:
    """Ask for something new, and make sure that it is kept, which happens a moment after its answer ends."""
    first = ask(gateway, body, token=token)
    assert outcome(first) == "miss"
    again = ask(gateway, body, token=token)
    assert outcome(again) == "hit"
    return first


def test_what_rules_send_elsewhere_is_kept_apart_and_nothing_kept_is_mirrored(
    caching: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(PLAIN)
    body = question(model="ruled")
    canary = body | {"metadata": {"stage": "canary"}}
    assert [outcome(ask(caching, each)) for each in (body, canary)] == ["miss", "miss"]
    assert [outcome(ask(caching, each)) for each in (body, canary, body)] == ["hit", "hit", "hit"]
    # Each was asked once, and copied once.
    upstream.wait_received(4)
    assert sorted(request.json["model"] for request in upstream.received) == ["m", "n", "n", "n"]


def test_an_equal_request_is_answered_at_no_cost_and_says_so(
    caching: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(PLAIN)
    body = question(temperature=1.0)
    first = ask(caching, body)
    assert outcome(first) == "miss"
    # Spelled otherwise, for somebody else, and by another name of the model.
    again = {key: body[key] for key in sorted(body, reverse=True)} | {"user": "u", "temperature": 1, "model": "held"}
    second = ask(caching, again)
    assert outcome(second) == "hit"
    assert second.json == first.json
    assert 0 <= int(second.headers["age"]) <= 30
    assert (second.headers["x-aqueduct-target"], second.headers["x-aqueduct-attempts"]) == ("cache", "0")
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(upstream.received) == 1
    record = caching.usage(second.headers["x-request-id"])
    assert record["units"] == {"cache_hits": 1, "saved_input_tokens": 7, "saved_output_tokens": 3}
    assert (record["cost_nano"], record["saved_nano"], record["currency"]) == (0, 37_000, "USD")
    assert (record["cache"], record["target"], record["attempts"]) == ("hit", None, [])
    assert (record["finish_reason"], record["response_model"]) == ("stop", "upstream-model")
    made = caching.usage(first.headers["x-request-id"])
    assert (made["cache"], made["cost_nano"], made["saved_nano"]) == ("miss", 37_000, None)


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"n": 2}, {"seed": 1}, {"model": "asked"}])
def test_what_decides_the_answer_makes_another_request(
    caching: GatewayProcess, upstream: ScriptedUpstream, change: dict[str, Any]
) -> None:
    upstream.script(PLAIN)
    body = question()
    asked_until_kept(caching, body)
    assert outcome(ask(caching, body | change)) != "hit"


def test_the_official_client_gets_a_stream_of_what_was_a_plain_answer_and_the_other_way_round(
    caching: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    client = openai.OpenAI(api_key=caching.token, base_url=f"{caching.url}/v1", max_retries=0)
    with client:
        upstream.script(PLAIN)
        body = question()
        plain = client.chat.completions.create(**body)
        chunks = list(client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}))
        assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == "Hello."
        assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
        assert {each.id for each in chunks} == {plain.id}
        assert chunks[-1].usage == plain.usage
        assert len(list(client.chat.completions.create(**body, stream=True))) == len(chunks) - 1

        upstream.script(STREAM)
        body = question()
        streamed = list(client.chat.completions.create(**body, stream=True))
        assert all(each.usage is None for each in streamed)
        whole = client.chat.completions.create(**body)
        assert whole.choices[0].message.content == "Hello."
        assert whole.choices[0].finish_reason == "stop"
        assert whole.object == "chat.completion"
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 3)
        assert (whole.id, whole.created) == (streamed[0].id, streamed[0].created)
    assert len(upstream.received) == 2


def test_calls_of_tools_are_given_again_either_way(caching: GatewayProcess, upstream: ScriptedUpstream) -> None:
    call = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": '{"x":1}'}}
    chunks = [ROLE, chunk({"tool_calls": [call]}), chunk({"tool_calls": [more]}), chunk({}, "tool_calls"), USAGE]
    upstream.script(raw_stream(b"".join(map(event, chunks)) + DONE))
    body = question(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
    assert outcome(ask(caching, body | {"stream": True})) == "miss"
    message = ask(caching, body).json["choices"][0]["message"]
    assert message["tool_calls"] == [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    ]
    first = json.loads(ask(caching, body | {"stream": True}).events[0])
    assert first["choices"][0]["delta"]["tool_calls"][0]["index"] == 0


def test_plain_completions_are_given_again_too(caching: GatewayProcess, upstream: ScriptedUpstream) -> None:
    answer = completion() | {"object": "text_completion"}
    answer["choices"] = [{"index": 0, "text": "Hello.", "logprobs": None, "finish_reason": "stop"}]
    upstream.script(json_reply(answer))
    body = {"model": "kept", "prompt": unique("prompt")}
    assert outcome(fetch(caching, "POST", "/v1/completions", body)) == "miss"
    streamed = fetch(caching, "POST", "/v1/completions", body | {"stream": True})
    assert outcome(streamed) == "hit"
    assert json.loads(streamed.events[0])["choices"][0]["text"] == "Hello."


def make_token(gateway: GatewayProcess, **fields: Any) -> str:
    return str(AdminClient(gateway.port, gateway.token).post("/api_tokens", {"name": unique("t"), **fields})["value"])


@pytest.fixture(scope="module")
def organisation(caching: GatewayProcess) -> dict[str, Any]:
    return make_organisation(caching)


def make_organisation(gateway: GatewayProcess) -> dict[str, Any]:
    """Make an organisation with two users."""
    admin = AdminClient(gateway.port, gateway.token)
    made: dict[str, Any] = admin.post("/organisations", {"name": unique("o")})
    users = [admin.post("/users", {"name": unique("u"), "organisation": made["id"]})["id"] for _ in range(2)]
    return made | {"users": users}


def test_no_organisation_gets_what_another_was_answered(
    caching: GatewayProcess, upstream: ScriptedUpstream, organisation: dict[str, Any]
) -> None:
    upstream.script(PLAIN)
    body = question()
    one, two = (make_token(caching, user=user) for user in organisation["users"])
    asked_until_kept(caching, body, token=one)
    assert outcome(ask(caching, body, token=two)) == "hit"
    other = make_organisation(caching)["users"][0]
    assert outcome(ask(caching, body, token=make_token(caching, user=other))) == "miss"
    # Nor does who belongs to none.
    assert outcome(ask(caching, body, token=make_token(caching))) == "miss"
    assert outcome(ask(caching, body, token=make_token(caching))) == "hit"


def test_a_client_says_what_it_wants_of_the_cache(caching: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(PLAIN)

    def said(body: dict[str, Any], name: str = "", value: str = "") -> str | None:
        return outcome(ask(caching, body, headers=[(name, value)] if name else ()))

    body = question()
    assert said(body, "cache-control", "no-store") == "miss"
    assert said(body, "x-aqueduct-cache", "bypass") == "bypass"
    assert said(body) == "miss"
    assert said(body, "cache-control", "no-cache") == "refresh"
    assert said(body, "x-aqueduct-cache", "refresh") == "refresh"
    assert said(body, "cache-control", "no-cache, no-store") == "bypass"
    assert said(body, "cache-control", "max-age=300") == "hit"
    assert said(body, "cache-control", "max-age=0") == "miss"
    assert said(body, "cache-control", "max-age=x, public") == "hit"
    refused = ask(caching, body, headers=[("x-aqueduct-cache", "yes")])
    assert (refused.status, refused.error["param"]) == (400, "x-aqueduct-cache")

    asked = question(model="asked")
    assert [said(asked), said(asked)] == ["bypass", "bypass"]
    assert [said(asked, "x-aqueduct-cache", "use") for _ in range(2)] == ["miss", "hit"]
    assert outcome(ask(caching, question(model="plain"), headers=[("x-aqueduct-cache", "use")])) is None


@pytest.mark.parametrize(
    "script",
    [
        json_reply(completion("I can't.", finish_reason="content_filter")),
        json_reply(completion(None, refusal="No.")),
        json_reply(completion("x" * 20_001)),
        stream_reply("x" * 20_001),
    ],
    ids=["filtered", "refused", "too long", "too long a stream"],
)
def test_what_may_be_said_otherwise_next_time_is_not_kept(
    caching: GatewayProcess, upstream: ScriptedUpstream, script: Any
) -> None:
    upstream.script(script)
    body = question()
    is_stream = b"event-stream" in script[0].data
    assert [outcome(ask(caching, body | {"stream": is_stream})) for _ in range(2)] == ["miss", "miss"]


def test_neither_errors_nor_half_streams_nor_the_answers_of_a_fallback_are_kept(
    caching: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    body = question()
    upstream.script(error_reply(400), [*open_stream(ROLE, chunk({"content": "Hel"})), *STREAM[-1:]], PLAIN)
    assert ask(caching, body).status == 400
    cut = ask(caching, body | {"stream": True})
    assert b"error" in cut.events[-1]
    upstream.script(error_reply(401), PLAIN, PLAIN)
    fallen_back = ask(caching, body)
    assert (outcome(fallen_back), fallen_back.headers["x-aqueduct-target"]) == ("miss", "other/n")
    assert outcome(ask(caching, body)) == "miss"
    assert outcome(ask(caching, body)) == "hit"


def test_fifty_equal_requests_at_once_ask_once(caching: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gate = Gate()
    upstream.script([Hold(gate), *PLAIN])
    body = question()
    joins = caching.metric("aqueduct_cache_joins_total")
    with ThreadPoolExecutor(50) as pool:
        calls = [pool.submit(ask, caching, body)]
        upstream.wait_received()
        calls += [pool.submit(ask, caching, body | {"stream": number % 2 == 0}) for number in range(49)]
        deadline = time.monotonic() + 20
        while caching.metric("aqueduct_cache_joins_total") < joins + 49:
            assert time.monotonic() < deadline, "not all have joined"
            time.sleep(0.02)
        gate.open()
        outcomes = sorted(str(call.result().headers.get("x-aqueduct-cache")) for call in calls)
        bodies = [call.result().body for call in calls]
    # A stream that got a comment while it waited had its headers before anybody knew.
    assert outcomes.count("miss") == 1
    assert set(outcomes) <= {"miss", "hit", "None"}
    assert all(b"Hello." in body for body in bodies)
    assert len(upstream.received) == 1


def test_a_leader_whose_client_leaves_hands_over(caching: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script([*open_stream(ROLE, chunk({"content": "Hel"})), Hold()], PLAIN)
    body = question()
    with begin(caching, "POST", "/v1/chat/completions", body | {"stream": True}) as leader:
        upstream.wait_received()
        leader.read_head()
        with ThreadPoolExecutor(5) as pool:
            joins = caching.metric("aqueduct_cache_joins_total")
            calls = [pool.submit(ask, caching, body) for _ in range(5)]
            while caching.metric("aqueduct_cache_joins_total") < joins + 5:
                time.sleep(0.02)
            leader.close()
            answers = [call.result() for call in calls]
    assert sorted(str(outcome(answer)) for answer in answers) == ["hit"] * 4 + ["miss"]
    assert len(upstream.received) == 2


def test_a_leader_that_fails_does_not_fail_the_others(caching: GatewayProcess, upstream: ScriptedUpstream) -> None:
    gate = Gate()
    upstream.script([Hold(gate), *error_reply(400)], PLAIN)
    body = question()
    with ThreadPoolExecutor(6) as pool:
        joins = caching.metric("aqueduct_cache_joins_total")
        calls = [pool.submit(ask, caching, body) for _ in range(6)]
        while caching.metric("aqueduct_cache_joins_total") < joins + 5:
            time.sleep(0.02)
        gate.open()
        statuses = sorted(call.result().status for call in calls)
    assert statuses == [200] * 5 + [400]
    assert len(upstream.received) == 2


def test_a_kept_answer_counts_as_a_request_but_takes_neither_tokens_nor_money(
    caching: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(PLAIN)
    body = question(max_tokens=5)
    admin = AdminClient(caching.port, caching.token)
    made = admin.post("/api_tokens", {"name": unique("t")})
    limited, about = made["value"], {"subject_type": "api_token", "subject": made["id"]}
    admin.post("/limits", about | {"dimension": "requests_per_minute", "amount": 3})
    admin.post("/limits", about | {"dimension": "output_tokens_per_minute", "amount": 6})
    admin.post("/budgets", about | {"amount": "1", "period": "day"})
    asked_until_kept(caching, body, token=limited)
    # The tokens are used up: what is new is refused, what is kept is not.
    refused = ask(caching, question(max_tokens=5), token=limited)
    assert (refused.status, refused.error["type"]) == (429, "tokens")
    assert outcome(ask(caching, body, token=limited)) == "hit"
    over = ask(caching, body, token=limited)
    assert (over.status, over.error["type"]) == (429, "requests")


def test_what_was_saved_is_in_every_report(caching: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.script(PLAIN)
    admin = AdminClient(caching.port, caching.token)
    made = admin.post("/api_tokens", {"name": unique("t")})
    token_id = made["id"]
    asked_until_kept(caching, question(), token=made["value"])
    deadline = time.monotonic() + 10
    while True:
        total = admin.get(f"/usage?by=model&api_token_id={token_id}")["total"]
        if total["requests"] == 2 or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    units = total["units"]
    assert (total["requests"], units["cache_hits"], units["input_tokens"]) == (2, 1, 7)
    assert (units["saved_input_tokens"], units["saved_output_tokens"]) == (7, 3)
    assert (total["costs"], total["saved"]) == ({"USD": "0.000037000"}, {"USD": "0.000037000"})
    lines = admin.ask("GET", f"/usage/requests/export?api_token_id={token_id}").body.splitlines()
    exported = [json.loads(line) for line in lines]
    assert [(each["cache"], each["cost"], each["saved"]) for each in exported] == [
        ("miss", "0.000037", None),
        ("hit", "0.00", "0.000037"),
    ]
    sums = json.loads(admin.ask("GET", f"/usage/export?format=jsonl&api_token_id={token_id}").body)
    assert (sums["cache_hits"], sums["saved"], sums["cost"]) == (1, "0.000037", "0.000037")


def test_what_is_cleared_is_not_given_again(
    caching: GatewayProcess, upstream: ScriptedUpstream, organisation: dict[str, Any]
) -> None:
    upstream.script(PLAIN)
    admin = AdminClient(caching.port, caching.token)
    value = make_token(caching, user=organisation["users"][0])
    body = question()
    asked_until_kept(caching, body, token=value)
    admin.post("/cache/clear", {"organisation": organisation["id"], "model": "plain"})
    assert outcome(ask(caching, body, token=value)) == "hit"
    admin.post("/cache/clear", {"organisation": organisation["id"], "model": "kept"})
    assert outcome(ask(caching, body, token=value)) == "miss"
    assert outcome(ask(caching, body, token=value)) == "hit"
    caching.run("cache", "clear")
    assert outcome(ask(caching, body, token=value)) == "miss"
    actions = [each["object_type"] for each in admin.get("/audit?limit=3")["data"] if each["action"] == "clear"]
    assert actions == ["cache"] * 3


def test_a_kept_stream_that_is_replayed_ends_like_any_other(
    caching: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(STREAM)
    body = question(stream=True)
    first = ask(caching, body)
    again = ask(caching, body)
    assert outcome(again) == "hit"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.events[-1] == b"[DONE]"
    assert json.loads(again.events[-2])["choices"][0]["finish_reason"] == STOP["choices"][0]["finish_reason"]
