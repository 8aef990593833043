"""Changes: versions, names, what is remembered of them; and lists in pages."""

import asyncio
import dataclasses
import time
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.integration.control.conftest import World

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.allowances import Budgets, Limits, ModelRules, NewBudget, NewLimit, NewModelRule, parse_amount
from aqueduct.control.api_tokens import ApiTokens, CreatedToken
from aqueduct.control.audit import AuditLog
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.users import NewUser, Users
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.audit import AuditEntry
from aqueduct.domain.budget import Period
from aqueduct.domain.limit import Dimension
from aqueduct.domain.subject import SubjectType
from aqueduct.errors import AlreadyExists, InvalidValue, NotFound, Stale
from aqueduct.storage.api_tokens import mark_used, replace_value
from aqueduct.storage.pages import Listing

REQUESTS = Dimension.REQUESTS_PER_MINUTE


async def log(world: World, **filters: object) -> list[AuditEntry]:
    listing = Listing(sort="happened_at", filters=filters)
    return [entry async for entry in AuditLog(world.registry).export(SYSTEM, listing)]


async def test_of_two_changes_from_one_version_the_second_is_refused(world: World) -> None:
    teams = Teams(world.registry)
    first = await teams.change(SYSTEM, world.ours.team.id, {"name": "one"}, version=1)
    assert (first.name, first.version) == ("one", 2)
    with pytest.raises(Stale):
        await teams.change(SYSTEM, world.ours.team.id, {"name": "two"}, version=1)
    with pytest.raises(Stale):
        await teams.delete(SYSTEM, world.ours.team.id, version=1)
    assert await teams.read(SYSTEM, world.ours.team.id) == first


async def test_parallel_changes_of_one_version_leave_one(world: World) -> None:
    teams = Teams(world.registry)
    names = [f"name {number}" for number in range(8)]
    done = await asyncio.gather(
        *(teams.change(SYSTEM, world.ours.team.id, {"name": name}, version=1) for name in names),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Stale) for each in done) == len(names) - 1
    assert (await teams.read(SYSTEM, world.ours.team.id)).version == 2


async def test_what_was_changed_since_it_was_read_is_not_deleted(world: World) -> None:
    registry = world.registry
    limit = await Limits(registry).create(
        SYSTEM, SubjectType.TEAM, world.ours.team.id, NewLimit(dimension=REQUESTS, amount=1)
    )
    cases: list[tuple[Aggregate[Any], Any]] = [(Teams(registry), world.ours.team), (Limits(registry), limit)]
    for use_cases, item in cases:
        changes = {"name": "newer"} if item is world.ours.team else {"amount": 2}
        newer = await use_cases.change(SYSTEM, item.id, changes)
        with pytest.raises(Stale):
            async with registry.changing(SYSTEM, taken="") as change:
                # As it was read a moment before the other's change; on SQLite the writer's turn rules that out.
                await use_cases.end(change, item)
        assert await use_cases.read(SYSTEM, item.id) == newer


async def test_names_are_unique_in_an_organisation_and_free_again_after(world: World) -> None:
    ours, registry = world.ours, world.registry
    teams, users, accounts = Teams(registry), Users(registry), ServiceAccounts(registry)
    for attempt in (
        Organisations(registry).create(SYSTEM, "ours"),
        teams.create(SYSTEM, "core", organisation=ours.organisation.id),
        users.create(SYSTEM, NewUser(name="boss"), organisation=ours.organisation.id),
        accounts.create(SYSTEM, "ci", team=ours.team.id),
        Memberships(registry).create(SYSTEM, ours.team.id, ours.member.id),
    ):
        with pytest.raises(AlreadyExists):
            await attempt
    await teams.delete(SYSTEM, ours.team.id)
    await teams.create(SYSTEM, "core", organisation=ours.organisation.id)


async def test_a_change_to_a_taken_name_is_refused(world: World) -> None:
    teams = Teams(world.registry)
    other = await teams.create(SYSTEM, "other", organisation=world.ours.organisation.id)
    with pytest.raises(AlreadyExists):
        await teams.change(SYSTEM, other.id, {"name": "core"})
    await world.issue(name="x", user=world.ours.boss.id)
    with pytest.raises(AlreadyExists):
        await world.issue(name="x", user=world.ours.boss.id)
    await world.issue(name="x", user=world.ours.lead.id)


async def test_a_name_that_several_have_is_asked_by_id(world: World) -> None:
    with pytest.raises(InvalidValue, match="Give its id"):
        await Teams(world.registry).read(SYSTEM, "core")
    within = world.theirs.organisation.id
    assert await Teams(world.registry).read(SYSTEM, "core", organisation_id=within) == world.theirs.team


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "usr_2"}, "`id` of a user cannot be changed"),
        ({"role": "emperor"}, "not possible"),
        ({"is_active": "yes"}, "not possible"),
        ({"email": "nobody"}, "not an e-mail"),
        ({"max_api_tokens": -1}, "0 or more"),
        ({"name": " x"}, "without blanks"),
        ({"name": "usr_x"}, "cannot begin with"),
        ({"name": "a\x00b"}, "printable"),
    ],
)
async def test_what_a_user_cannot_be_is_refused(world: World, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        await Users(world.registry).change(SYSTEM, world.ours.member.id, changes)


@pytest.mark.parametrize("reference", ["", "nobody", "usr_0000", "a/b", "\x00", "%", "core' OR 1=1"])
async def test_what_is_not_there_is_not_found(world: World, reference: str) -> None:
    with pytest.raises(NotFound):
        await Users(world.registry).read(SYSTEM, reference)


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "dollars"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"alert_thresholds": (90, 50)},
        {"alert_thresholds": (0,)},
        {"amount": parse_amount("9999999999")},
    ],
)
async def test_a_budget_that_cannot_be_is_refused(world: World, wrong: dict[str, Any]) -> None:
    wanted = msgspec.structs.replace(NewBudget(amount=parse_amount("5"), period=Period.MONTH), **wrong)
    with pytest.raises(InvalidValue):
        await Budgets(world.registry).create(SYSTEM, SubjectType.TEAM, world.ours.team.id, wanted)


async def test_an_end_user_has_neither_budget_nor_model_rule(world: World) -> None:
    whom = f"{world.ours.organisation.id}/*"
    for attempt in (
        Budgets(world.registry).create(
            SYSTEM, SubjectType.END_USER, whom, NewBudget(amount=parse_amount("5"), period=Period.MONTH)
        ),
        ModelRules(world.registry).create(SYSTEM, SubjectType.END_USER, whom, NewModelRule(deny=("x",))),
    ):
        with pytest.raises(InvalidValue, match="service accounts and tokens"):
            await attempt


async def test_money_is_changed_exactly(world: World) -> None:
    budgets = Budgets(world.registry)
    wanted = NewBudget(amount=parse_amount("0.1"), period=Period.MONTH, alert_thresholds=(50, 80))
    made = await budgets.create(SYSTEM, SubjectType.TEAM, world.ours.team.id, wanted)
    changed = await budgets.change(SYSTEM, made.id, {"amount": "123456789.123456789"})
    assert str((await budgets.read(SYSTEM, made.id)).amount) == "123456789.123456789"
    assert changed.alert_thresholds == (50, 80)


async def test_every_change_is_in_the_audit_log_with_what_was_and_what_is(world: World) -> None:
    boss = await world.act_as(world.ours.boss)
    teams, tokens = Teams(world.registry), world.workspace.api_tokens
    team = await teams.create(boss, "new")
    await teams.change(boss, team.id, {"name": "newer"})
    await teams.delete(boss, team.id)
    created, changed, deleted = await log(world, object_id=team.id)
    assert [each.action for each in (created, changed, deleted)] == ["create", "update", "delete"]
    assert {(each.actor_kind, each.actor_id, each.actor_name, each.address) for each in (created, changed)} == {
        ("user", world.ours.boss.id, "boss", "192.0.2.1")
    }
    assert created.before is None
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before["name"], changed.after["name"]) == ("new", "newer")
    assert deleted.after is None

    issued = await tokens.issue(boss, NewApiToken(name="x", user=world.ours.boss.id))
    rotated = await tokens.rotate(boss, issued.api_token.id)
    await tokens.revoke(boss, issued.api_token.id)
    entries = await log(world, object_id=issued.api_token.id)
    assert [each.action for each in entries] == ["create", "rotate", "delete"]
    written = msgspec.json.encode(entries).decode()
    assert issued.value not in written
    assert rotated.value not in written
    assert "hash" not in written


async def test_a_change_that_fails_leaves_no_line(world: World) -> None:
    before = await log(world)
    seen = world.workspace.revision.read()
    with pytest.raises(AlreadyExists):
        await Organisations(world.registry).create(SYSTEM, "ours")
    assert await log(world) == before
    assert world.workspace.revision.read() == seen


async def test_the_quota_of_tokens_holds_in_parallel(world: World) -> None:
    ours, tokens = world.ours, world.workspace.api_tokens
    await Organisations(world.registry).change(SYSTEM, ours.organisation.id, {"max_api_tokens_per_user": 3})
    wanted = [NewApiToken(name=f"token {number}", user=ours.member.id) for number in range(8)]
    done = await asyncio.gather(*(tokens.issue(SYSTEM, each) for each in wanted), return_exceptions=True)
    assert sum(isinstance(each, InvalidValue) for each in done) == 5
    live = await tokens.page(SYSTEM, Listing(filters={"user_id": ours.member.id}))
    assert len(live.items) == 3
    await tokens.revoke(SYSTEM, live.items[0].id)
    await tokens.issue(SYSTEM, NewApiToken(name="one more", user=ours.member.id))
    await Users(world.registry).change(SYSTEM, ours.lead.id, {"max_api_tokens": 0})
    with pytest.raises(InvalidValue, match="may have 0 tokens"):
        await world.issue(name="x", user=ours.lead.id)


async def test_a_token_that_comes_back_counts_as_one_more(world: World) -> None:
    ours, tokens = world.ours, world.workspace.api_tokens
    await Users(world.registry).change(SYSTEM, ours.member.id, {"max_api_tokens": 1})
    now = time.time()
    # What was made an hour ago has expired since.
    earlier = ApiTokens(dataclasses.replace(world.registry, clock=lambda: now - 3600))
    wanted = NewApiToken(name="old", user=ours.member.id, expires_at=now - 60)
    old = (await earlier.issue(SYSTEM, wanted)).api_token
    new = (await world.issue(name="new", user=ours.member.id)).api_token
    for expires_at in (now + 60, None):
        with pytest.raises(InvalidValue, match="may have 1 tokens"):
            await tokens.change(SYSTEM, old.id, {"expires_at": expires_at})
    await tokens.change(SYSTEM, old.id, {"name": "still old"})
    await tokens.change(SYSTEM, new.id, {"expires_at": now + 60})
    await tokens.revoke(SYSTEM, new.id)
    assert (await tokens.change(SYSTEM, old.id, {"expires_at": None})).is_usable(now)


async def test_of_rotations_at_once_one_is_done_and_none_of_a_token_that_is_being_revoked(world: World) -> None:
    tokens = world.workspace.api_tokens
    made = (await world.issue(name="x", user=world.ours.member.id)).api_token
    done = await asyncio.gather(*(tokens.rotate(SYSTEM, made.id) for _ in range(6)), return_exceptions=True)
    assert {type(each) for each in done} <= {CreatedToken, Stale}
    rotated = [each.api_token for each in done if isinstance(each, CreatedToken)]
    assert sorted(each.version for each in rotated) == list(range(2, 2 + len(rotated)))
    newest = (await tokens.read(SYSTEM, made.id)).version
    assert newest == 1 + len(rotated)
    async with world.registry.changing(SYSTEM, taken="") as change:
        before = await tokens.find(change.connection, SYSTEM, made.id)
        assert not await replace_value(
            change.connection, before, world.registry.keys.digest("aq-x"), rotated_at=0.0, previous_expires_at=0.0
        )
        await tokens.end(change, before)
        after = msgspec.structs.replace(before, version=before.version + 1)
        assert not await replace_value(
            change.connection, after, world.registry.keys.digest("aq-x"), rotated_at=0.0, previous_expires_at=0.0
        )


async def test_a_token_is_changed_but_not_into_what_cannot_be(world: World) -> None:
    tokens = world.workspace.api_tokens
    made = (await world.issue(name="x", user=world.ours.member.id)).api_token
    later = round(time.time() + 60)
    changed = await tokens.change(
        SYSTEM, made.id, {"ip_allow_list": ["192.0.2.0/24"], "expires_at": later, "allowed_models": ["a"]}
    )
    assert await tokens.read(SYSTEM, made.id) == changed
    wrongs: tuple[dict[str, object], ...] = (
        {"ip_allow_list": ["here"]},
        {"ip_allow_list": []},
        {"expires_at": 1.0},
        {"scopes": ["everything"]},
        {"allowed_models": [""]},
        {"user_id": world.ours.boss.id},
    )
    for wrong in wrongs:
        with pytest.raises(InvalidValue):
            await tokens.change(SYSTEM, made.id, wrong)


async def test_when_a_token_was_used_is_noted_and_never_goes_back(world: World) -> None:
    tokens, made = world.workspace.api_tokens, (await world.issue(name="x")).api_token
    for instant in (100.5, 50.0):
        await world.workspace.database.write_in_bulk(partial(mark_used, used={made.id: instant}))
    assert await tokens.read(SYSTEM, made.id) == msgspec.structs.replace(made, last_used_at=100.5)


async def test_owners_that_do_not_go_together_are_refused(world: World) -> None:
    ours, theirs = world.ours, world.theirs
    for wrong in (
        {"user": ours.member.id, "service_account": ours.account.id},
        {"team": ours.team.id},
        {"user": ours.boss.id, "team": ours.team.id},
        {"service_account": ours.account.id, "team": theirs.team.id},
    ):
        with pytest.raises(InvalidValue):
            await world.issue(name="x", **wrong)


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at", "email", "-email"])
async def test_a_list_in_pages_has_everything_once_however_it_is_sorted(workspace: Workspace, sort: str) -> None:
    organisation = await Organisations(workspace.registry).create(SYSTEM, "one")
    users = Users(dataclasses.replace(workspace.registry, clock=lambda: 1_800_000_000.0))
    for number in range(7):
        email = None if number % 3 else f"user{number}@example.com"
        await users.create(SYSTEM, NewUser(name=f"user {number}", email=email), organisation=organisation.id)
    listing = Listing(sort=sort, size=2)
    everything = await users.everything(SYSTEM, listing)
    assert sorted(each.name for each in everything) == [f"user {number}" for number in range(7)]
    keys = [(getattr(each, sort.removeprefix("-")) or "", each.id) for each in everything]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


async def test_a_list_is_filtered_and_goes_on_where_it_ended(world: World) -> None:
    users = Users(world.registry)
    ours = Listing(filters={"organisation_id": world.ours.organisation.id}, sort="name", size=2)
    first = await users.page(SYSTEM, ours)
    assert [each.name for each in first.items] == ["boss", "lead"]
    await users.create(SYSTEM, NewUser(name="aaa"), organisation=world.ours.organisation.id)
    second = await users.page(SYSTEM, dataclasses.replace(ours, cursor=first.next_cursor))
    assert ([each.name for each in second.items], second.next_cursor) == (["member"], None)
    assert [each.name for each in await users.everything(SYSTEM, Listing(search="EA"))] == ["lead", "lead"]
    assert await users.everything(SYSTEM, Listing(search="%")) == []


@pytest.mark.parametrize(
    "listing",
    [
        Listing(size=0),
        Listing(size=1001),
        Listing(sort="secret"),
        Listing(filters={"secret": 1}),
        Listing(cursor="nonsense"),
        Listing(cursor="W10"),
        Listing(cursor="WyJuYW1lIiwxLDJd", sort="name"),
        Listing(search="\x00"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(world: World, listing: Listing) -> None:
    with pytest.raises(InvalidValue):
        await Users(world.registry).page(SYSTEM, listing)


async def test_limits_that_cannot_be_are_refused(world: World) -> None:
    for wrong in (
        NewLimit(dimension=Dimension.REQUESTS_PER_MINUTE, amount=-1),
        NewLimit(dimension=Dimension.REQUESTS_PER_MINUTE, amount=1, model_pattern=""),
        NewLimit(dimension=Dimension.REQUESTS_PER_MINUTE, amount=1, multipliers={"a": -1.0}),
        NewLimit(dimension=Dimension.REQUESTS_PER_MINUTE, amount=1, multipliers={"a": float("nan")}),
    ):
        with pytest.raises(InvalidValue):
            await Limits(world.registry).create(SYSTEM, SubjectType.TEAM, world.ours.team.id, wrong)
