"""What a file declares: created, changed, left alone, deleted; all of it or nothing."""

from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.control.conftest import World

from aqueduct.config.declared import Declarations, read_declarations
from aqueduct.config.load import Source
from aqueduct.control.allowances import Budgets, Limits, ModelRules
from aqueduct.control.apply import Plan, apply
from aqueduct.control.audit import AuditLog
from aqueduct.control.organisations import Organisations
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.users import NewUser, Users
from aqueduct.control.webhooks import Webhooks
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.errors import ConfigurationError, NotAllowed
from aqueduct.storage.pages import Listing
from aqueduct.storage.tables import metadata

FILE = """\
providers:
  - {name: openai, kind: openai, api_key: "${NOT_SET_WHERE_APPLY_RUNS}"}
organisations:
  - name: research
    max_api_tokens_per_user: 5
    models: {deny: ["o1-*"]}
    budgets:
      - {amount: 1000, period: month, alert_thresholds: [80, 100]}
    users:
      - {name: ada, email: ada@example.com, role: organisation_admin}
      - name: bob
        limits: [{dimension: requests_per_minute, amount: 10}]
    teams:
      - name: core
        models: {allow: ["gpt-*"]}
        members:
          - {user: ada, role: admin}
          - user: bob
        service_accounts:
          - name: ci
            budgets: [{amount: 12.50, period: day, currency: EUR, is_hard: false}]
        limits:
          - {dimension: input_tokens_per_minute, amount: 1000, model_pattern: "gpt-*", multipliers: {gpt-5: 2}}
    end_users:
      - name: "*"
        limits: [{dimension: requests_per_minute, amount: 3}]
    webhooks:
      - {name: ops, url: "https://example.com/hook", events: [budget.threshold_reached]}
webhooks:
  - {name: ops, url: "https://example.com/all"}
"""
CREATED = [
    "create organisation research",
    "create model rule research",
    "create budget research month USD",
    "create user research/ada",
    "create user research/bob",
    "create limit research/bob requests_per_minute",
    "create team research/core",
    "create model rule research/core",
    "create limit research/core input_tokens_per_minute gpt-*",
    "create membership research/core/ada",
    "create membership research/core/bob",
    "create service account research/core/ci",
    "create budget research/core/ci day EUR",
    "create limit research/* requests_per_minute",
    "create webhook research/ops",
    "create webhook ops",
]


def read(workspace: Workspace, text: str) -> tuple[Source, Declarations]:
    path = workspace.directory.path / "declared.yaml"
    path.write_text(text)
    return read_declarations(path, {})


async def bring(workspace: Workspace, text: str = FILE, *, prune: bool = False, is_dry_run: bool = False) -> Plan:
    source, declarations = read(workspace, text)
    return await apply(workspace.registry, SYSTEM, source, declarations, prune=prune, is_dry_run=is_dry_run)


async def lines(workspace: Workspace, text: str, **options: bool) -> list[str]:
    return (await bring(workspace, text, **options)).lines


async def contents(workspace: Workspace) -> Mapping[str, list[Any]]:
    async with workspace.database.reading() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(sa.select(table))]
            for table in metadata.sorted_tables
        }


async def test_everything_is_made_as_it_is_declared_and_a_second_time_nothing(workspace: Workspace) -> None:
    assert await lines(workspace, FILE) == CREATED
    before, seen = await contents(workspace), workspace.revision.read()
    assert await lines(workspace, FILE) == []
    assert (await contents(workspace), workspace.revision.read()) == (before, seen)

    registry = workspace.registry
    (organisation,) = await Organisations(registry).everything(SYSTEM)
    assert (organisation.name, organisation.max_api_tokens_per_user) == ("research", 5)
    ada, bob = await Users(registry).everything(SYSTEM, Listing(sort="name"))
    assert (ada.email, ada.role, bob.role) == ("ada@example.com", Role.ORGANISATION_ADMIN, Role.MEMBER)
    (team,) = await Teams(registry).everything(SYSTEM)
    members = await Memberships(registry).everything(SYSTEM)
    assert {(each.user_id, each.role) for each in members} == {(ada.id, TeamRole.ADMIN), (bob.id, TeamRole.MEMBER)}
    (account,) = await ServiceAccounts(registry).everything(SYSTEM)
    assert account.team_id == team.id
    budgets = {each.subject_id: each for each in await Budgets(registry).everything(SYSTEM)}
    assert (str(budgets[account.id].amount.normalize()), budgets[account.id].is_hard) == ("12.5", False)
    assert (budgets[account.id].team_id, budgets[account.id].currency) == (team.id, "EUR")
    limits = {each.subject_id: each for each in await Limits(registry).everything(SYSTEM)}
    assert (limits[team.id].model_pattern, limits[team.id].multipliers) == ("gpt-*", {"gpt-5": 2.0})
    assert (limits["*"].subject_type, limits["*"].organisation_id) == ("end_user", organisation.id)
    rules = {each.subject_id: each for each in await ModelRules(registry).everything(SYSTEM)}
    assert (rules[team.id].allow, rules[organisation.id].allow) == (("gpt-*",), None)
    webhooks = await Webhooks(registry).everything(SYSTEM)
    assert webhooks
    async with workspace.database.reading() as connection:
        for webhook in webhooks:
            assert await registry.webhook_secrets.find(connection, webhook.id) is not None


async def test_a_dry_run_says_the_same_and_changes_nothing(workspace: Workspace) -> None:
    before, seen = await contents(workspace), workspace.revision.read()
    assert await lines(workspace, FILE, is_dry_run=True) == CREATED
    assert (await contents(workspace), workspace.revision.read()) == (before, seen)
    assert await lines(workspace, FILE) == CREATED


async def test_what_the_file_says_otherwise_is_changed_and_what_it_does_not_say_stays(workspace: Workspace) -> None:
    await bring(workspace)
    users = Users(workspace.registry)
    await users.change(SYSTEM, "bob", {"is_active": False})
    changed = (
        FILE.replace("amount: 12.50", 'amount: "20"')
        .replace("role: organisation_admin", "role: member")
        .replace("max_api_tokens_per_user: 5", "max_api_tokens_per_user: null")
        .replace("[80, 100]", "[50]")
    )
    assert await lines(workspace, changed) == [
        "change organisation research: max_api_tokens_per_user 5 -> null",
        "change budget research month USD: alert_thresholds [80,100] -> [50]",
        'change user research/ada: role "organisation_admin" -> "member"',
        "change budget research/core/ci day EUR: amount_nano 12.5 -> 20",
    ]
    assert not (await users.read(SYSTEM, "bob")).is_active
    actions = [entry.action async for entry in AuditLog(workspace.registry).export(SYSTEM)]
    assert actions.count("update") == 5


async def test_what_is_no_longer_declared_goes_by_prune_and_nothing_else(workspace: Workspace) -> None:
    await bring(workspace)
    await Users(workspace.registry).create(SYSTEM, NewUser(name="eve"))
    without = FILE.split("    end_users:", maxsplit=1)[0].replace("          - user: bob\n", "")
    kept = await bring(workspace, without)
    assert (kept.lines, kept.unlisted) == ([], 4)
    assert await lines(workspace, without, prune=True, is_dry_run=True) == await lines(workspace, without, prune=True)
    assert await lines(workspace, without, prune=True) == []
    assert {each.name for each in await Users(workspace.registry).everything(SYSTEM)} == {"ada", "bob", "eve"}
    assert await Webhooks(workspace.registry).everything(SYSTEM) == []
    assert len(await Memberships(workspace.registry).everything(SYSTEM)) == 1
    everything = await lines(workspace, "organisations: []\n", prune=True)
    assert everything[-1] == "delete organisation research"
    assert everything.index("delete service account research/core/ci") < everything.index("delete team research/core")


async def test_an_address_may_pass_to_who_takes_the_place_of_another(workspace: Workspace) -> None:
    await bring(workspace)
    renamed = FILE.replace("name: ada", "name: lovelace").replace("user: ada", "user: lovelace")
    with pytest.raises(ConfigurationError, match=r"declared\.yaml:\d+: There is already a user with the e-mail"):
        await bring(workspace, renamed)
    assert await lines(workspace, renamed, prune=True) == [
        "delete membership research/core/ada",
        "delete user research/ada",
        "create user research/lovelace",
        "create membership research/core/lovelace",
    ]


async def test_what_is_there_already_is_adopted(world: World) -> None:
    text = "organisations: [{name: ours, teams: [{name: core, members: [{user: lead, role: admin}]}]}]\n"
    assert await lines(world.workspace, text) == [
        "adopt organisation ours",
        "adopt team ours/core",
        "adopt membership ours/core/lead",
    ]
    assert await lines(world.workspace, text) == []
    assert await lines(world.workspace, "organisations: [{name: ours, teams: [{name: core}]}]\n", prune=True) == [
        "delete membership ours/core/lead"
    ]
    names = {each.name for each in await Organisations(world.registry).everything(SYSTEM)}
    assert names == {"ours", "theirs"}


async def test_what_somebody_deleted_is_made_again_or_forgotten(workspace: Workspace) -> None:
    await bring(workspace)
    await Teams(workspace.registry).delete(SYSTEM, "core")
    again = await lines(workspace, FILE)
    assert again[0] == "create team research/core"
    assert len(again) == 7
    await Teams(workspace.registry).delete(SYSTEM, "core")
    emptied = "organisations: [{name: research, users: [{name: ada}, {name: bob}]}]\n"
    left = await lines(workspace, emptied, prune=True)
    assert not any("core" in line for line in left)


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        ("name: core", "name: ' core'", 14, "without blanks"),
        ("user: bob", "user: nobody", 18, "no user `nobody`"),
        ("amount: 12.50", "amount: a lot", 21, "not an amount"),
        ("currency: EUR", "currency: euros", 21, "not a currency"),
        ("role: admin", "role: emperor", 17, "Invalid enum value"),
        ('url: "https://example.com/all"', "url: nowhere", 30, "https://"),
        ("amount: 10}", "amount: -1}", 12, "A limit is 0"),
        ("name: bob", "name: ada", 11, "declared twice"),
        ("members:", "member:", 17, "'member' is not known here"),
        (
            "limits: [{dimension: requests_per_minute, amount: 3}]",
            "budgets: [{amount: 3, period: day}]",
            26,
            "'budgets'",
        ),
        ("requests_per_minute, amount: 3}", "concurrent_requests, amount: 3, multipliers: {m: 2}}", 26, "one place"),
        ("[budget.threshold_reached]", "[everything]", 28, "no event `everything`"),
        ("webhooks:\n  - {name: ops", "webhook:\n  - {name: ops", 30, "'webhook' is not known here"),
    ],
)
async def test_a_mistake_is_named_with_its_line_and_nothing_is_changed(
    workspace: Workspace, before: str, after: str, line: int, message: str
) -> None:
    assert before in FILE
    unchanged = await contents(workspace)
    with pytest.raises(ConfigurationError, match=rf"declared\.yaml:{line}: .*{message}"):
        await bring(workspace, FILE.replace(before, after, 1))
    assert await contents(workspace) == unchanged


async def test_a_service_account_stays_in_its_team(workspace: Workspace) -> None:
    text = "organisations: [{name: a, teams: [{name: t, service_accounts: [{name: ci}]}, {name: u}]}]\n"
    await bring(workspace, text)
    moved = "organisations: [{name: a, teams: [{name: t}, {name: u, service_accounts: [{name: ci}]}]}]\n"
    with pytest.raises(ConfigurationError, match="another team's"):
        await bring(workspace, moved)


async def test_nobody_applies_what_he_may_not_do_by_hand(world: World) -> None:
    boss = await world.act_as(world.ours.boss)
    source, declarations = read(world.workspace, "organisations: [{name: ours, teams: [{name: new}]}]\n")
    plan = await apply(world.registry, boss, source, declarations, prune=False, is_dry_run=False)
    assert plan.lines == ["adopt organisation ours", "create team ours/new"]
    source, declarations = read(world.workspace, "organisations: [{name: theirs, teams: [{name: new}]}]\n")
    with pytest.raises(ConfigurationError) as refused:
        await apply(world.registry, boss, source, declarations, prune=False, is_dry_run=False)
    assert isinstance(refused.value.__cause__, NotAllowed)


async def test_a_capture_policy_is_declared_whole_and_left_alone_where_it_is_not(workspace: Workspace) -> None:
    said = "organisations: [{name: research, capture: {is_on: true, redacted: [user]}}]"
    assert await lines(workspace, said) == ["create organisation research"]
    assert await lines(workspace, said) == []
    assert await lines(workspace, "organisations: [{name: research}]") == []
    (organisation,) = await Organisations(workspace.registry).everything(SYSTEM)
    assert organisation.capture == CapturePolicy(is_on=True, redacted=("user",))
    (line,) = await lines(workspace, "organisations: [{name: research, capture: null}]")
    assert line.startswith("change organisation research: capture {")
    assert line.endswith("-> null")
    for wrong, message in (
        ("{is_on: true, retention_days: 0}", "1 to 3650 days"),
        ("{is_on: true, redacted: [a..b]}", "names no member"),
        ("{retention_days: 9}", "is_on"),
        ("{is_on: true, retention: 9}", "retention"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            await bring(workspace, f"organisations: [{{name: research, capture: {wrong}}}]")
