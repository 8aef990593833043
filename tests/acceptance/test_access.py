"""Who may come in: networks, terms of service, owners that are gone, models that a rule hides."""

import json

from tests.acceptance.asking import chat, fetch
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply


def test_a_token_bound_to_a_network_is_refused_elsewhere(gateway: GatewayProcess) -> None:
    near = gateway.create_token("--networks", "127.0.0.0/8")
    far = gateway.create_token("--networks", "192.0.2.0/24")
    assert fetch(gateway, "GET", "/v1/models", token=near).status == 200
    answer = fetch(gateway, "GET", "/v1/models", token=far)
    assert (answer.status, answer.error["code"]) == (403, "permission_denied")
    # Nobody is believed who only says where he comes from.
    forged = fetch(gateway, "GET", "/v1/models", headers=[("x-forwarded-for", "192.0.2.7")], token=far)
    assert forged.status == 403


def test_terms_of_service_stand_before_a_user_s_first_request(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    gateway.run("organisation", "create", "careful")
    gateway.run("user", "create", "ada", "--organisation", "careful")
    token = gateway.create_token("--user", "ada")
    body = {"model": "one", "messages": [{"role": "user", "content": "Hello"}]}
    assert fetch(gateway, "POST", "/v1/chat/completions", body, token=token).status == 200
    text = gateway.log_file.with_name("terms.txt")
    text.write_text("Be kind.")
    gateway.run("terms", "publish", str(text), "--organisation", "careful")
    gateway.run("organisation", "change", "careful", "--requires-terms")
    answer = fetch(gateway, "POST", "/v1/chat/completions", body, token=token)
    assert (answer.status, answer.error["code"]) == (403, "terms_not_accepted")
    assert "/api/admin/terms" in answer.error["message"]
    (terms,) = json.loads(fetch(gateway, "GET", "/api/admin/terms", token=token).body)["data"]
    assert terms["text"] == "Be kind."
    assert fetch(gateway, "GET", "/api/admin/teams", token=token).status == 403
    assert fetch(gateway, "POST", f"/api/admin/terms/{terms['id']}/accept", {}, token=token).status == 200
    assert fetch(gateway, "POST", "/v1/chat/completions", body, token=token).status == 200
    assert fetch(gateway, "GET", "/v1/models", token=token).status == 200


def test_a_model_that_a_rule_hides_is_unknown_and_not_listed(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    gateway.run("organisation", "create", "narrow")
    gateway.run("team", "create", "few", "--organisation", "narrow")
    gateway.run("service-account", "create", "robot", "--team", "few")
    gateway.run("model-rule", "create", "--organisation", "narrow", "--deny", "two")
    gateway.run("model-rule", "create", "--team", "few", "--allow", "o*,two")
    token = gateway.create_token("--service-account", "robot")
    listed = json.loads(fetch(gateway, "GET", "/v1/models", token=token).body)
    names = {model["id"] for model in listed["data"]}
    # An alias goes with its model.
    assert {"one", "uno"} <= names
    assert not {"two", "hasty"} & names
    body = {"model": "two", "messages": [{"role": "user", "content": "Hello"}]}
    answer = fetch(gateway, "POST", "/v1/chat/completions", body, token=token)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


def test_usage_names_the_owners_and_a_deleted_user_s_token_is_closed(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    gateway.run("organisation", "create", "brief")
    gateway.run("user", "create", "grace", "--organisation", "brief")
    token = gateway.create_token("--user", "grace")
    body = {"model": "one", "messages": [{"role": "user", "content": "Hello"}]}
    answer = fetch(gateway, "POST", "/v1/chat/completions", body, token=token)
    assert answer.status == 200
    record = gateway.usage(answer.headers["x-request-id"])
    assert record["organisation_id"]
    assert record["user_id"]
    gateway.run("user", "delete", "grace")
    assert fetch(gateway, "POST", "/v1/chat/completions", body, token=token).status == 401
    assert chat(gateway).status == 200
