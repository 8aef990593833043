"""Changes that cross, requests that come twice, and lists that change while they are read."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.acceptance.admin.conftest import Tenant
from tests.admin_client import AdminClient, Answer, unique
from tests.gateway_process import GatewayProcess


def at_once(times: int, ask: Callable[[int], Answer]) -> list[Answer]:
    """Ask many times at the same moment."""
    barrier = threading.Barrier(times)

    def wait_and_ask(number: int) -> Answer:
        barrier.wait()
        return ask(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(wait_and_ask, range(times)))


def test_of_changes_from_the_same_version_one_is_made(admin: AdminClient, tenant: Tenant) -> None:
    path = f"/teams/{tenant.team}"
    answers = at_once(8, lambda number: admin.ask("PATCH", path, {"name": f"core {number}"}, if_match='"1"'))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    winner = next(answer for answer in answers if answer.status == 200)
    assert admin.get(path) == winner.json
    assert winner.json["version"] == 2


def test_a_change_without_a_version_is_asked_for_one(admin: AdminClient, tenant: Tenant) -> None:
    path = f"/teams/{tenant.team}"
    refused = admin.ask("PATCH", path, {"name": "new"})
    assert (refused.status, refused.error["code"]) == (428, "precondition_required")
    assert admin.status("PATCH", path, {"name": "new"}, if_match="*") == 200
    assert admin.ask("PATCH", path, {"name": "new"}, if_match="W/x").error["param"] == "If-Match"
    assert admin.status("DELETE", path) == 200


def test_a_request_that_comes_again_is_answered_again(admin: AdminClient, tenant: Tenant) -> None:
    body = {"name": unique("twice"), "organisation": tenant.organisation}
    key = unique("key")
    first = admin.ask("POST", "/teams", body, idempotency_key=key)
    again = admin.ask("POST", "/teams", body, idempotency_key=key)
    assert (again.status, again.body, again.headers["etag"]) == (201, first.body, first.headers["etag"])
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = admin.ask("POST", "/teams", body | {"name": "other"}, idempotency_key=key)
    assert (other.status, other.error["code"]) == (422, "idempotency_key_reused")
    assert admin.status("POST", "/users", body, idempotency_key=key) == 422
    assert admin.ask("POST", "/teams", body, idempotency_key="").error["param"] == "Idempotency-Key"
    assert admin.acting_as(tenant.boss).status("POST", "/teams", {"name": "mine"}, idempotency_key=key) == 201


def test_an_answer_is_not_given_again_to_whoever_may_no_longer_have_it(admin: AdminClient, tenant: Tenant) -> None:
    key, body = unique("key"), {"name": unique("ci"), "service_account": tenant.account}
    issued = admin.post("/api_tokens", {"name": unique("boss"), "user": tenant.boss, "scopes": ["admin"]})
    boss, path = AdminClient(admin.port, issued["value"]), f"/api_tokens/{issued['id']}"
    first = boss.ask("POST", "/api_tokens", body, idempotency_key=key)
    assert first.status == 201

    def again() -> Answer:
        return boss.ask("POST", "/api_tokens", body, idempotency_key=key)

    for scopes in (["teams:write"], ["api_tokens:read"]):
        assert admin.status("PATCH", path, {"scopes": scopes}, if_match="*") == 200
        refused = again()
        assert (refused.status, refused.error["code"]) == (403, "permission_denied")
    assert admin.status("PATCH", path, {"scopes": ["api_tokens:write"]}, if_match="*") == 200
    assert again().body == first.body
    assert admin.status("PATCH", f"/users/{tenant.boss}", {"role": "member"}, if_match="*") == 200
    assert again().status == 403
    assert admin.status("PATCH", f"/users/{tenant.boss}", {"role": "admin"}, if_match="*") == 200
    assert again().body == first.body


def test_an_answer_is_not_given_again_after_its_team_was_lost(admin: AdminClient, tenant: Tenant) -> None:
    key, body = unique("key"), {"name": unique("ci"), "team": tenant.team}
    lead = admin.acting_as(tenant.lead)
    assert lead.status("POST", "/service_accounts", body, idempotency_key=key) == 201
    membership = f"/memberships/{tenant.team}/{tenant.lead}"
    assert admin.status("PATCH", membership, {"role": "member"}, if_match="*") == 200
    assert lead.status("POST", "/service_accounts", body, idempotency_key=key) == 403
    assert admin.status("PATCH", membership, {"role": "admin"}, if_match="*") == 200
    assert lead.status("POST", "/service_accounts", body, idempotency_key=key) == 201


def test_a_refused_request_leaves_its_key_free(admin: AdminClient, tenant: Tenant) -> None:
    key = unique("key")
    body = {"name": unique("late"), "team": tenant.team}
    admin.ask("DELETE", f"/teams/{tenant.team}")
    assert admin.status("POST", "/service_accounts", body, idempotency_key=key) == 404
    team = admin.post("/teams", {"name": "core", "organisation": tenant.organisation})["id"]
    assert admin.status("POST", "/service_accounts", body | {"team": team}, idempotency_key=key) == 201


def test_of_one_request_sent_many_times_at_once_one_is_done(admin: AdminClient, tenant: Tenant) -> None:
    key, body = unique("key"), {"name": unique("once"), "organisation": tenant.organisation}
    answers = at_once(8, lambda _: admin.ask("POST", "/teams", body, idempotency_key=key))
    made = {answer.body for answer in answers if answer.status == 201}
    assert len(made) == 1
    assert {answer.error["code"] for answer in answers if answer.status != 201} <= {"request_in_progress"}
    assert admin.ask("POST", "/teams", body, idempotency_key=key).body in made


def test_the_value_of_a_token_is_given_again_and_never_stored(
    admin: AdminClient, tenant: Tenant, administered: GatewayProcess
) -> None:
    key, body = unique("key"), {"name": unique("once"), "user": tenant.member}
    first = admin.ask("POST", "/api_tokens", body, idempotency_key=key)
    value = first.json["value"]
    assert first.headers["cache-control"] == "no-store"
    assert admin.ask("POST", "/api_tokens", body, idempotency_key=key).body == first.body
    kept = administered.query("SELECT * FROM idempotency_keys WHERE key = ?", key)
    assert len(kept) == 1
    assert value.encode() not in kept[0]["body"]
    written = b"".join(path.read_bytes() for path in administered.data_dir.glob("aqueduct.db*"))
    assert value.encode() not in written


def test_keys_expire(admin: AdminClient, tenant: Tenant, administered: GatewayProcess) -> None:
    key, body = unique("key"), {"name": unique("first"), "organisation": tenant.organisation}
    assert admin.status("POST", "/teams", body, idempotency_key=key) == 201
    administered.query("UPDATE idempotency_keys SET expires_at = 1 WHERE key = ?", key)
    assert admin.status("POST", "/teams", body | {"name": "second"}, idempotency_key=key) == 201


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name"])
def test_pages_show_each_once_while_others_are_made(admin: AdminClient, tenant: Tenant, sort: str) -> None:
    boss = admin.acting_as(tenant.boss)
    before = {boss.post("/teams", {"name": f"team {number:02}"})["id"] for number in range(12)} | {tenant.team}
    seen: list[dict[str, Any]] = []
    cursor = ""
    for number in range(100):
        page = boss.get(f"/teams?sort={sort}&limit=2{cursor}")
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        # One before where the reader is and one after, in either order.
        if number < 4:
            boss.post("/teams", {"name": f"a {number}"})
            boss.post("/teams", {"name": f"z {number}"})
        cursor = f"&cursor={page['next_cursor']}"
    ids = [each["id"] for each in seen]
    assert len(ids) == len(set(ids))
    assert before <= set(ids)
    column = sort.removeprefix("-")
    assert [each[column] for each in seen] == sorted((each[column] for each in seen), reverse=sort.startswith("-"))


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "cursor=W10", "sort=hint", "limit=0", "limit=1001", "foo=1", "name=%00", "cursor=" + "W" * 999],
)
def test_a_list_that_cannot_be_is_refused(admin: AdminClient, query: str) -> None:
    assert admin.status("GET", f"/teams?{query}") == 400


def test_a_cursor_is_of_the_list_that_gave_it(admin: AdminClient, tenant: Tenant) -> None:
    admin.post("/teams", {"name": "another", "organisation": tenant.organisation})
    cursor = admin.get(f"/teams?organisation_id={tenant.organisation}&limit=1")["next_cursor"]
    assert admin.status("GET", f"/teams?sort=name&cursor={cursor}") == 400
    assert admin.status("GET", f"/audit?cursor={cursor}") == 400
