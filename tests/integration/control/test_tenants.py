"""No use case leads from one organisation into another, and each role stays within its own."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from tests.integration.control.conftest import Tenant, World

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.allowances import Budgets, Limits, ModelRules, NewBudget, NewLimit, NewModelRule
from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.audit import AuditLog
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.terms import TermsOfService
from aqueduct.control.users import NewUser, Users
from aqueduct.domain.actor import SYSTEM, Actor
from aqueduct.domain.budget import Period
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.domain.limit import Dimension
from aqueduct.domain.subject import SubjectType
from aqueduct.errors import NotAllowed, NotFound

LIMIT = NewLimit(dimension=Dimension.REQUESTS_PER_MINUTE, amount=10)
BUDGET = NewBudget(amount=Decimal(5), period=Period.MONTH)
CHANGES: dict[type[Aggregate[Any]], dict[str, object]] = {
    Organisations: {"name": "taken over"},
    Teams: {"name": "taken over"},
    Users: {"role": "member"},
    Memberships: {"role": "admin"},
    ServiceAccounts: {"name": "taken over"},
    ApiTokens: {"name": "taken over"},
    ModelRules: {"allow": None},
    Limits: {"amount": 10**6},
    Budgets: {"amount": "1000000"},
}


async def everything_of(world: World, tenant: Tenant) -> dict[type[Aggregate[Any]], str]:
    """Make one of each kind in a tenant; return their ids."""
    registry, team = world.registry, tenant.team.id
    created = await world.issue(name="theirs", user=tenant.member.id, team=team)
    rule = await ModelRules(registry).create(SYSTEM, SubjectType.TEAM, team, NewModelRule(deny=("x",)))
    return {
        Organisations: tenant.organisation.id,
        Teams: team,
        Users: tenant.member.id,
        Memberships: f"{team}/{tenant.member.id}",
        ServiceAccounts: tenant.account.id,
        ApiTokens: created.api_token.id,
        ModelRules: rule.id,
        Limits: (await Limits(registry).create(SYSTEM, SubjectType.TEAM, team, LIMIT)).id,
        Budgets: (await Budgets(registry).create(SYSTEM, SubjectType.TEAM, team, BUDGET)).id,
    }


@pytest.mark.parametrize("role", ["boss", "lead", "member"])
async def test_nothing_of_another_tenant_is_seen_or_touched(world: World, role: str) -> None:
    foreign = await everything_of(world, world.theirs)
    await everything_of(world, world.ours)
    actor = await world.act_as(getattr(world.ours, role))
    for kind, reference in foreign.items():
        use_cases = kind(world.registry)
        attempts: list[Callable[[], Awaitable[object]]] = [
            partial(use_cases.read, actor, reference),
            partial(use_cases.change, actor, reference, CHANGES[kind]),
            partial(use_cases.delete, actor, reference),
        ]
        for attempt in attempts:
            with pytest.raises(NotFound):
                await attempt()
        seen = await use_cases.everything(actor)
        tenants = {getattr(each, "organisation_id", None) or each.id for each in seen}
        assert tenants <= {world.ours.organisation.id}, kind
    assert {entry.organisation_id async for entry in AuditLog(world.registry).export(actor)} <= {
        world.ours.organisation.id
    }


@pytest.mark.parametrize("role", ["boss", "lead", "member"])
async def test_nothing_can_be_made_in_another_tenant(world: World, role: str) -> None:
    actor, theirs, registry = await world.act_as(getattr(world.ours, role)), world.theirs, world.registry
    attempts: list[Awaitable[object]] = [
        Teams(registry).create(actor, "x", organisation=theirs.organisation.id),
        Users(registry).create(actor, NewUser(name="x"), organisation=theirs.organisation.id),
        Memberships(registry).create(actor, theirs.team.id, getattr(world.ours, role).id),
        ServiceAccounts(registry).create(actor, "x", team=theirs.team.id),
        ApiTokens(registry).issue(actor, NewApiToken(name="x", user=theirs.member.id)),
        ApiTokens(registry).issue(actor, NewApiToken(name="x", service_account=theirs.account.id)),
        ApiTokens(registry).issue(actor, NewApiToken(name="x", user=actor.id, team=theirs.team.id)),
        ModelRules(registry).create(actor, SubjectType.USER, theirs.member.id, NewModelRule()),
        Limits(registry).create(actor, SubjectType.END_USER, f"{theirs.organisation.id}/*", LIMIT),
        Budgets(registry).create(actor, SubjectType.ORGANISATION, theirs.organisation.id, BUDGET),
        TermsOfService(registry).publish(actor, "x", organisation=theirs.organisation.id),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(NotAllowed):
        await Organisations(registry).create(actor, "x")
    with pytest.raises(NotAllowed):
        await ApiTokens(registry).issue(actor, NewApiToken(name="of nobody", scopes=("admin",)))


async def test_a_foreign_user_is_not_taken_into_a_team(world: World) -> None:
    lead = await world.act_as(world.ours.lead)
    with pytest.raises(NotFound):
        await Memberships(world.registry).create(lead, world.ours.team.id, world.theirs.member.id)


async def test_a_team_is_led_by_its_admin(world: World) -> None:
    ours, registry = world.ours, world.registry
    lead = await world.act_as(ours.lead)
    await Memberships(registry).create(lead, ours.team.id, "boss")
    account = await ServiceAccounts(registry).create(lead, "deploy", team="core")
    await ApiTokens(registry).issue(lead, NewApiToken(name="x", service_account=account.id))
    member = await world.act_as(ours.member)
    issued = await ApiTokens(registry).issue(member, NewApiToken(name="x", user="member", team="core"))
    limit = await Limits(registry).create(lead, SubjectType.API_TOKEN, issued.api_token.id, LIMIT)
    await Limits(registry).change(lead, limit.id, {"amount": 5})
    for attempt in (
        ApiTokens(registry).issue(lead, NewApiToken(name="y", user="member", team="core")),
        ApiTokens(registry).regenerate(lead, issued.api_token.id),
        Users(registry).create(lead, NewUser(name="x")),
        Teams(registry).create(lead, "x"),
        Teams(registry).delete(lead, "core"),
        Users(registry).change(lead, ours.member.id, {"role": "admin"}),
        ModelRules(registry).create(lead, SubjectType.TEAM, "core", NewModelRule()),
    ):
        with pytest.raises(NotAllowed):
            await attempt


async def test_what_the_organisation_has_set_its_teams_only_tighten(world: World) -> None:
    ours, registry = world.ours, world.registry
    boss, lead = await world.act_as(ours.boss), await world.act_as(ours.lead)
    limits = Limits(registry)
    above = await limits.create(boss, SubjectType.TEAM, ours.team.id, LIMIT)
    assert (await limits.read(lead, above.id)).amount == 10
    for attempt in (limits.change(lead, above.id, {"amount": 99}), limits.delete(lead, above.id)):
        with pytest.raises(NotAllowed):
            await attempt
    own = await limits.create(lead, SubjectType.TEAM, ours.team.id, LIMIT)
    await limits.change(boss, own.id, {"amount": 7})
    with pytest.raises(NotAllowed):
        await limits.change(lead, own.id, {"amount": 8})


async def test_nobody_lifts_anybody_above_himself(world: World) -> None:
    ours, registry = world.ours, world.registry
    boss = await world.act_as(ours.boss)
    admin = await Users(registry).create(
        SYSTEM, NewUser(name="root", role=Role.ADMIN), organisation=ours.organisation.id
    )
    for attempt in (
        Users(registry).create(boss, NewUser(name="x", role=Role.ADMIN)),
        Users(registry).change(boss, ours.member.id, {"role": "admin"}),
        Users(registry).change(boss, admin.id, {"role": "member"}),
        Users(registry).delete(boss, admin.id),
        ApiTokens(registry).issue(boss, NewApiToken(name="x", user=admin.id)),
    ):
        with pytest.raises(NotAllowed):
            await attempt


async def test_a_token_that_opens_more_is_not_taken_by_a_teams_admin(world: World) -> None:
    ours, tokens = world.ours, world.workspace.api_tokens
    lead = await world.act_as(ours.lead)
    await Memberships(world.registry).create(SYSTEM, ours.team.id, ours.boss.id, role=TeamRole.MEMBER)
    high = await world.issue(name="boss's", user=ours.boss.id, team=ours.team.id)
    scoped = await world.issue(name="scoped", service_account=ours.account.id, scopes=("usage:read",))
    for token_id in (high.api_token.id, scoped.api_token.id):
        for attempt in (
            tokens.rotate(lead, token_id),
            tokens.regenerate(lead, token_id),
            tokens.revoke(lead, token_id),
        ):
            with pytest.raises(NotAllowed):
                await attempt
    with pytest.raises(NotAllowed):
        await tokens.issue(lead, NewApiToken(name="x", service_account="ci", scopes=("usage:read",)))


async def test_scopes_narrow_and_are_not_handed_out_by_who_has_them_not(world: World) -> None:
    ours, tokens = world.ours, world.workspace.api_tokens
    narrow = await world.act_as(ours.boss, "api_tokens:write")
    full = await world.issue(name="full", user=ours.boss.id, scopes=("admin",))
    made = await tokens.issue(narrow, NewApiToken(name="x", user=ours.boss.id, scopes=("api_tokens:read",)))
    for attempt in (
        tokens.issue(narrow, NewApiToken(name="y", user=ours.boss.id, scopes=("admin",))),
        tokens.change(narrow, made.api_token.id, {"scopes": ["admin"]}),
        tokens.regenerate(narrow, full.api_token.id),
    ):
        with pytest.raises(NotAllowed):
            await attempt
    with pytest.raises(NotFound):
        await Teams(world.registry).read(narrow, ours.team.id)
    reader = await world.act_as(ours.boss, "teams:read")
    assert [team.name for team in await Teams(world.registry).everything(reader)] == ["core"]
    with pytest.raises(NotAllowed):
        await Teams(world.registry).change(reader, ours.team.id, {"name": "x"})


async def test_a_member_has_his_own_tokens_and_nobody_elses(world: World) -> None:
    ours, tokens = world.ours, world.workspace.api_tokens
    member: Actor = await world.act_as(ours.member)
    others = await world.issue(name="lead's", user=ours.lead.id, team=ours.team.id)
    own = await tokens.issue(member, NewApiToken(name="mine", user=ours.member.id, team="core"))
    assert own.api_token.created_by == ours.member.id
    assert {each.user_id for each in await tokens.list(member)} == {ours.member.id}
    await tokens.regenerate(member, "mine")
    with pytest.raises(NotFound):
        await tokens.revoke(member, others.api_token.id)
    with pytest.raises(NotFound):
        await tokens.issue(member, NewApiToken(name="x", user=ours.lead.id))
    with pytest.raises(NotAllowed):
        await tokens.issue(member, NewApiToken(name="x", service_account="ci"))


async def test_terms_are_accepted_by_oneself_and_only_the_newest(world: World) -> None:
    terms = TermsOfService(world.registry)
    boss, member = await world.act_as(world.ours.boss), await world.act_as(world.ours.member)
    with pytest.raises(NotAllowed):
        await terms.publish(member, "Mine.")
    first = await terms.publish(boss, "One.")
    second = await terms.publish(boss, "Two.")
    assert (first.number, second.number) == (1, 2)
    with pytest.raises(Exception, match="newer version"):
        await terms.accept(member, first.id)
    accepted = await terms.accept(member, second.id)
    assert (accepted.user_id, accepted.address) == (world.ours.member.id, "192.0.2.1")
    assert await terms.accept(member, second.id) == accepted
    stranger = await world.act_as(world.theirs.member)
    for nobody in (stranger, SYSTEM):
        with pytest.raises(NotFound):
            await terms.accept(nobody, second.id)
