"""Every operation of the admin API, asked for in every role, on one's own tenant and on another's, and by every scope.

What is expected stands here in words, apart from the code's own table; operations that nobody has spoken of fail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from tests.acceptance.admin.conftest import Tenant, make_tenant
from tests.admin_client import AdminClient, Answer, unique

from aqueduct.admin_api.application import describe_application
from aqueduct.admin_api.schemas import PREFIX

ROLES = ("admin", "boss", "lead", "member", "account")
EVERYONE = set(ROLES)

STATEMENT = """
GET    /organisations                            | admin boss lead member account |
POST   /organisations                            | admin                          | boss lead member account
GET    /organisations/{organisation}             | admin boss lead member account |
PATCH  /organisations/{organisation}             | admin boss                     | lead member account
DELETE /organisations/{organisation}             | admin                          | boss lead member account
GET    /teams                                    | admin boss lead member         |
POST   /teams                                    | admin boss                     | lead member account
GET    /teams/{team}                             | admin boss lead member         |
PATCH  /teams/{team}                             | admin boss                     | lead member
DELETE /teams/{team}                             | admin boss                     | lead member
GET    /users                                    | admin boss lead                |
POST   /users                                    | admin boss                     | lead member account
POST   /users/bulk                               | admin boss                     |
GET    /users/{user}                             | admin boss lead                |
PATCH  /users/{user}                             | admin boss                     | lead
DELETE /users/{user}                             | admin boss                     | lead
GET    /memberships                              | admin boss lead member account |
POST   /memberships                              | admin boss lead                | member account
GET    /memberships/{team_id}/{user_id}          | admin boss lead member account |
PATCH  /memberships/{team_id}/{user_id}          | admin boss lead                | member account
DELETE /memberships/{team_id}/{user_id}          | admin boss lead                | member account
GET    /service_accounts                         | admin boss lead member account |
POST   /service_accounts                         | admin boss lead                | member account
GET    /service_accounts/{service_account}       | admin boss lead member account |
PATCH  /service_accounts/{service_account}       | admin boss lead                | member account
DELETE /service_accounts/{service_account}       | admin boss lead                | member account
GET    /api_tokens                               | admin boss lead                |
POST   /api_tokens                               | admin boss lead                | member account
POST   /api_tokens/bulk                          | admin boss lead                |
GET    /api_tokens/{api_token}                   | admin boss lead                |
PATCH  /api_tokens/{api_token}                   | admin boss lead                |
DELETE /api_tokens/{api_token}                   | admin boss lead                |
POST   /api_tokens/{api_token}/rotate            | admin boss lead                |
POST   /api_tokens/{api_token}/regenerate        | admin boss lead                |
POST   /api_tokens/{api_token}/revoke            | admin boss lead                |
GET    /model_rules                              | admin boss lead member account |
POST   /model_rules                              | admin boss                     | lead member account
GET    /model_rules/{model_rule}                 | admin boss lead member account |
PATCH  /model_rules/{model_rule}                 | admin boss                     | lead member account
DELETE /model_rules/{model_rule}                 | admin boss                     | lead member account
GET    /limits                                   | admin boss lead member account |
POST   /limits                                   | admin boss lead                | member account
GET    /limits/{limit}                           | admin boss lead member account |
PATCH  /limits/{limit}                           | admin boss lead                | member account
DELETE /limits/{limit}                           | admin boss lead                | member account
GET    /budgets                                  | admin boss lead member account |
POST   /budgets                                  | admin boss lead                | member account
GET    /budgets/{budget}                         | admin boss lead member account |
PATCH  /budgets/{budget}                         | admin boss lead                | member account
DELETE /budgets/{budget}                         | admin boss lead                | member account
GET    /terms                                    | admin boss lead member account |
POST   /terms                                    | admin boss                     | lead member account
GET    /terms/{terms}                            | admin boss lead member account |
POST   /terms/{terms}/accept                     | boss lead member               |
GET    /webhooks                                 | admin boss                     |
POST   /webhooks                                 | admin boss                     | lead member account
GET    /webhooks/{webhook}                       | admin boss                     |
PATCH  /webhooks/{webhook}                       | admin boss                     |
DELETE /webhooks/{webhook}                       | admin boss                     |
POST   /webhooks/{webhook}/rotate                | admin boss                     |
POST   /webhooks/{webhook}/test                  | admin boss                     |
GET    /webhooks/{webhook}/deliveries            | admin boss                     |
GET    /audit                                    | admin boss                     |
GET    /audit/export                             | admin boss                     |
GET    /usage                                    | admin boss lead member account |
GET    /usage/export                             | admin boss lead member account |
GET    /usage/requests/export                    | admin boss lead member account |
GET    /targets                                  | admin                          | boss lead member account
POST   /cache/clear                              | admin boss                     | lead member account
"""
"""Operation | who may | who is told that he may not: he sees the object, or the place it would be in.

For all others there is no such thing: 404. Of a list, those who may find what the tenant has in it.
"""

UNSCOPED = {"GET /terms", "GET /terms/{terms}", "POST /terms/{terms}/accept"}
"""What everybody does for himself, with any API token of his own."""

ELSEWHERE = {("GET", "/captures"), ("GET", "/captures/{request_id}"), ("DELETE", "/captures/{request_id}")}
"""Spoken of in `test_captures.py`: only a request makes a capture."""


class Operation(NamedTuple):
    """One line of the statement."""

    method: str
    path: str
    may: set[str]
    may_not: set[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def resource(self) -> str:
        return self.path.split("/")[1]

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and "{" not in self.path and self.resource != "targets"

    @property
    def makes(self) -> bool:
        return self.method == "POST" and "{" not in self.path

    def expected(self, role: str, *, is_foreign: bool) -> int:
        """Return 200 for any success."""
        if role in self.may and (role == "admin" or not is_foreign):
            return 200
        if self.is_list:
            return 200
        if self.path.endswith("/bulk") and not (is_foreign and self.resource == "users"):
            return 400  # each line with what is wrong in it
        is_there = role == "admin" or not is_foreign or self.path in ("/organisations", "/targets")
        return 403 if role in self.may_not and is_there else 404


def read_statement() -> list[Operation]:
    found = []
    for line in STATEMENT.strip().splitlines():
        what, may, may_not = line.split("|")
        method, path = what.split()
        found.append(Operation(method, path, set(may.split()), set(may_not.split())))
    return found


OPERATIONS = read_statement()


@dataclass(frozen=True)
class Stage:
    """A tenant in which each operation finds, or is given, an object that nothing else needs."""

    admin: AdminClient
    tenant: Tenant
    boss: AdminClient
    lead: AdminClient

    def fresh(self, resource: str) -> str:
        """Make an object of a resource, in or about the team, and return its path below the resource's own."""
        makers: dict[str, Callable[[], str]] = {
            "organisations": lambda: self.tenant.organisation,
            "teams": self.team,
            "users": self.user,
            "memberships": lambda: f"{self.tenant.team}/{self.user()}",
            "service_accounts": self.account,
        }
        if resource in makers:
            return makers[resource]()
        # What a higher rank has set, a lower one may not change: each is made by the lowest who may.
        maker = self.lead if resource in ("api_tokens", "limits", "budgets") else self.boss
        return str(maker.post(f"/{resource}", self.body(resource))["id"])

    def team(self) -> str:
        team = str(self.admin.post("/teams", {"name": unique("t"), "organisation": self.tenant.organisation})["id"])
        self.admin.post("/memberships", {"team": team, "user": self.tenant.lead, "role": "admin"})
        self.admin.post("/memberships", {"team": team, "user": self.tenant.member})
        return team

    def user(self, *, is_in_team: bool = True) -> str:
        body = {"name": unique("u"), "organisation": self.tenant.organisation}
        user = str(self.admin.post("/users", body)["id"])
        if is_in_team:
            self.admin.post("/memberships", {"team": self.tenant.team, "user": user})
        return user

    def account(self) -> str:
        made = self.admin.post("/service_accounts", {"name": unique("sa"), "team": self.tenant.team})
        return str(made["id"])

    def body(self, resource: str) -> Any:
        """Return what is said to make an object."""
        organisation = {"organisation": self.tenant.organisation}
        about = {"subject_type": "service_account", "subject": self.account()}
        bodies: dict[str, Any] = {
            "organisations": {"name": unique("o")},
            "teams": {"name": unique("t")} | organisation,
            "users": {"name": unique("u")} | organisation,
            "service_accounts": {"name": unique("sa"), "team": self.tenant.team},
            "api_tokens": {"name": unique("tok"), "service_account": self.tenant.account},
            "model_rules": about,
            "limits": about | {"dimension": "requests_per_minute", "amount": 5},
            "budgets": about | {"amount": "5", "period": "month"},
            "terms": {"text": "Be kind."} | organisation,
            "webhooks": {"name": unique("hook"), "url": "https://hook.invalid/"} | organisation,
            "cache": organisation,
        }
        if resource == "memberships":
            return {"team": self.tenant.team, "user": self.user(is_in_team=False)}
        return bodies[resource]

    def ask(self, client: AdminClient, operation: Operation) -> tuple[Answer, str]:
        """Ask for an operation on a fresh object; return the answer and how the object's path ends."""
        if operation.path == "/users/bulk":
            path = f"/users/bulk?organisation={self.tenant.organisation}"
            return client.ask("POST", path, f"name\n{unique('u')}\n"), ""
        if operation.path == "/api_tokens/bulk":
            csv = f"name,service_account\n{unique('tok')},{self.tenant.account}\n"
            return client.ask("POST", "/api_tokens/bulk", csv), ""
        if operation.makes:
            return client.ask("POST", operation.path, self.body(operation.resource)), ""
        if operation.resource in ("audit", "usage", "targets"):
            return client.ask("GET", operation.path), self.tenant.organisation
        name = self.fresh(operation.resource)
        return self.ask_about(client, operation, name), name

    def ask_about(self, client: AdminClient, operation: Operation, name: str) -> Answer:
        """Ask for an operation on the object that `name` leads to."""
        if operation.is_list:
            return client.ask("GET", f"{operation.path}?limit=1000")
        head, parameter, tail = operation.path.replace("{team_id}/{user_id}", "{id}").partition("{")
        path = head + (name if parameter else "") + tail.partition("}")[2]
        if operation.method != "PATCH":
            return client.ask(operation.method, path)
        return client.ask("PATCH", path, CHANGES[operation.resource](), if_match="*")


CHANGES: dict[str, Callable[[], dict[str, Any]]] = {
    "organisations": lambda: {"max_api_tokens_per_user": 9},
    "teams": lambda: {"name": unique("t")},
    "users": lambda: {"email": None},
    "memberships": lambda: {"role": "admin"},
    "service_accounts": lambda: {"name": unique("sa")},
    "api_tokens": lambda: {"name": unique("tok")},
    "model_rules": lambda: {"deny": ["x"]},
    "limits": lambda: {"amount": 7},
    "budgets": lambda: {"is_hard": False},
    "webhooks": lambda: {"is_active": True},
}


def make_stage(admin: AdminClient) -> Stage:
    tenant = make_tenant(admin)
    return Stage(admin, tenant, admin.acting_as(tenant.boss), admin.acting_as(tenant.lead))


def client_of(stage: Stage, role: str) -> AdminClient:
    if role == "admin":
        return stage.admin
    if role == "account":
        body = {"name": unique("acting"), "service_account": stage.tenant.account, "scopes": ["admin"]}
        return AdminClient(stage.admin.port, stage.admin.post("/api_tokens", body)["value"])
    return stage.admin.acting_as(getattr(stage.tenant, role))


def shown(answer: Answer, name: str) -> bool:
    """Whether a list has an object in it."""
    return all(part.encode() in answer.body for part in name.split("/"))


def test_every_operation_is_spoken_of_and_no_other() -> None:
    paths = describe_application()["paths"]
    described = {(method.upper(), path.removeprefix(PREFIX)) for path, item in paths.items() for method in item}
    assert {(each.method, each.path) for each in OPERATIONS} | ELSEWHERE == described


@pytest.mark.parametrize("place", ["own", "foreign"])
@pytest.mark.parametrize("role", ROLES)
def test_every_role_does_exactly_what_is_said(admin: AdminClient, role: str, place: str) -> None:
    own = make_stage(admin)
    stage = own if place == "own" else make_stage(admin)
    is_foreign = place == "foreign"
    client = client_of(own, role)
    wrong = []
    # Whoever deletes the organisation has nothing left to ask about.
    for operation in sorted(OPERATIONS, key=lambda each: each.name == "DELETE /organisations/{organisation}"):
        answer, name = stage.ask(client, operation)
        expected = operation.expected(role, is_foreign=is_foreign)
        if (200 if answer.status < 300 else answer.status) != expected:
            wrong.append(f"{operation.name}: {answer.status} instead of {expected}")
        if operation.is_list and operation.resource != "usage":
            is_seen = role in operation.may and (role == "admin" or not is_foreign)
            if shown(answer, name) is not is_seen:
                wrong.append(f"{operation.name}: {'not ' if is_seen else ''}shown")
    assert wrong == []


@pytest.mark.parametrize("access", ["read", "write", "others"])
def test_scopes_open_their_own_kind_and_reading_or_writing_of_it(admin: AdminClient, access: str) -> None:
    stage = make_stage(admin)
    root = admin.get("/users?role=admin&sort=created_at")["data"][0]["id"]
    kinds = sorted({operation.resource for operation in OPERATIONS})
    clients = {}
    for kind in kinds:
        others = [f"{each}:write" for each in kinds if each != kind]
        clients[kind] = admin.acting_as(root, *(others if access == "others" else [f"{kind}:{access}"]))
    wrong = []
    for operation in sorted(OPERATIONS, key=lambda each: each.name == "DELETE /organisations/{organisation}"):
        if operation.name in UNSCOPED:
            continue
        client = clients[operation.resource]
        if access == "write" or (access == "read" and operation.method == "GET"):
            answer, _ = stage.ask(client, operation)
            is_right = answer.status < 300
        else:
            nothing = "no/thing" if operation.resource == "memberships" else "nothing"
            answer = stage.ask_about(client, operation, nothing)
            is_right = answer.status == 403
        if not is_right:
            wrong.append(f"{operation.name}: {answer.status}")
    assert wrong == []
