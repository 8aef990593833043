"""Where rules, splits and mirrors take requests, seen from outside: one gateway, and two upstreams behind it."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.acceptance.asking import MESSAGES, begin, chat, fetch
from tests.admin_client import AdminClient
from tests.gateway_process import GatewayProcess
from tests.raw_http import Fields
from tests.scripted_upstream import (
    Gate,
    Hold,
    Reset,
    ScriptedUpstream,
    completion,
    error_reply,
    json_reply,
    stream_reply,
)

Upstreams = tuple[ScriptedUpstream, ScriptedUpstream]

CONFIG = """
providers:
  - {{name: main, kind: openai, base_url: "{0}", breaker: false}}
  - {{name: other, kind: openai, base_url: "{1}", breaker: false}}
models:
  - name: ruled
    rules:
      - {{name: pictures, when: {{has_images: true}}, model: vision}}
      - {{when: {{needs_tools: true, not: {{user: nobody}}}}, targets: [tools]}}
      - {{when: {{longer_than: 5000}}, model: long}}
      - {{when: {{headers: {{X-Tier: gold}}}}, model: gold}}
      - {{when: {{metadata: {{project: {{matches: "ap.*"}}}}}}, model: apollo}}
    targets: [{{provider: main, model: m}}, {{provider: other, model: t, label: tools}}]
  - {{name: vision, hidden: true, targets: [{{provider: other, model: vision}}]}}
  - {{name: long, targets: [{{provider: other, model: long}}]}}
  - {{name: gold, targets: [{{provider: other, model: gold}}]}}
  - {{name: apollo, targets: [{{provider: other, model: apollo}}]}}
  - name: split
    split: {{stable: 70, canary: 30}}
    split_by: end_user
    targets: [{{provider: main, model: m, label: stable}}, {{provider: other, model: c, label: canary}}]
  - name: mirrored
    price: {{input_per_million: 1}}
    targets: [{{provider: main, model: m}}]
    mirror: {{model: shadow, share: 1, concurrency: 2, capture: true}}
  - name: partly
    targets: [{{provider: main, model: m}}]
    mirror: {{model: shadow, share: 0.3, concurrency: 100}}
  - {{name: shadow, hidden: true, price: {{input_per_million: 1000000}}, targets: [{{provider: other, model: s}}]}}
"""

IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://example.org/a.png"}}]}]
TOOLS = [{"type": "function", "function": {"name": "f"}}]
LONG = [{"role": "user", "content": "x" * 24_000}]


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    with ScriptedUpstream() as main, ScriptedUpstream() as other:
        yield main, other


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams) -> Iterator[GatewayProcess]:
    config = CONFIG.format(*(upstream.base_url for upstream in upstreams))
    with GatewayProcess(tmp_path_factory.mktemp("traffic"), config) as process:
        yield process


@pytest.fixture
def main(upstreams: Upstreams) -> ScriptedUpstream:
    """The upstream of those who are asked by name, answering."""
    upstreams[0].reset()
    upstreams[0].script(json_reply(completion("from main")))
    return upstreams[0]


@pytest.fixture
def other(upstreams: Upstreams) -> ScriptedUpstream:
    """The upstream of those whom rules, splits and mirrors lead to, answering."""
    upstreams[1].reset()
    upstreams[1].script(json_reply(completion("from the other")))
    return upstreams[1]


def outcomes(gateway: GatewayProcess, outcome: str) -> float:
    """Return how many copies ended so."""
    text = fetch(gateway, "GET", "/metrics").body.decode()
    start = f'aqueduct_mirrored_requests_total{{model="shadow",outcome="{outcome}"}} '
    return sum(float(line.removeprefix(start)) for line in text.splitlines() if line.startswith(start))


@pytest.mark.parametrize(
    ("members", "headers", "target"),
    [
        ({"messages": IMAGE}, (), "other/vision"),
        ({"messages": IMAGE, "tools": TOOLS}, (), "other/vision"),
        ({"tools": TOOLS}, (), "other/t"),
        ({"messages": LONG}, (), "other/long"),
        ({}, (("x-tier", "gold"),), "other/gold"),
        ({"metadata": {"project": "apollo"}}, (), "other/apollo"),
        ({}, (("x-tier", "silver"),), "main/m"),
    ],
    ids=["images", "first rule", "tools", "long", "header", "metadata", "none"],
)
@pytest.mark.usefixtures("main", "other")
def test_a_rule_sends_a_request_by_what_it_is(
    steered: GatewayProcess, members: dict[str, Any], headers: Fields, target: str
) -> None:
    body = {"model": "ruled", "messages": MESSAGES, **members}
    answer = fetch(steered, "POST", "/chat/completions", body, headers=headers)
    assert (answer.status, answer.headers["x-aqueduct-target"]) == (200, target)


@pytest.mark.usefixtures("main", "other")
def test_a_request_counts_as_one_for_the_model_that_was_asked_for(steered: GatewayProcess) -> None:
    answer = chat(steered, "ruled", tools=TOOLS, metadata={"project": "apollo"})
    record = steered.usage(answer.headers["x-request-id"])
    assert (record["model"], record["request_model"], record["target"]) == ("ruled", "ruled", "other/t")


@pytest.mark.usefixtures("main", "other")
def test_a_hidden_model_cannot_be_asked_for_and_is_not_listed(steered: GatewayProcess) -> None:
    assert chat(steered, "vision").error["code"] == "model_not_found"
    assert "vision" not in fetch(steered, "GET", "/models").body.decode()


@pytest.mark.usefixtures("main", "other")
def test_a_split_keeps_each_user_on_one_side_and_the_other_side_takes_over(
    steered: GatewayProcess, other: ScriptedUpstream
) -> None:
    users = [f"user-{number}" for number in range(60)]
    first = [chat(steered, "split", user=user).headers["x-aqueduct-target"] for user in users]
    assert 5 <= Counter(first)["other/c"] <= 31
    assert [chat(steered, "split", user=user).headers["x-aqueduct-target"] for user in users] == first
    other.script(error_reply(401))
    moved = users[first.index("other/c")]
    assert chat(steered, "split", user=moved).headers["x-aqueduct-target"] == "main/m"


@pytest.mark.usefixtures("main")
def test_a_shadow_gets_a_copy_that_counts_for_nobody_but_the_installation(
    steered: GatewayProcess, other: ScriptedUpstream
) -> None:
    token = steered.create_token("--budget", "1.00/month")
    body = {"model": "mirrored", "messages": MESSAGES, "temperature": 0.5}
    request_ids = []
    for number in range(1, 4):
        answer = fetch(steered, "POST", "/chat/completions", body, token=token)
        assert answer.status == 200
        assert "from main" in answer.body.decode()
        request_ids.append(answer.headers["x-request-id"])
        other.wait_received(number)
    assert other.received[0].json == {**body, "model": "s"}
    for request_id in request_ids:
        record = steered.find_usage(operation="mirror", client_request_id=request_id)
        # Seven times the budget.
        assert record["cost_nano"] == 7_000_000_000
        assert (record["api_token_id"], record["organisation_id"], record["user_id"]) == ("mirror", None, None)
        assert (record["model"], record["request_model"], record["target"]) == ("shadow", "mirrored", "other/s")
        assert steered.usage(request_id)["cost_nano"] == 7_000
    last = fetch(steered, "POST", "/chat/completions", body, token=token)
    assert last.status == 200
    steered.find_usage(operation="mirror", client_request_id=last.headers["x-request-id"])


@pytest.mark.usefixtures("main")
def test_a_stream_is_mirrored_as_a_stream(
    steered: GatewayProcess, main: ScriptedUpstream, other: ScriptedUpstream
) -> None:
    main.script(stream_reply("a", "b"))
    other.script(stream_reply("c", "d"))
    answer = chat(steered, "mirrored", stream=True)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    record = steered.find_usage(operation="mirror", client_request_id=answer.headers["x-request-id"])
    assert (record["is_stream"], record["ending"], record["finish_reason"]) == (True, "finished", "stop")
    assert other.received[0].json["stream"] is True


@pytest.mark.usefixtures("main")
def test_a_shadow_that_hangs_or_fails_is_nothing_to_the_client(
    steered: GatewayProcess, other: ScriptedUpstream
) -> None:
    gate = Gate()
    other.script([Hold(gate), *json_reply(completion())], [Hold(gate), *json_reply(completion())], [Reset()])
    dropped, failed_before = outcomes(steered, "dropped"), outcomes(steered, "failed")
    answers = [chat(steered, "mirrored") for _ in range(4)]
    assert {answer.status for answer in answers} == {200}
    # Two are held, and no third is begun beside them.
    other.wait_received(2)
    assert outcomes(steered, "dropped") == dropped + 2
    gate.open()
    for answer in answers[:2]:
        assert steered.find_usage(operation="mirror", client_request_id=answer.headers["x-request-id"])["status"] == 200
    failed = chat(steered, "mirrored")
    assert failed.status == 200
    record = steered.find_usage(operation="mirror", client_request_id=failed.headers["x-request-id"])
    assert (record["status"], record["error_code"], len(record["attempts"])) == (502, "upstream_unreachable", 1)
    assert outcomes(steered, "failed") > failed_before


@pytest.mark.usefixtures("main")
def test_only_a_share_is_copied(steered: GatewayProcess, other: ScriptedUpstream) -> None:
    before = outcomes(steered, "answered")
    for _ in range(100):
        assert chat(steered, "partly").status == 200
    sent = outcomes(steered, "answered") - before
    assert 12 <= sent <= 50
    assert len(other.received) >= sent


@pytest.mark.usefixtures("main", "other")
def test_both_answers_are_captured_where_the_caller_s_policy_keeps_the_first(steered: GatewayProcess) -> None:
    admin = AdminClient(steered.port, steered.token)
    token = admin.post("/api_tokens", {"name": "watched", "capture": {"is_on": True}})["value"]
    with begin(steered, "POST", "/chat/completions", {"model": "mirrored", "messages": MESSAGES}, token=token) as call:
        request_id = call.read_all().headers["x-request-id"]
    record = steered.find_usage(operation="mirror", client_request_id=request_id)
    deadline = time.monotonic() + 10
    while len(found := admin.get("/captures")["data"]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {each["id"] for each in found} == {request_id, record["id"]}
    answers = {each["operation"]: admin.get(f"/captures/{each['id']}")["answer"] for each in found}
    assert "from main" in json.dumps(answers["chat"])
    assert "from the other" in json.dumps(answers["mirror"])


def test_what_leads_where_is_told_in_plain_words(steered: GatewayProcess) -> None:
    targets = {each["target"]: each for each in fetch(steered, "GET", "/api/admin/targets").json["data"]}
    assert targets["other/vision"]["routes"] == ["ruled: pictures: with images"]
    assert targets["other/c"]["routes"] == ["split: 30 %, by end user"]
    assert targets["other/s"]["routes"][0] == "mirrored: a copy of 100 %, at most 2 at once"
    shown = steered.run("check", "--config", str(steered.config_file))
    assert "header x-tier gold" in shown
    assert "vision (hidden)" in shown
