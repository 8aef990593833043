"""Who may do what, over HTTP: strangers, scopes, roles, and no way from one tenant into another."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.acceptance.admin.conftest import Tenant
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess

PATHS = ["/organisations", "/teams", "/users", "/memberships", "/service_accounts", "/api_tokens", "/model_rules"]
PATHS += ["/limits", "/budgets", "/terms", "/audit", "/audit/export", "/usage", "/captures", "/nowhere"]
SCOPED = [path for path in PATHS if path != "/terms"]
"""What takes a scope; everybody may read the terms that he is to accept."""


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_is_let_into_nothing(administered: GatewayProcess, path: str) -> None:
    for value in (None, "aq-" + "x" * 43):
        answer = AdminClient(administered.port, value).ask("GET", path)
        assert answer.status == 401
        assert answer.error["code"] == (None if value is None else "invalid_api_key")


@pytest.mark.parametrize("path", SCOPED)
def test_a_token_without_scopes_only_calls_models(admin: AdminClient, tenant: Tenant, path: str) -> None:
    value = admin.post("/api_tokens", {"name": unique("plain"), "user": tenant.boss})["value"]
    answer = AdminClient(admin.port, value).ask("GET", path)
    assert (answer.status, answer.error["code"]) == (403, "permission_denied")


def test_a_narrow_scope_opens_its_kind_alone(admin: AdminClient, tenant: Tenant) -> None:
    reader = admin.acting_as(tenant.boss, "users:read")
    assert len(reader.get("/users")["data"]) == 3
    assert reader.status("POST", "/users", {"name": "new"}) == 403
    assert reader.status("PATCH", f"/users/{tenant.member}", {"name": "new"}, if_match="*") == 403
    for path in set(SCOPED) - {"/users", "/nowhere"}:
        assert reader.status("GET", path) == 403
    writer = admin.acting_as(tenant.boss, "users:write")
    assert writer.status("GET", "/users") == 200
    assert writer.status("POST", "/users", {"name": "new"}) == 201
    assert writer.status("POST", "/teams", {"name": "new"}) == 403


@pytest.mark.parametrize("spoil", ["revoke", "delete", "deactivate", "elsewhere"])
def test_a_token_that_is_no_longer_good_opens_nothing_from_the_next_request_on(
    admin: AdminClient, tenant: Tenant, spoil: str
) -> None:
    made = admin.post("/api_tokens", {"name": unique("spoilt"), "user": tenant.boss, "scopes": ["admin"]})
    holder = AdminClient(admin.port, made["value"])
    assert holder.status("GET", "/teams") == 200
    ways: dict[str, Callable[[], Any]] = {
        "revoke": lambda: admin.post(f"/api_tokens/{made['id']}/revoke"),
        "delete": lambda: admin.ask("DELETE", f"/users/{tenant.boss}"),
        "deactivate": lambda: admin.ask("PATCH", f"/users/{tenant.boss}", {"is_active": False}, if_match="*"),
        "elsewhere": lambda: admin.ask(
            "PATCH", f"/api_tokens/{made['id']}", {"ip_allow_list": ["192.0.2.0/24"]}, if_match="*"
        ),
    }
    ways[spoil]()
    assert holder.status("GET", "/teams") == (403 if spoil == "elsewhere" else 401)


def operations(tenant: Tenant) -> dict[str, tuple[str, str, Any]]:
    """Return a sample of each class of operations, on one tenant."""
    return {
        "make an organisation": ("POST", "/organisations", {"name": unique("another")}),
        "change the organisation": ("PATCH", f"/organisations/{tenant.organisation}", {"max_api_tokens_per_user": 9}),
        "read the organisation": ("GET", f"/organisations/{tenant.organisation}", None),
        "make a team": ("POST", "/teams", {"name": unique("team"), "organisation": tenant.organisation}),
        "read the team": ("GET", f"/teams/{tenant.team}", None),
        "change the team": ("PATCH", f"/teams/{tenant.team}", {"name": unique("core")}),
        "make a user": ("POST", "/users", {"name": unique("user"), "organisation": tenant.organisation}),
        "read the member": ("GET", f"/users/{tenant.member}", None),
        "change the member": ("PATCH", f"/users/{tenant.member}", {"email": None}),
        "take somebody in": ("POST", "/memberships", {"team": tenant.team, "user": "boss"}),
        "make an account": ("POST", "/service_accounts", {"name": unique("bot"), "team": tenant.team}),
        "make the member's token": ("POST", "/api_tokens", {"name": unique("t"), "user": tenant.member}),
        "make the member's team token": (
            "POST",
            "/api_tokens",
            {"name": unique("t"), "user": tenant.member, "team": tenant.team},
        ),
        "make the account's token": ("POST", "/api_tokens", {"name": unique("t"), "service_account": tenant.account}),
        "limit the team": (
            "POST",
            "/limits",
            {"subject_type": "team", "subject": tenant.team, "dimension": "requests_per_minute", "amount": 1000},
        ),
        "give the team a rule": ("POST", "/model_rules", {"subject_type": "team", "subject": tenant.team}),
        "publish terms": ("POST", "/terms", {"text": "Be kind.", "organisation": tenant.organisation}),
    }


MAY: dict[str, set[str]] = {
    "boss": set(operations(Tenant("", "", "", "", "", ""))) - {"make an organisation"},
    "lead": {
        "read the organisation",
        "read the team",
        "read the member",
        "take somebody in",
        "make an account",
        "make the account's token",
        "limit the team",
    },
    "member": {
        "read the organisation",
        "read the team",
        "read the member",
        "make the member's token",
        "make the member's team token",
    },
    "account": {"read the organisation", "read the team"},
}


def client_of(admin: AdminClient, tenant: Tenant, role: str) -> AdminClient:
    """Return a client in one of the tenant's roles."""
    if role != "account":
        return admin.acting_as(getattr(tenant, role))
    body = {"name": unique("acting"), "service_account": tenant.account, "scopes": ["admin"]}
    return AdminClient(admin.port, admin.post("/api_tokens", body)["value"])


@pytest.mark.parametrize("role", MAY)
def test_each_role_does_exactly_what_it_may_in_its_own_tenant(admin: AdminClient, tenant: Tenant, role: str) -> None:
    client = client_of(admin, tenant, role)
    done = set()
    for name, (method, path, body) in operations(tenant).items():
        status = client.status(method, path, body, **({"if_match": "*"} if method == "PATCH" else {}))
        assert status in (200, 201, 403, 404), name
        if status < 300:
            done.add(name)
    assert done == MAY[role]


@pytest.mark.parametrize("role", MAY)
def test_nobody_reaches_into_another_tenant(
    admin: AdminClient, tenant: Tenant, other_tenant: Tenant, role: str
) -> None:
    client = client_of(admin, tenant, role)
    for name, (method, path, body) in operations(other_tenant).items():
        if name == "make an organisation":
            continue
        headers = {"if_match": "*"} if method == "PATCH" else {}
        assert client.status(method, path, body, **headers) == 404, name
    for path in PATHS[:9]:
        listed = client.everything(f"{path}?limit=1000")
        assert {each.get("organisation_id", each.get("id")) for each in listed} <= {tenant.organisation}, path


def test_nobody_lifts_himself_or_hands_out_more_than_he_has(admin: AdminClient, tenant: Tenant) -> None:
    boss, lead = admin.acting_as(tenant.boss), admin.acting_as(tenant.lead)
    narrow = admin.acting_as(tenant.boss, "api_tokens:write")
    assert boss.status("PATCH", f"/users/{tenant.boss}", {"role": "admin"}, if_match="*") == 403
    assert boss.status("POST", "/users", {"name": "root", "role": "admin"}) == 403
    assert lead.status("PATCH", f"/users/{tenant.lead}", {"role": "organisation_admin"}, if_match="*") == 403
    assert narrow.status("POST", "/api_tokens", {"name": "x", "user": tenant.boss, "scopes": ["admin"]}) == 403
    assert lead.status("POST", "/api_tokens", {"name": "x", "user": tenant.boss}) in (403, 404)
    assert boss.status("POST", "/api_tokens", {"name": "x", "scopes": ["admin"]}) == 403
