"""The life of each object: made, found, read, changed, deleted, and all of it in the audit log."""

from typing import Any

import pytest
from tests.acceptance.admin.conftest import Tenant
from tests.admin_client import AdminClient, unique

CAPTURE = {
    "is_on": True,
    "retention_days": 7,
    "redacted": ["user"],
    "max_bytes": 1000,
    "prompts": True,
    "answers": False,
}
LIVES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "organisations": (
        {"max_api_tokens_per_user": 3, "capture": CAPTURE},
        {"max_api_tokens_per_user": None, "capture": None},
    ),
    "teams": ({}, {}),
    "users": ({"email": "a@example.org", "role": "organisation_admin"}, {"email": None, "is_active": False}),
    "service_accounts": ({}, {}),
    "api_tokens": (
        {"allowed_models": ["gpt-*"], "scopes": ["users:read"], "expires_at": "2999-12-31T00:00:00Z"},
        {
            "allowed_models": None,
            "scopes": [],
            "ip_allow_list": ["192.0.2.0/24"],
            "expires_at": None,
            "capture": CAPTURE,
        },
    ),
}
"""What is said of an object beside its name and place when it is made, and what is changed of it then."""

RULES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "model_rules": ({"allow": ["gpt-*"], "deny": ["gpt-3*"]}, {"allow": None, "inherits": False}),
    "limits": (
        {"dimension": "requests_per_minute", "amount": 10, "multipliers": {"gpt-*": 2.0}},
        {"amount": 20, "model_pattern": "one", "multipliers": {}},
    ),
    "budgets": (
        {"amount": "12.5", "period": "month", "alert_thresholds": [50, 90]},
        {"amount": "0.000000001", "is_hard": False, "time_zone": "Europe/Vienna"},
    ),
}


def place(resource: str, tenant: Tenant) -> dict[str, str]:
    """Return what says where an object is."""
    if resource == "organisations":
        return {}
    if resource == "service_accounts":
        return {"team": tenant.team}
    return {"user": tenant.member} if resource == "api_tokens" else {"organisation": tenant.organisation}


FOLLOWS = ("period_began_at", "narrowed_by")
"""What changes with something else: a budget's period begins elsewhere in another time zone."""


def live(admin: AdminClient, path: str, made: dict[str, Any], changes: dict[str, Any]) -> None:
    """Read, find, change and delete an object."""
    read = admin.ask("GET", path)
    assert {name: value for name, value in made.items() if name != "value"} == read.json
    assert read.headers["etag"] == f'"{made["version"]}"'
    changed = admin.ask("PATCH", path, changes, if_match=read.headers["etag"])
    assert changed.status == 200, changed
    follows = {name: changed.json[name] for name in FOLLOWS if name in made}
    assert changed.json == read.json | changes | follows | {"version": made["version"] + 1}
    assert admin.get(path) == changed.json
    assert admin.status("DELETE", path, if_match=read.headers["etag"]) == 412
    assert admin.status("DELETE", path, if_match=changed.headers["etag"]) == 200
    assert admin.ask("GET", path).error["code"] == "not_found"
    assert admin.status("DELETE", path) == 404
    entries = admin.everything(f"/audit?object_id={path.partition('/')[2].partition('/')[2]}&sort=happened_at")
    ways = [(None, read.json), (read.json, changed.json), (changed.json, None)]
    assert [(each["before"], each["after"]) for each in entries] == [tuple(map(as_logged, way)) for way in ways]


COMPUTED = ("spent", "period_began_at")
"""What is shown of a budget and is not its own."""


def as_logged(shown: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the audit log has of an object that was shown so."""
    return None if shown is None else {name: value for name, value in shown.items() if name not in COMPUTED}


def actions(admin: AdminClient, object_id: str) -> list[str]:
    """Return what the audit log says was done to an object."""
    entries = admin.everything(f"/audit?object_id={object_id}&sort=happened_at")
    assert {entry["actor_name"] for entry in entries} == {"admin"}
    assert {entry["address"] for entry in entries} == {"127.0.0.1"}
    return [entry["action"] for entry in entries]


@pytest.mark.parametrize("resource", LIVES)
def test_an_object_lives_from_its_making_to_its_end(admin: AdminClient, tenant: Tenant, resource: str) -> None:
    said, changes = LIVES[resource]
    name = unique(resource)
    made = admin.post(f"/{resource}", {"name": name, **said, **place(resource, tenant)})
    assert said == {each: made[each] for each in said}
    assert [each["id"] for each in admin.everything(f"/{resource}?name={name}")] == [made["id"]]
    assert [each["id"] for each in admin.everything(f"/{resource}?search={name[3:].upper()}")] == [made["id"]]
    assert admin.get(f"/{resource}/{name}")["id"] == made["id"]
    live(admin, f"/{resource}/{made['id']}", made, {**changes, "name": unique("renamed")})
    assert admin.everything(f"/{resource}?search={made['id']}") == []
    assert made["id"] in {each["id"] for each in admin.everything(f"/{resource}?include_ended=true")}
    assert actions(admin, made["id"]) == ["create", "update", "delete"]


@pytest.mark.parametrize("resource", RULES)
@pytest.mark.parametrize("subject_type", ["organisation", "team", "user", "service_account"])
def test_a_rule_lives_from_its_making_to_its_end(
    admin: AdminClient, tenant: Tenant, resource: str, subject_type: str
) -> None:
    said, changes = RULES[resource]
    subjects = {"user": tenant.member, "service_account": tenant.account}
    subject = subjects.get(subject_type) or getattr(tenant, subject_type)
    made = admin.post(f"/{resource}", {"subject_type": subject_type, "subject": subject, **said})
    assert said == {each: made[each] for each in said}
    assert admin.everything(f"/{resource}?subject_type={subject_type}&subject_id={subject}") == [made]
    live(admin, f"/{resource}/{made['id']}", made, changes)
    assert actions(admin, made["id"]) == ["create", "update", "delete"]


def test_a_membership_lives_from_its_making_to_its_end(admin: AdminClient, tenant: Tenant) -> None:
    made = admin.post("/memberships", {"team": tenant.team, "user": "boss"})
    assert made["user_id"] == tenant.boss
    assert made in admin.everything(f"/memberships?team_id={tenant.team}")
    live(admin, f"/memberships/{tenant.team}/{tenant.boss}", made, {"role": "admin"})
    assert actions(admin, f"{tenant.team}/{tenant.boss}") == ["create", "update", "delete"]


def test_end_users_of_an_organisation_are_limited_each(admin: AdminClient, tenant: Tenant) -> None:
    subject = {"subject_type": "end_user", "subject": f"{tenant.organisation}/*"}
    made = admin.post("/limits", {**subject, "dimension": "concurrent_requests", "amount": 1})
    assert (made["subject_id"], made["organisation_id"]) == ("*", tenant.organisation)
    nobody = {"subject_type": "end_user", "subject": f"{tenant.organisation}/"}
    assert admin.status("POST", "/limits", {**nobody, "dimension": "concurrent_requests", "amount": 1}) == 400
    assert admin.status("POST", "/model_rules", {**subject, "allow": []}) == 400


def test_a_token_is_made_with_its_own_limits_and_budgets_or_not_at_all(admin: AdminClient, tenant: Tenant) -> None:
    name = unique("limited")
    limit = {"dimension": "requests_per_minute", "amount": 5}
    budget = {"amount": 5, "period": "day"}
    body = {"name": name, "service_account": tenant.account, "limits": [limit], "budgets": [budget]}
    bad = body | {"budgets": [budget | {"time_zone": "Mars/Olympus"}]}
    assert admin.ask("POST", "/api_tokens", bad).error["param"] is None
    made = admin.post("/api_tokens", body)
    assert made["value"].startswith("aq-")
    assert [each["amount"] for each in admin.everything(f"/limits?subject_id={made['id']}")] == [5]
    assert [each["amount"] for each in admin.everything(f"/budgets?subject_id={made['id']}")] == ["5"]
    assert "value" not in admin.get(f"/api_tokens/{made['id']}")


def test_terms_are_published_read_and_accepted(admin: AdminClient, tenant: Tenant) -> None:
    first = admin.post("/terms", {"text": "Be kind.", "organisation": tenant.organisation})
    second = admin.post("/terms", {"text": "Be kinder.", "organisation": tenant.organisation})
    listed = admin.everything(f"/terms?organisation_id={tenant.organisation}")
    assert listed == [second, first]
    assert admin.get(f"/terms/{first['id']}") == first
    member = admin.acting_as(tenant.member)
    assert member.get("/terms")["data"] == listed
    assert member.status("POST", f"/terms/{first['id']}/accept") == 400
    accepted = member.post(f"/terms/{second['id']}/accept")
    assert (accepted["user_id"], accepted["address"]) == (tenant.member, "127.0.0.1")
    assert member.post(f"/terms/{second['id']}/accept") == accepted
    assert admin.get(f"/organisations/{tenant.organisation}")["requires_terms"]


def test_the_audit_log_is_exported_as_it_is_listed(admin: AdminClient, tenant: Tenant) -> None:
    about = f"organisation_id={tenant.organisation}"
    listed = admin.everything(f"/audit?{about}&sort=happened_at&limit=3")
    exported = admin.ask("GET", f"/audit/export?{about}")
    assert exported.headers["content-type"] == "application/jsonl"
    assert len(listed) == 8
    assert b"[" + b",".join(exported.body.splitlines()) + b"]" != b"[]"
    assert [entry["id"] for entry in listed] == [line.split(b'"')[3].decode() for line in exported.body.splitlines()]
    third = listed[2]["happened_at"]
    assert listed[2:] == admin.everything(f"/audit?{about}&sort=happened_at&since={third}")
    assert listed[:2] == admin.everything(f"/audit?{about}&sort=happened_at&until={third}")
    assert len(admin.ask("GET", f"/audit/export?{about}&since={third}").body.splitlines()) == 6
    lines = admin.ask("GET", f"/audit/export?{about}&format=csv").body.decode().split("\r\n")
    assert lines[0].startswith("id,happened_at,actor_kind")
    assert [line.split(",")[0] for line in lines[1:-1]] == [entry["id"] for entry in listed]
