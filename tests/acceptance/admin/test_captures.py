"""Captures, from outside: nothing of what was said is anywhere unless somebody asks for it, and then as he asked."""

import contextlib
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.admin.conftest import Tenant, make_tenant
from tests.acceptance.asking import begin, fetch
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import (
    Drop,
    Hold,
    ScriptedUpstream,
    chunk,
    completion,
    error_reply,
    json_reply,
    open_stream,
    stream_reply,
)


def marker() -> str:
    """Return a word that is nowhere else."""
    return f"marker{secrets.token_hex(12)}"


def say(gateway: GatewayProcess, token: str, text: str, **fields: Any) -> RawCall:
    """Ask for a chat completion with this prompt."""
    body = {"model": "one", "messages": [{"role": "user", "content": text}], **fields}
    return fetch(gateway, "POST", "/v1/chat/completions", body, token=token)


def capturing(admin: AdminClient, tenant: Tenant, **policy: Any) -> str:
    """Return the value of a token of the member's whose requests are captured."""
    body = {"name": unique("seen"), "user": tenant.member, "capture": {"is_on": True, **policy}}
    return str(admin.post("/api_tokens", body)["value"])


def captured(admin: AdminClient, request_id: str, timeout_seconds: float = 10.0) -> dict[str, Any]:
    """Return a capture, once it is written."""
    deadline = time.monotonic() + timeout_seconds
    while (answer := admin.ask("GET", f"/captures/{request_id}")).status == 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found: dict[str, Any] = answer.json
    return found


def folder_holds(gateway: GatewayProcess, text: str) -> list[str]:
    """Return the files of the data directory, and the log, that hold a text; the journal may be shipped meanwhile."""
    found = []
    for path in (gateway.log_file, *gateway.data_dir.rglob("*")):
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            if text.encode() in path.read_bytes():
                found.append(path.name)
    return found


def test_nothing_that_was_said_is_kept_anywhere_by_default(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(log_level="debug")
    asked, answered, streamed = marker(), marker(), marker()
    upstream.script(json_reply(completion(answered)), stream_reply(streamed), error_reply(400, "no"))
    assert answered in say(gateway, gateway.token, asked).body.decode()
    assert streamed in say(gateway, gateway.token, asked, stream=True).body.decode()
    assert say(gateway, gateway.token, asked).status == 400
    last = say(gateway, gateway.token, asked, temperature="hot")
    assert gateway.usage(last.headers["x-request-id"])["status"] == 400
    assert gateway.query("SELECT * FROM captures") == []
    for text in (asked, answered, streamed):
        assert folder_holds(gateway, text) == []
    gateway.stop()
    for text in (asked, answered, streamed):
        assert folder_holds(gateway, text) == []


def test_what_is_captured_is_in_the_database_and_never_in_a_log_or_any_other_file(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway(log_level="debug")
    admin = AdminClient(gateway.port, gateway.token)
    token = capturing(admin, make_tenant(admin))
    asked, answered = marker(), marker()
    upstream.script(json_reply(completion(answered)))
    call = say(gateway, token, asked)
    found = captured(admin, call.headers["x-request-id"])
    assert asked in found["prompt"]
    assert found["answer"] == call.body.decode()
    for text in (asked, answered):
        assert {name.partition("-")[0] for name in folder_holds(gateway, text)} == {"aqueduct.db"}
    # A deletion is for good: SQLite overwrites the row, and the log of its writes goes with the process.
    assert admin.status("DELETE", f"/captures/{found['id']}") == 200
    assert admin.status("GET", f"/captures/{found['id']}") == 404
    gateway.stop()
    for text in (asked, answered):
        assert folder_holds(gateway, text) == []


def test_a_stream_reads_as_one_answer(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant, upstream: ScriptedUpstream
) -> None:
    upstream.script(stream_reply("Hel", "lo ", "there."))
    call = say(administered, capturing(admin, tenant), "Hello", stream=True)
    found = captured(admin, call.headers["x-request-id"])
    answer = json.loads(found["answer"])
    assert (found["answer_form"], found["is_stream"], found["ending"]) == ("assembled", True, "finished")
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Hello there."}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert found["answer_bytes"] == len(call.body)


def test_what_was_sent_before_an_upstream_died_is_captured_with_the_error(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant, upstream: ScriptedUpstream
) -> None:
    upstream.script([*open_stream(chunk({"content": "Hel"}), chunk({"content": "lo"})), Drop()])
    call = say(administered, capturing(admin, tenant), "Hello", stream=True)
    found = captured(admin, call.headers["x-request-id"])
    answer = json.loads(found["answer"])
    assert found["ending"] == "upstream_died"
    assert "Hello".startswith(answer["choices"][0]["message"]["content"])
    assert answer["error"]["type"] == "upstream_error"


def test_what_was_sent_before_the_client_left_is_captured(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant, upstream: ScriptedUpstream
) -> None:
    upstream.script([*open_stream(chunk({"content": "Hel"})), Hold()])
    body = {"model": "one", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with begin(administered, "POST", "/v1/chat/completions", body, token=capturing(admin, tenant)) as call:
        call.read_head()
        request_id = call.headers["x-request-id"]
    found = captured(admin, request_id)
    assert found["ending"] == "client_gone"
    assert json.loads(found["answer"])["choices"][0]["message"]["content"] == "Hel"


def test_a_refused_request_is_captured_with_its_refusal(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant
) -> None:
    token = capturing(admin, tenant)
    for fields, status in (({"temperature": "hot"}, 400), ({"model": "unknown"}, 404)):
        call = say(administered, token, "Hello", **fields)
        assert call.status == status
        found = captured(admin, call.headers["x-request-id"])
        assert (found["status"], found["ending"], found["answer"]) == (status, "refused", call.body.decode())
        assert "Hello" in found["prompt"]


def test_members_are_redacted_before_anything_is_written(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway()
    admin = AdminClient(gateway.port, gateway.token)
    policy = {"redacted": ["messages[*].content", "user", "choices[*].message.content"]}
    token = capturing(admin, make_tenant(admin), **policy)
    asked, answered, end_user = marker(), marker(), marker()
    upstream.script(json_reply(completion(answered)), stream_reply(answered[:9], answered[9:]))
    broken = fetch(gateway, "POST", "/v1/chat/completions", f'{{"messages": "{asked}'.encode(), token=token)
    shouted = fetch(
        gateway, "POST", "/v1/chat/completions", {"model": "one", "MESSAGES": [{"content": asked}]}, token=token
    )
    for stream in (False, True):
        call = say(gateway, token, asked, metadata={"User": end_user}, stream=stream)
        found = captured(admin, call.headers["x-request-id"])
        assert json.loads(found["prompt"])["messages"] == [{"role": "user", "content": "[redacted]"}]
        assert json.loads(found["answer"])["choices"][0]["message"]["content"] == "[redacted]"
    assert captured(admin, broken.headers["x-request-id"])["prompt_omission"] == "unreadable"
    assert "[redacted]" in captured(admin, shouted.headers["x-request-id"])["prompt"]
    for text in (asked, answered, end_user):
        assert folder_holds(gateway, text) == []


def test_bodies_are_cut_to_the_cap_and_marked_so(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant, upstream: ScriptedUpstream
) -> None:
    token = capturing(admin, tenant, max_bytes=300)
    upstream.script(json_reply(completion("x" * 10_000)), stream_reply(*["yyyyyyyyyy"] * 1000))
    for stream in (False, True):
        call = say(administered, token, "z" * 10_000, stream=stream)
        found = captured(admin, call.headers["x-request-id"])
        assert found["prompt_is_truncated"]
        assert found["answer_is_truncated"]
        assert len(found["prompt"].encode()) == 300
        assert 0 < len(found["answer"].encode()) <= 300
        assert found["answer_bytes"] == len(call.body)


def test_one_half_can_be_left_out(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    call = say(administered, capturing(admin, tenant, prompts=False), "Hello")
    found = captured(admin, call.headers["x-request-id"])
    assert (found["prompt"], found["prompt_bytes"], found["prompt_omission"]) == (None, 0, None)
    assert found["answer"]


def test_an_organisations_policy_holds_for_its_tokens_from_the_next_request_on(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    boss = admin.acting_as(tenant.boss)
    inheriting = admin.post("/api_tokens", {"name": unique("plain"), "user": tenant.member})["value"]
    spared = {"name": unique("spared"), "user": tenant.member, "capture": {"is_on": False}}
    exempt = boss.post("/api_tokens", spared)["value"]
    place = f"/organisations/{tenant.organisation}"
    before = say(administered, inheriting, "Hello")
    version = boss.ask("GET", place).headers["etag"]
    on = {"capture": {"is_on": True, "retention_days": 7}}
    assert boss.status("PATCH", place, on, if_match=version) == 200
    assert boss.status("PATCH", place, on, if_match=version) == 412
    during, aside = say(administered, inheriting, "Hello"), say(administered, exempt, "Hello")
    found = captured(boss, during.headers["x-request-id"])
    started, ends = (
        time.mktime(time.strptime(found[each][:19], "%Y-%m-%dT%H:%M:%S")) for each in ("started_at", "expires_at")
    )
    assert ends - started == 7 * 86400
    assert boss.status("PATCH", place, {"capture": None}, if_match="*") == 200
    after = say(administered, inheriting, "Hello")
    administered.usage(after.headers["x-request-id"])
    listed = [each["id"] for each in boss.everything("/captures")]
    assert listed == [during.headers["x-request-id"]]
    assert not {call.headers["x-request-id"] for call in (before, aside, after)} & set(listed)


def test_who_may_set_read_and_delete_what_is_captured(
    administered: GatewayProcess, admin: AdminClient, tenant: Tenant, other_tenant: Tenant, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    token = capturing(admin, tenant)
    path = f"/captures/{say(administered, token, 'Hello').headers['x-request-id']}"
    captured(admin, path.removeprefix("/captures/"))
    may_read = {"boss": 200, "lead": 404, "member": 200}
    for role, status in may_read.items():
        client = admin.acting_as(getattr(tenant, role))
        assert client.status("GET", path) == status, role
        assert [f"/captures/{each['id']}" for each in client.everything("/captures")] == [path] * (status == 200)
        stranger = admin.acting_as(getattr(other_tenant, role))
        assert stranger.status("GET", path) == stranger.status("DELETE", path) == 404, role
        assert stranger.everything("/captures") == []
    member, boss = admin.acting_as(tenant.member), admin.acting_as(tenant.boss)
    assert member.status("DELETE", path) == 403
    mine = next(each["id"] for each in member.everything("/api_tokens") if each["capture"] is not None)
    for capture in (None, {"is_on": False}):
        assert member.status("PATCH", f"/api_tokens/{mine}", {"capture": capture}, if_match="*") == 403
    assert member.status("POST", "/api_tokens", {"name": "x", "user": tenant.member, "capture": {"is_on": True}}) == 403
    assert member.status("PATCH", f"/api_tokens/{mine}", {"name": unique("renamed")}, if_match="*") == 200
    narrow = admin.acting_as(tenant.boss, "organisations:write", "api_tokens:write")
    turned_on = {"capture": {"is_on": True}}
    assert narrow.status("PATCH", f"/organisations/{tenant.organisation}", turned_on, if_match="*") == 403
    assert narrow.status("GET", path) == 403
    assert boss.status("DELETE", path) == 200
    request_id = path.removeprefix("/captures/")
    noted = [each for each in admin.everything(f"/audit?object_id={request_id}") if each["actor_id"] == tenant.boss]
    assert [each["action"] for each in noted] == ["delete", "read"]
    assert "Hello" not in json.dumps(noted)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"is_on": True, "retention_days": 0},
        {"is_on": True, "max_bytes": 10**9},
        {"is_on": True, "redacted": ["a[0]"]},
        {"is_on": True, "prompts": False, "answers": False},
        {"is_on": True, "unknown": 1},
    ],
)
def test_a_policy_that_cannot_be_is_refused(admin: AdminClient, tenant: Tenant, wrong: dict[str, Any]) -> None:
    place = f"/organisations/{tenant.organisation}"
    assert admin.status("PATCH", place, {"capture": wrong}, if_match="*") == 400


def test_a_killed_gateway_loses_no_more_than_its_last_moment(
    tmp_path: Path, config: str, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    gateway = GatewayProcess(tmp_path, config).start()
    admin = AdminClient(gateway.port, gateway.token)
    token = capturing(admin, make_tenant(admin))
    first = say(gateway, token, "Hello").headers["x-request-id"]
    captured(admin, first)
    calls = [say(gateway, token, "Hello").headers["x-request-id"] for _ in range(20)]
    gateway.kill()
    with gateway:
        kept = {each["id"] for each in admin.everything("/captures")}
        gateway.usage(calls[-1])
        assert {each["id"] for each in gateway.usage_records()} >= {first, *calls}
    assert first in kept
    assert kept <= {first, *calls}


def test_policies_are_set_and_captures_read_by_commands(
    start_gateway: Callable[..., GatewayProcess], upstream: ScriptedUpstream
) -> None:
    gateway = start_gateway()
    upstream.script(json_reply(completion()))
    organisation = gateway.run("organisation", "create", "lab").strip()
    gateway.run("organisation", "change", "lab", "--capture", "on days=2 bytes=9000 redact=user,a.b only=answers")
    (shown,) = (
        each for each in json.loads(gateway.run("organisation", "list", "--json")) if each["id"] == organisation
    )
    assert shown["capture"] == {
        "is_on": True,
        "retention_days": 2,
        "redacted": ["user", "a.b"],
        "max_bytes": 9000,
        "prompts": False,
        "answers": True,
    }
    token = gateway.create_token("--capture", "on")
    request_id = say(gateway, token, "Hello").headers["x-request-id"]
    captured(AdminClient(gateway.port, gateway.token), request_id)
    assert "Hello" in json.loads(gateway.run("capture", "show", request_id))["prompt"]
    assert [each["id"] for each in json.loads(gateway.run("capture", "list", "--json"))] == [request_id]
    gateway.run("capture", "delete", request_id)
    assert json.loads(gateway.run("capture", "list", "--json")) == []
