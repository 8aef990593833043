"""Captures on both engines: written without waiting, bounded, pruned, copied, and whose policy holds."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.exc import OperationalError
from tests.integration.control.conftest import World
from tests.usage_records import usage_record

from aqueduct.control.captures import Captures
from aqueduct.control.databases import back_up, restore
from aqueduct.control.organisations import Organisations
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.capture import DAY_SECONDS, CapturePolicy, Half, Recorded
from aqueduct.errors import InvalidValue, NotFound
from aqueduct.storage import capture_retention, captures
from aqueduct.storage.capture_retention import CaptureRetention
from aqueduct.storage.captures import CaptureWriter
from aqueduct.storage.pages import Listing
from aqueduct.storage.tables import captures as table

NOW = 1_790_000_000.0
ON = CapturePolicy(is_on=True)


def recorded(started_at: float = NOW, policy: CapturePolicy = ON, text: bytes = b'{"a":1}', **owners: Any) -> Recorded:
    return Recorded(usage_record(started_at, **owners), policy, Half(text, len(text)), None)


async def write(workspace: Workspace, *all_of_them: Recorded) -> None:
    writer = CaptureWriter(workspace.database)
    for each in all_of_them:
        assert writer.hold(each.held_bytes)
        writer.take(each)
    await writer.flush()
    assert writer.held_bytes == 0


async def ids(workspace: Workspace) -> set[str]:
    async with workspace.database.reading() as connection:
        return set(await connection.scalars(sa.select(table.c.id)))


async def test_what_is_written_twice_is_there_once(workspace: Workspace) -> None:
    one = recorded()
    await write(workspace, one)
    await write(workspace, one, recorded(text='{"ä":"\\u0000"}'.encode()))
    assert len(await ids(workspace)) == 2


async def test_what_finds_no_room_is_dropped_counted_and_said_without_its_content(workspace: Workspace) -> None:
    writer = CaptureWriter(workspace.database, max_held_bytes=10)
    assert writer.hold(7)
    assert not writer.hold(7)
    assert (writer.held_bytes, writer.dropped) == (7, 1)
    writer.take(recorded())
    with structlog.testing.capture_logs() as logs:
        await writer.close()
    assert writer.held_bytes == 0
    assert [(each["log_level"], each["captures"]) for each in logs] == [("warning", 1)]
    assert '"a"' not in str(logs)


async def test_no_more_than_so_many_wait(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "MAX_WAITING", 3)
    writer = CaptureWriter(workspace.database)
    for _ in range(5):
        each = recorded()
        writer.hold(each.held_bytes)
        writer.take(each)
    await writer.close()
    assert len(await ids(workspace)) == 3
    assert (writer.held_bytes, writer.dropped) == (0, 2)


async def test_what_the_database_does_not_take_now_goes_on_waiting_and_is_never_logged(workspace: Workspace) -> None:
    async with workspace.database.writing() as connection:
        await connection.execute(sa.text("ALTER TABLE captures RENAME TO away"))
    writer = CaptureWriter(workspace.database)
    each = recorded(text=b'{"a":"whispered"}')
    writer.hold(each.held_bytes)
    writer.take(each)
    with structlog.testing.capture_logs() as logs:
        await writer.close()
    assert [each["captures"] for each in logs] == [1]
    assert "whispered" not in str(logs)
    async with workspace.database.writing() as connection:
        await connection.execute(sa.text("ALTER TABLE away RENAME TO captures"))
    await writer.flush()
    assert len(await ids(workspace)) == 1


async def test_no_error_of_the_database_quotes_a_value(workspace: Workspace) -> None:
    with pytest.raises((OperationalError, sa.exc.DBAPIError)) as caught:
        async with workspace.database.writing() as connection:
            await connection.execute(sa.text("INSERT INTO nowhere VALUES (:said)"), {"said": "whispered"})
    assert "whispered" not in str(caught.value)


async def test_each_capture_goes_when_its_time_is_over(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_retention, "STEP_ROWS", 7)
    week = CapturePolicy(is_on=True, retention_days=7)
    old = [recorded(NOW - (7 + number / 10) * DAY_SECONDS, week) for number in range(20)]
    new = [recorded(NOW - 6.9 * DAY_SECONDS, week), recorded(NOW - 20 * DAY_SECONDS)]
    await write(workspace, *old, *new)
    assert await CaptureRetention(workspace.database, clock=lambda: NOW).prune() == 20
    assert await ids(workspace) == {each.record.id for each in new}


async def test_a_policy_that_is_shortened_acts_on_what_is_there_and_a_tokens_own_keeps_it(world: World) -> None:
    workspace, ours = world.workspace, world.ours.organisation.id
    own = await world.issue(name="own", user=world.ours.member.id, capture=ON)
    plain = await world.issue(name="plain", user=world.ours.member.id)
    at = NOW - 10 * DAY_SECONDS
    kept = recorded(at, organisation_id=ours, api_token_id=own.api_token.id)
    gone = recorded(at, organisation_id=ours, api_token_id=plain.api_token.id)
    theirs = recorded(at, organisation_id=world.theirs.organisation.id, api_token_id="tok_x")
    await write(workspace, kept, gone, theirs)
    await Organisations(world.registry).change(SYSTEM, ours, {"capture": {"is_on": True, "retention_days": 5}})
    await CaptureRetention(workspace.database, clock=lambda: NOW).prune()
    assert await ids(workspace) == {kept.record.id, theirs.record.id}


async def test_what_was_captured_goes_with_its_organisation_but_not_with_its_token(world: World) -> None:
    workspace, now = world.workspace, world.registry.now()
    token = await world.issue(name="t", user=world.theirs.member.id)
    ours = recorded(now, organisation_id=world.ours.organisation.id)
    theirs = recorded(now, organisation_id=world.theirs.organisation.id, api_token_id=token.api_token.id)
    await write(workspace, ours, theirs)
    await workspace.api_tokens.revoke(SYSTEM, token.api_token.id)
    await Organisations(world.registry).delete(SYSTEM, world.ours.organisation.id)
    with pytest.raises(NotFound):
        await Captures(world.registry).read(SYSTEM, ours.record.id)
    await CaptureRetention(workspace.database).prune()
    assert await ids(workspace) == {theirs.record.id}
    assert (await Captures(world.registry).read(SYSTEM, theirs.record.id)).prompt == '{"a":1}'


async def test_nobody_sees_a_capture_of_another_tenant(world: World) -> None:
    now = world.registry.now()
    placed: dict[str, Any] = {"organisation_id": world.theirs.organisation.id, "user_id": world.theirs.member.id}
    theirs = recorded(now, **placed, team_id=world.theirs.team.id)
    await write(world.workspace, theirs)
    for user in (world.ours.boss, world.ours.lead, world.ours.member):
        actor = await world.act_as(user)
        assert (await Captures(world.registry).page(actor)).items == []
        for attempt in (Captures(world.registry).read, Captures(world.registry).delete):
            with pytest.raises(NotFound):
                await attempt(actor, theirs.record.id)
    for user, sees in ((world.theirs.boss, True), (world.theirs.lead, False), (world.theirs.member, True)):
        page = await Captures(world.registry).page(await world.act_as(user))
        assert [each.id for each in page.items] == [theirs.record.id] * sees
    assert await ids(world.workspace) == {theirs.record.id}


async def test_lists_are_in_pages_with_filters(world: World) -> None:
    now = world.registry.now()
    ours = world.ours.organisation.id
    made = [recorded(now - number, organisation_id=ours, model=f"m{number % 2}") for number in range(10)]
    await write(world.workspace, *made)
    boss, found = await world.act_as(world.ours.boss), []
    listing = Listing(sort="-started_at", size=2, filters={"model": "m1"}, since=now - 8)
    while True:
        page = await Captures(world.registry).page(boss, listing)
        found += [each.id for each in page.items]
        if page.next_cursor is None:
            break
        listing = Listing(sort="-started_at", size=2, filters={"model": "m1"}, since=now - 8, cursor=page.next_cursor)
    assert found == [each.record.id for each in made if each.record.model == "m1"][:4]
    with pytest.raises(InvalidValue):
        await Captures(world.registry).page(boss, Listing(sort="-started_at", filters={"nothing": 1}))


async def test_a_principal_carries_what_holds_for_its_token(world: World) -> None:
    inheriting = await world.issue(name="inheriting", user=world.ours.member.id)
    off = await world.issue(name="off", user=world.ours.member.id, capture=CapturePolicy(is_on=False))
    own = await world.issue(name="own", user=world.ours.member.id, capture=CapturePolicy(is_on=True, max_bytes=9))
    nobodys = await world.issue(name="nobodys", capture=ON)
    assert (await world.look_up(inheriting.value)).capture is None
    change = {"capture": {"is_on": True, "redacted": ["user"]}}
    await Organisations(world.registry).change(SYSTEM, world.ours.organisation.id, change)
    found = (await world.look_up(inheriting.value)).capture
    assert found == CapturePolicy(is_on=True, redacted=("user",))
    assert (await world.look_up(off.value)).capture is None
    assert (await world.look_up(own.value)).capture == CapturePolicy(is_on=True, max_bytes=9)
    assert (await world.look_up(nobodys.value)).capture == ON


async def test_captures_and_policies_are_backed_up_and_restored(world: World, tmp_path: Path) -> None:
    workspace = world.workspace
    await Organisations(world.registry).change(SYSTEM, world.ours.organisation.id, {"capture": {"is_on": True}})
    made = [recorded(world.registry.now() - number) for number in range(45)]
    await write(workspace, *made)
    await back_up(workspace, tmp_path / "backup.db", lambda *_: None)
    await Captures(world.registry).delete(SYSTEM, made[0].record.id)
    await restore(workspace, SYSTEM, tmp_path / "backup.db", lambda *_: None, replaces=True)
    assert await ids(workspace) == {each.record.id for each in made}
    assert (await Organisations(world.registry).read(SYSTEM, world.ours.organisation.id)).capture == ON
