"""What the admin API refuses, and how it says so."""

import json

import pytest
from tests.acceptance.admin.conftest import Tenant
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess
from tests.raw_http import RawCall


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": 1}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": None}, "name"),
        ({}, "name"),
        ({"name": "x", "user": "admin", "allowed_models": ["a", 1]}, "allowed_models[1]"),
        ({"name": "x", "user": "admin", "limits": [{"dimension": "x", "amount": 1}]}, "limits[0].dimension"),
        ({"name": "x", "user": "admin", "budgets": [{"amount": "1e400", "period": "day"}]}, "budgets[0].amount"),
        ({"name": "x", "user": "admin", "expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        ({"name": "x", "user": "admin", "expires_at": 1_900_000_000}, "expires_at"),
        ({"name": "x", "user": "admin", "expires_at": "2001-01-01T00:00:00Z"}, None),
        ({"name": "x", "user": "admin", "scopes": ["everything"]}, None),
        ({"name": "x", "user": "admin", "ip_allow_list": ["nowhere"]}, None),
        ([], None),
        (None, None),
        (b'{"name": ', None),
        (b'{"name": "\xff"}', None),
        (b"[" * 100_000, None),
        (b'{"name": "\\ud800"}', "name"),
        (b'{"name": "x", "expires_at": NaN}', "expires_at"),
    ],
)
def test_a_body_that_is_not_what_it_has_to_be_is_refused_by_its_member(
    admin: AdminClient, body: object, param: str | None
) -> None:
    answer = admin.ask("POST", "/api_tokens", body, content_type="application/json")
    assert (answer.status, answer.error["type"], answer.error["param"]) == (400, "invalid_request_error", param)


def test_paths_and_methods_that_there_are_not_are_said_so(admin: AdminClient) -> None:
    for path in ("", "/", "/nowhere", "/teams/", "/teams/a/b/c"):
        answer = admin.ask("GET", path)
        assert (answer.status, answer.error["code"]) == (404, "unknown_url"), path
    answer = admin.ask("PUT", "/teams", {"name": "x"})
    assert (answer.status, answer.error["code"], answer.headers["allow"]) == (405, "method_not_allowed", "GET, POST")
    answer = admin.ask("POST", "/teams/x")
    assert answer.headers["allow"] == "GET, PATCH, DELETE"


def test_other_paths_below_api_are_unknown(administered: GatewayProcess) -> None:
    fields = {"authorization": f"Bearer {administered.token}"}
    call = RawCall(administered.port).request("GET", "/api/other", fields.items()).read_all()
    assert (call.status, call.error["code"]) == (404, "unknown_url")


def test_a_body_of_another_type_is_refused(admin: AdminClient) -> None:
    assert admin.status("POST", "/teams", "name=x", content_type="application/x-www-form-urlencoded") == 415
    assert admin.status("POST", "/users/bulk", {"name": "x"}) == 415
    packed = admin.ask("POST", "/teams", b"\x1f\x8b", content_type="application/json", content_encoding="gzip")
    assert (packed.status, packed.error["code"]) == (415, "unsupported_media_type")


def test_a_body_over_the_limit_is_refused_before_it_is_sent(administered: GatewayProcess) -> None:
    head = f"POST /api/admin/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {administered.token}\r\n"
    declared = RawCall(administered.port).send(f"{head}content-length: 5000000\r\n\r\n".encode()).read_all()
    assert (declared.status, declared.error["code"]) == (413, "request_too_large")
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    streamed = RawCall(administered.port).send(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
    for _ in range(65):
        streamed.send(chunk)
    assert streamed.read_all().status == 413


def test_a_stranger_is_refused_before_his_body_is_read(administered: GatewayProcess) -> None:
    head = b"POST /api/admin/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer no\r\ncontent-length: 100\r\n\r\n"
    assert RawCall(administered.port).send(head).read_all().status == 401


def test_an_expected_body_is_asked_for(administered: GatewayProcess) -> None:
    body = json.dumps({"name": unique("asked")}).encode()
    head = f"POST /api/admin/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {administered.token}\r\n"
    head += f"expect: 100-continue\r\ncontent-length: {len(body)}\r\n\r\n"
    call = RawCall(administered.port).send(head.encode())
    # The interim answer has no body, and no length that says so.
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert call._socket.recv(len(interim)) == interim
    assert call.send(body).read_all().status == 201


def test_a_client_that_leaves_in_the_middle_of_a_body_changes_nothing(
    admin: AdminClient, administered: GatewayProcess
) -> None:
    name = unique("half")
    head = f"POST /api/admin/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {administered.token}\r\n"
    RawCall(administered.port).send(f'{head}content-length: 100\r\n\r\n{{"name": "{name}"'.encode()).reset()
    assert admin.get(f"/teams?name={name}")["data"] == []
    assert "bug" not in administered.log


def test_a_csv_with_a_bad_line_makes_nothing_and_names_the_line(admin: AdminClient, tenant: Tenant) -> None:
    path = f"/users/bulk?organisation={tenant.organisation}"
    bad = admin.ask("POST", path, "name,email,role,teams\nann,,member,core\nbob,nonsense,,\n,,,\neve,,queen,\n")
    assert bad.status == 400
    for words in ("line 3: `nonsense`", "line 4: A user's name", "line 5: `queen`"):
        assert words in bad.error["message"]
    assert "line 2" not in bad.error["message"]
    assert admin.everything(f"/users?organisation_id={tenant.organisation}&search=ann") == []
    made = admin.post(path, "name,email,role,teams\nann,ann@example.org,member,core\nbob,,organisation_admin,\n")
    assert [(each["name"], each["email"], each["role"]) for each in made["data"]] == [
        ("ann", "ann@example.org", "member"),
        ("bob", None, "organisation_admin"),
    ]
    members = {each["user_id"] for each in admin.everything(f"/memberships?team_id={tenant.team}")}
    assert made["data"][0]["id"] in members
    assert admin.status("POST", path, b"name\n\xff\n", content_type="text/csv") == 400


def test_tokens_are_made_from_csv_once(admin: AdminClient, tenant: Tenant, administered: GatewayProcess) -> None:
    text = f"name,user,expires,models\na,{tenant.member},30d,gpt-*;one\nb,{tenant.member},,\n"
    key = unique("key")
    first = admin.ask("POST", "/api_tokens/bulk", text, idempotency_key=key)
    assert first.status == 201
    assert [each["allowed_models"] for each in first.json["data"]] == [["gpt-*", "one"], None]
    assert len({each["value"] for each in first.json["data"]}) == 2
    assert admin.ask("POST", "/api_tokens/bulk", text, idempotency_key=key).body == first.body
    kept = administered.query("SELECT body FROM idempotency_keys WHERE key = ?", key)[0]["body"]
    assert {each["value"] for each in json.loads(kept)["data"]} == {None}
    assert admin.status("POST", "/api_tokens/bulk", text) == 400
