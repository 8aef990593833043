"""Organisations, teams, users and what they are allowed, as an administrator types it."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.conftest import CommandLine

from aqueduct.control.allowances import Limits, NewLimit, parse_budget
from aqueduct.control.issuance import issue
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.users import NewUser, Users
from aqueduct.control.workspace import open_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.domain.limit import Dimension
from aqueduct.domain.subject import SubjectType
from aqueduct.settings import Settings


@pytest.fixture
def staffed(command_line: CommandLine) -> CommandLine:
    """An organisation with a team, its admin, a member and a service account."""

    async def staff() -> None:
        async with open_workspace(Settings(data_dir=command_line.data_dir)) as workspace:
            registry = workspace.registry
            await Organisations(registry).create(SYSTEM, "acme")
            await Teams(registry).create(SYSTEM, "core")
            for name, role in (("ann", Role.ORGANISATION_ADMIN), ("bob", Role.MEMBER)):
                await Users(registry).create(SYSTEM, NewUser(name=name, role=role))
            await Memberships(registry).create(SYSTEM, "core", "bob", role=TeamRole.ADMIN)
            await ServiceAccounts(registry).create(SYSTEM, "ci", team="core")

    asyncio.run(staff())
    return command_line


def listed(command_line: CommandLine, *command: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command_line.output(*command, "--json"))
    return found


def test_what_is_made_is_listed(command_line: CommandLine) -> None:
    assert "There is no organisation yet" in command_line.error("team", "create", "core")
    organisation_id = command_line.output("organisation", "create", "acme").strip()
    team_id = command_line.output("team", "create", "core").strip()
    command_line.output("user", "create", "bob", "--email", "bob@example.com", "--role", "organisation_admin")
    command_line.output("team", "add", "core", "bob", "--role", "admin")
    account_id = command_line.output("service-account", "create", "ci", "--team", "core").strip()
    (organisation,) = listed(command_line, "organisation", "list")
    (team,) = listed(command_line, "team", "list")
    (user,) = listed(command_line, "user", "list")
    (account,) = listed(command_line, "service-account", "list")
    assert (user["name"], user["email"], user["role"]) == ("bob", "bob@example.com", "organisation_admin")
    assert (organisation["id"], team["id"], team["organisation_id"]) == (organisation_id, team_id, organisation_id)
    assert (account["id"], account["team_id"]) == (account_id, team_id)
    table = command_line.output("team", "members", "core")
    assert "bob" in table
    assert "admin" in table


def test_a_token_is_made_with_all_that_may_be_said_of_it(staffed: CommandLine) -> None:
    limits = ("--requests-per-minute", "60", "--input-tokens-per-minute", "1000", "--output-tokens-per-minute", "500")
    owners = ("--user", "bob", "--team", "core")
    others = ("--concurrent-requests", "2", "--budget", "5.00/month", "--networks", "192.0.2.0/24", "--scopes", "admin")
    value = staffed.output("token", "create", "--name", "laptop", *owners, *limits, *others)
    assert re.fullmatch(r"aq-[A-Za-z0-9_-]{43}\n", value)
    (api_token,) = listed(staffed, "token", "list")
    assert api_token["ip_allow_list"] == ["192.0.2.0/24"]
    assert api_token["scopes"] == ["admin"]
    assert {limit["dimension"]: limit["amount"] for limit in listed(staffed, "limit", "list")} == {
        "requests_per_minute": 60,
        "input_tokens_per_minute": 1000,
        "output_tokens_per_minute": 500,
        "concurrent_requests": 2,
    }
    (budget,) = listed(staffed, "budget", "list")
    assert (budget["subject_id"], budget["amount"], budget["period"]) == (api_token["id"], "5", "month")
    assert value.strip() not in staffed.output("audit", "export")


def test_limits_budgets_and_rules_come_and_go(staffed: CommandLine) -> None:
    limit = staffed.output("limit", "create", "--team", "core", "--requests-per-minute", "9", "--model", "gpt-*")
    end_user = staffed.output("limit", "create", "--end-user", "*", "--concurrent-requests", "1")
    budget = staffed.output(
        "budget", "create", "0.50/day", "--user", "ann", "--currency", "EUR", "--soft", "--alerts", "50,80"
    )
    rule = staffed.output(
        "model-rule", "create", "--organisation", "acme", "--allow", "gpt-*,claude", "--deny", "gpt-5"
    )
    assert "gpt-*, claude" in staffed.output("model-rule", "list")
    assert "0.5 EUR" in staffed.output("budget", "list")
    staffed.output("budget", "change", budget.strip(), "1.25")
    assert "1.25 EUR" in staffed.output("budget", "list")
    for command, made in (("limit", limit), ("limit", end_user), ("budget", budget), ("model-rule", rule)):
        staffed.output(command, "delete", made.strip())
        assert made.strip() not in staffed.output(command, "list")


def test_what_ends_is_gone_from_the_lists_and_stays_in_the_audit_log(staffed: CommandLine) -> None:
    (team,) = listed(staffed, "team", "list")
    staffed.output("user", "change", "ann", "--rename", "anna", "--no-active", "--max-tokens", "3")
    staffed.output("organisation", "change", "acme", "--max-tokens-per-user", "5")
    staffed.output("team", "rename", "core", "platform")
    staffed.output("team", "remove", "platform", "bob")
    staffed.output("service-account", "delete", "ci")
    staffed.output("team", "delete", "platform")
    staffed.output("user", "delete", "bob")
    assert listed(staffed, "team", "list") == []
    assert [user["name"] for user in listed(staffed, "user", "list")] == ["anna"]
    staffed.output("organisation", "delete", "acme")
    assert listed(staffed, "user", "list") == []
    about_team = [json.loads(line) for line in staffed.output("audit", "export", "--object", team["id"]).splitlines()]
    assert [entry["action"] for entry in about_team] == ["create", "update", "delete"]
    assert {entry["actor_name"] for entry in about_team} == {"command line"}
    assert "organisations" in staffed.output("audit", "--count", "1")
    assert staffed.output("audit", "export", "--since", "2099-01-01") == ""


def test_lists_are_narrowed_by_names_and_show_them(staffed: CommandLine) -> None:
    async def add() -> None:
        async with open_workspace(Settings(data_dir=staffed.data_dir)) as workspace:
            registry = workspace.registry
            await Organisations(registry).create(SYSTEM, "other")
            await Users(registry).create(SYSTEM, NewUser(name="eve"), organisation="other")
            budgets = [parse_budget("5/day")]
            await issue(registry, SYSTEM, NewApiToken(name="laptop", user="bob", team="core"), budgets=budgets)
            await issue(registry, SYSTEM, NewApiToken(name="old", user="ann"))
            await workspace.api_tokens.revoke(SYSTEM, "old")
            for kind, subject, amount in ((SubjectType.TEAM, "core", 9), (SubjectType.USER, "ann", 1)):
                limit = NewLimit(dimension=Dimension.REQUESTS_PER_MINUTE, amount=amount)
                await Limits(registry).create(SYSTEM, kind, subject, limit)

    def names(*command: str) -> list[str]:
        return [each["name"] for each in listed(staffed, *command)]

    asyncio.run(add())
    assert names("user", "list", "--organisation", "other") == ["eve"]
    assert names("user", "list", "--team", "core", "--status", "active", "--search", "BO") == ["bob"]
    assert names("token", "list", "--status", "revoked", "--user", "ann") == ["old"]
    assert [each["amount"] for each in listed(staffed, "limit", "list", "--team", "core", "--of", "team")] == [9]
    assert [each["period"] for each in listed(staffed, "budget", "list", "--token", "laptop", "--hard")] == ["day"]
    assert re.search(r"bob \(usr_\w+\) .*core \(team_\w+\)", staffed.output("token", "list"))
    assert "There is no user `x`" in staffed.error("usage", "--only", "user=x")
    assert staffed.output("usage", "--by", "user", "--only", "team=core", "--format", "csv").startswith("user_id,")


def test_terms_are_published_and_shown(staffed: CommandLine) -> None:
    done = staffed.run("terms", "publish", "-", text="Be kind.\n")
    assert done.returncode == 0, done.stderr
    assert staffed.output("terms", "show") == "Be kind.\n"
    (organisation,) = listed(staffed, "organisation", "list")
    assert organisation["requires_terms"]


def test_files_make_all_or_nothing(staffed: CommandLine, tmp_path: Path) -> None:
    people, tokens = tmp_path / "people.csv", tmp_path / "tokens.csv"
    people.write_text("name,teams\ncid,core\ndan,core\n")
    assert len(staffed.output("user", "import", str(people)).splitlines()) == 2
    tokens.write_text("name,user,team\nx,cid,core\nx,dan,core\n")
    header, *rows = staffed.output("token", "import", str(tokens)).splitlines()
    assert header == "name,id,value"
    assert all(re.fullmatch(r"x,tok_[0-9a-f]{16},aq-[A-Za-z0-9_-]{43}", row) for row in rows)
    tokens.write_text("name,user\ny,cid\nz,nobody\n")
    assert "line 3: There is no user `nobody`." in staffed.error("token", "import", str(tokens))
    assert len(listed(staffed, "token", "list")) == 2


def test_mistakes_are_one_line_and_status_1(staffed: CommandLine) -> None:
    assert "already a team of this name" in staffed.error("team", "create", "core")
    assert "There is no team `x`" in staffed.error("team", "delete", "x")
    assert "not by none" in staffed.error("limit", "create", "--requests-per-minute", "1")
    assert "not by 2" in staffed.error("budget", "create", "5/day", "--user", "ann", "--team", "core")
    assert "Say what is limited" in staffed.error("limit", "create", "--user", "ann")
    assert "not a budget" in staffed.error("budget", "create", "5/fortnight", "--user", "ann")
    assert "not an amount" in staffed.error("budget", "create", "five/day", "--user", "ann")
    assert "not in the team" in staffed.error("token", "create", "--name", "x", "--user", "ann", "--team", "core")
    staffed.output("organisation", "create", "other")
    assert "Say which organisation" in staffed.error("team", "create", "x")
    assert staffed.output("team", "create", "x", "--organisation", "other").startswith("team_")
