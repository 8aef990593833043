"""What is administered acts on the gateway's next request."""

import json
from typing import Any

from tests.acceptance.admin.conftest import Tenant
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply


def ask(gateway: GatewayProcess, value: str, model: str = "one") -> RawCall:
    """Ask a model something."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    fields = {"authorization": f"Bearer {value}", "content-type": "application/json"}
    return RawCall(gateway.port).request("POST", "/v1/chat/completions", fields.items(), body).read_all()


def new_token(admin: AdminClient, tenant: Tenant, **said: Any) -> Any:
    """Make a token of the tenant's member."""
    return admin.post("/api_tokens", {"name": unique("t"), "user": tenant.member, **said})


def test_a_token_calls_models_as_long_as_it_lives(
    admin: AdminClient, tenant: Tenant, administered: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    made = new_token(admin, tenant)
    path = f"/api_tokens/{made['id']}"
    assert ask(administered, made["value"]).status == 200
    rotated = admin.post(f"{path}/rotate", {"grace_seconds": 60})
    assert ask(administered, made["value"]).status == 200
    assert ask(administered, rotated["value"]).status == 200
    regenerated = admin.post(f"{path}/regenerate")
    assert ask(administered, made["value"]).status == 401
    assert ask(administered, rotated["value"]).status == 401
    assert ask(administered, regenerated["value"]).status == 200
    revoked = admin.post(f"{path}/revoke")
    assert revoked["revoked_at"] is not None
    assert ask(administered, regenerated["value"]).status == 401


def test_a_model_rule_acts_on_the_next_request(
    admin: AdminClient, tenant: Tenant, administered: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    value = new_token(admin, tenant)["value"]
    assert ask(administered, value).status == 200
    rule = admin.post("/model_rules", {"subject_type": "user", "subject": tenant.member, "deny": ["o*"]})
    assert ask(administered, value).status == 404
    admin.ask("PATCH", f"/model_rules/{rule['id']}", {"deny": ["two"]}, if_match='"1"')
    assert ask(administered, value).status == 200
    assert ask(administered, value, "two").status == 404
    admin.ask("DELETE", f"/model_rules/{rule['id']}")
    assert ask(administered, value, "two").status == 200


def test_a_limit_acts_on_the_next_request(
    admin: AdminClient,
    tenant: Tenant,
    other_tenant: Tenant,
    administered: GatewayProcess,
    upstream: ScriptedUpstream,
) -> None:
    upstream.script(json_reply(completion()))
    value = new_token(admin, tenant)["value"]
    foreign_value = new_token(admin, other_tenant)["value"]
    limit = {"subject_type": "team", "subject": tenant.team, "dimension": "requests_per_minute", "amount": 0}
    team_value = new_token(admin, tenant, team=tenant.team)["value"]
    made = admin.post("/limits", limit)
    assert ask(administered, team_value).status == 429
    # A token for no team counts for the one that its user is in.
    assert ask(administered, value).status == 429
    assert ask(administered, foreign_value).status == 200
    admin.ask("DELETE", f"/limits/{made['id']}")
    assert ask(administered, team_value).status == 200


def test_terms_stand_in_the_way_until_they_are_accepted(
    admin: AdminClient, tenant: Tenant, administered: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    made = new_token(admin, tenant)
    terms = admin.post("/terms", {"text": "Be kind.", "organisation": tenant.organisation})
    assert ask(administered, made["value"]).error["code"] == "terms_not_accepted"
    AdminClient(admin.port, made["value"]).post(f"/terms/{terms['id']}/accept")
    assert ask(administered, made["value"]).status == 200


def test_a_budget_shows_what_was_spent_of_it(
    admin: AdminClient, tenant: Tenant, administered: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    made = new_token(admin, tenant)
    body = {"subject_type": "api_token", "subject": made["id"], "amount": "5", "period": "month"}
    budget = admin.post("/budgets", body)
    assert (budget["spent"], budget["amount"]) == ("0", "5")
    administered.usage(ask(administered, made["value"]).headers["x-request-id"])
    shown = admin.get(f"/budgets/{budget['id']}")
    listed = admin.get(f"/budgets?subject_id={made['id']}")["data"]
    paid = admin.get(f"/usage?by=token&api_token_id={made['id']}")["total"]["costs"]
    assert shown["spent"] == listed[0]["spent"]
    assert float(shown["spent"]) == float(paid.get("USD", "0"))


def test_usage_is_summed_within_what_one_may_see(
    admin: AdminClient,
    tenant: Tenant,
    other_tenant: Tenant,
    administered: GatewayProcess,
    upstream: ScriptedUpstream,
) -> None:
    upstream.script(json_reply(completion()))
    value = new_token(admin, tenant)["value"]
    request_id = ask(administered, value).headers["x-request-id"]
    administered.usage(request_id)
    for by in ("model", "token", "day,team", "user"):
        for reader, requests in ((tenant.boss, 1), (tenant.member, 1), (tenant.lead, 1), (other_tenant.boss, 0)):
            report = admin.acting_as(reader, "usage:read").get(f"/usage?by={by}")
            assert report["total"]["requests"] == requests, (by, reader)
    boss = admin.acting_as(tenant.boss, "usage:read")
    assert [row["keys"] for row in boss.get("/usage")["data"]] == [{"model": "one"}]
    assert boss.ask("GET", "/usage?by=target").status == 400
    assert admin.get("/usage?by=target")["total"]["requests"] >= 1
    assert boss.get("/usage?until=2020-01-01T00:00:00Z&since=2019-01-01T00:00:00Z")["data"] == []
    assert admin.get("/usage")["total"]["requests"] >= 1
    account = {"name": unique("t"), "service_account": tenant.account, "scopes": ["usage:read"]}
    program = AdminClient(admin.port, admin.post("/api_tokens", account)["value"])
    assert program.get("/usage")["total"]["requests"] == 0
