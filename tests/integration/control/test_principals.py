"""What a look-up of a token's value gives the gateway."""

import time
from decimal import Decimal

import pytest
import sqlalchemy as sa
from tests.integration.control.conftest import Tenant, World

from aqueduct.control.allowances import Budgets, Limits, ModelRules, NewBudget, NewLimit, NewModelRule
from aqueduct.control.issuance import issue
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.terms import TermsOfService
from aqueduct.control.users import Users
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.budget import Period
from aqueduct.domain.identity import Role
from aqueduct.domain.limit import Dimension
from aqueduct.domain.principal import Principal, TermsState
from aqueduct.domain.subject import SubjectType

REQUESTS = Dimension.REQUESTS_PER_MINUTE


def subjects(tenant: Tenant) -> dict[SubjectType, str]:
    return {
        SubjectType.ORGANISATION: tenant.organisation.id,
        SubjectType.TEAM: tenant.team.id,
        SubjectType.USER: tenant.member.id,
        SubjectType.SERVICE_ACCOUNT: tenant.account.id,
        SubjectType.END_USER: f"{tenant.organisation.id}/*",
    }


async def limit_everybody(world: World, tenant: Tenant) -> None:
    for amount, (kind, reference) in enumerate(subjects(tenant).items(), start=1):
        limit = NewLimit(dimension=REQUESTS, amount=amount)
        await Limits(world.registry).create(SYSTEM, kind, reference, limit)
        if kind is not SubjectType.END_USER:
            budget = NewBudget(amount=Decimal(amount), period=Period.MONTH)
            await Budgets(world.registry).create(SYSTEM, kind, reference, budget)


def limited(principal: Principal) -> set[SubjectType]:
    assert {limit.organisation_id for limit in principal.limits} <= {principal.organisation_id}
    return {limit.subject_type for limit in principal.limits}


async def test_a_users_token_has_his_owners_roles_and_teams(world: World) -> None:
    ours = world.ours
    other = await Teams(world.registry).create(SYSTEM, "other", organisation=ours.organisation.id)
    await Memberships(world.registry).create(SYSTEM, other.id, ours.lead.id)
    created = await world.issue(name="x", user=ours.lead.id, team=other.id, scopes=("admin",))
    found = await world.look_up(created.value)
    assert (found.id, found.name) == (created.api_token.id, "lead")
    assert (found.organisation_id, found.team_id, found.user_id) == (ours.organisation.id, other.id, ours.lead.id)
    assert found.service_account_id is None
    assert found.team_ids == {ours.team.id, other.id}
    assert found.led_team_ids == {ours.team.id}
    assert found.role is Role.MEMBER
    assert found.scopes == {"admin"}
    assert found.is_usable(time.time())


async def test_a_service_accounts_token_has_the_accounts_team(world: World) -> None:
    ours = world.ours
    found = await world.look_up((await world.issue(name="x", service_account=ours.account.id)).value)
    assert (found.organisation_id, found.team_id) == (ours.organisation.id, ours.team.id)
    assert (found.user_id, found.service_account_id) == (None, ours.account.id)
    assert found.team_ids == {ours.team.id}


async def test_the_limits_and_budgets_of_every_owner_apply_and_no_others(world: World) -> None:
    for tenant in (world.ours, world.theirs):
        await limit_everybody(world, tenant)
    wanted = NewApiToken(name="x", user=world.ours.member.id, team=world.ours.team.id)
    own = [
        NewLimit(dimension=Dimension.INPUT_TOKENS_PER_MINUTE, amount=2, model_pattern="gpt-*", multipliers={"a": 1.5})
    ]
    budget = NewBudget(amount=Decimal("0.05"), period=Period.DAY, currency="EUR", time_zone="Europe/Vienna")
    created = await issue(world.registry, SYSTEM, wanted, limits=own, budgets=[budget])
    found = await world.look_up(created.value)
    everything = {SubjectType.ORGANISATION, SubjectType.TEAM, SubjectType.USER, SubjectType.API_TOKEN}
    assert limited(found) == everything | {SubjectType.END_USER}
    (limit,) = [each for each in found.limits if each.subject_type is SubjectType.API_TOKEN]
    assert (limit.subject_id, limit.amount, limit.multiplier("a")) == (created.api_token.id, 2, 1.5)
    assert {each.subject_type for each in found.budgets} == everything
    (spendable,) = [each for each in found.budgets if each.subject_type is SubjectType.API_TOKEN]
    assert (spendable.amount, spendable.currency, spendable.time_zone) == (Decimal("0.05"), "EUR", "Europe/Vienna")

    unnamed = await world.look_up((await world.issue(name="y", user=world.ours.member.id)).value)
    assert limited(unnamed) == limited(found) - {SubjectType.API_TOKEN}
    teamless = await world.look_up((await world.issue(name="y", user=world.ours.boss.id)).value)
    assert limited(teamless) == {SubjectType.ORGANISATION, SubjectType.END_USER}
    account = await world.look_up((await world.issue(name="z", service_account=world.ours.account.id)).value)
    assert SubjectType.SERVICE_ACCOUNT in limited(account)
    nobodys = await world.look_up((await world.issue(name="nobody's")).value)
    assert (nobodys.limits, nobodys.budgets, nobodys.organisation_id) == ((), (), None)


async def test_model_rules_narrow_from_the_organisation_down_to_the_token(world: World) -> None:
    ours, rules = world.ours, ModelRules(world.registry)
    wanted = {"user": ours.member.id, "team": ours.team.id}
    created = await world.issue(name="x", allowed_models=("gpt-*", "claude"), **wanted)
    models = ("gpt-4", "gpt-5", "claude", "llama")

    async def usable() -> list[str]:
        found = await world.look_up(created.value)
        return [name for name in models if found.may_use(name)]

    assert await usable() == ["gpt-4", "gpt-5", "claude"]
    await rules.create(SYSTEM, SubjectType.ORGANISATION, ours.organisation.id, NewModelRule(deny=("gpt-5",)))
    assert await usable() == ["gpt-4", "claude"]
    team = await rules.create(SYSTEM, SubjectType.TEAM, ours.team.id, NewModelRule(allow=("gpt-*", "llama")))
    assert await usable() == ["gpt-4"]
    await rules.change(SYSTEM, team.id, {"inherits": False})
    assert await usable() == ["gpt-4", "gpt-5"]
    await rules.delete(SYSTEM, team.id)
    assert await usable() == ["gpt-4", "claude"]


@pytest.mark.parametrize("gone", ["organisation", "team", "user", "inactive", "account"])
async def test_a_token_ends_with_any_of_its_owners(world: World, gone: str) -> None:
    ours, registry = world.ours, world.registry
    person = await world.issue(name="x", user=ours.member.id, team=ours.team.id)
    program = await world.issue(name="x", service_account=ours.account.id)
    seen = world.workspace.revision.read()
    match gone:
        case "organisation":
            await Organisations(registry).delete(SYSTEM, ours.organisation.id)
        case "team":
            await Teams(registry).delete(SYSTEM, ours.team.id)
        case "user":
            await Users(registry).delete(SYSTEM, ours.member.id)
        case "inactive":
            await Users(registry).change(SYSTEM, ours.member.id, {"is_active": False})
        case _:
            await ServiceAccounts(registry).delete(SYSTEM, ours.account.id)
    assert world.workspace.revision.read() > seen
    now = time.time()
    usable = [(await world.look_up(created.value)).is_usable(now) for created in (person, program)]
    assert usable == [gone == "account", gone in {"user", "inactive"}]


async def test_a_token_for_no_team_is_under_the_rules_of_the_team_its_user_is_in_longest(world: World) -> None:
    ours, registry = world.ours, world.registry
    created = await world.issue(name="made before he was in any", user=ours.boss.id)

    async def charged() -> str | None:
        found = await world.look_up(created.value)
        assert {limit.subject_id for limit in found.limits} == {found.team_id} - {None}
        assert {budget.subject_id for budget in found.budgets} == {found.team_id} - {None}
        assert found.may_use("x") is (found.team_id != ours.team.id)
        return found.team_id

    second = await Teams(registry).create(SYSTEM, "second", organisation=ours.organisation.id)
    for team in (ours.team.id, second.id):
        await Limits(registry).create(SYSTEM, SubjectType.TEAM, team, NewLimit(dimension=REQUESTS, amount=5))
        await Budgets(registry).create(
            SYSTEM, SubjectType.TEAM, team, NewBudget(amount=Decimal(5), period=Period.MONTH)
        )
    await ModelRules(registry).create(SYSTEM, SubjectType.TEAM, ours.team.id, NewModelRule(deny=("x",)))
    assert await charged() is None
    await Memberships(registry).create(SYSTEM, ours.team.id, ours.boss.id)
    await Memberships(registry).create(SYSTEM, second.id, ours.boss.id)
    assert await charged() == ours.team.id
    named = await world.look_up((await world.issue(name="named", user=ours.boss.id, team=second.id)).value)
    assert named.team_id == second.id
    await Memberships(registry).delete(SYSTEM, f"{ours.team.id}/{ours.boss.id}")
    assert await charged() == second.id


async def test_who_leaves_a_team_spends_its_money_no_more(world: World) -> None:
    ours = world.ours
    paid = await world.issue(name="paid by the team", user=ours.member.id, team=ours.team.id)
    own = await world.issue(name="own", user=ours.member.id)
    await Memberships(world.registry).delete(SYSTEM, f"{ours.team.id}/{ours.member.id}")
    now = time.time()
    assert not (await world.look_up(paid.value)).is_usable(now)
    assert (await world.look_up(own.value)).is_usable(now)


async def test_terms_are_due_until_the_newest_are_accepted(world: World) -> None:
    ours, terms = world.ours, TermsOfService(world.registry)
    created = await world.issue(name="x", user=ours.member.id)
    program = await world.issue(name="x", service_account=ours.account.id)
    member = await world.act_as(ours.member)

    async def state() -> TermsState:
        return (await world.look_up(created.value)).terms

    assert await state() is TermsState.NONE
    for text in ("Be kind.", "Be kind, and brief."):
        published = await terms.publish(SYSTEM, text, organisation=ours.organisation.id)
        assert await state() is TermsState.DUE
        assert await terms.in_force(member) == published
        await terms.accept(member, published.id)
        assert await state() is TermsState.ACCEPTED
    assert (await world.look_up(program.value)).terms is TermsState.NONE
    await Organisations(world.registry).change(SYSTEM, ours.organisation.id, {"requires_terms": False})
    assert await state() is TermsState.NONE


async def test_a_look_up_is_few_queries(world: World) -> None:
    await limit_everybody(world, world.ours)
    created = await world.issue(name="x", user=world.ours.member.id, team=world.ours.team.id)
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, _p: object, _x: object, _m: bool) -> None:
        statements.append(statement)

    engine = world.workspace.database.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    await world.look_up(created.value)
    sa.event.remove(engine, "before_cursor_execute", note)
    assert len([each for each in statements if each.startswith("SELECT")]) == 6
