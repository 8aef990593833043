"""Sums of usage, on both engines: every record counted once, whatever happens on its way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from aqueduct.control.usage import Grouping, Rank, UsageSummary, parse_groupings, select, summarise, summarise_top
from aqueduct.control.workspace import Workspace
from aqueduct.domain.usage import AttemptRecord, UsageRecord
from aqueduct.errors import InvalidValue
from aqueduct.settings import Settings
from aqueduct.storage.journal import Journal
from aqueduct.storage.shipper import Shipper
from aqueduct.storage.tables import end_user_rollups, usage_rollups

HOUR = 3600.0
NOON = 1_790_000_000 // 86_400 * 86_400 + 12 * HOUR
DEAD = "1700000000000-deadbeef.00000001.jsonl"


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})


def record(identity: str, at: Any = NOON, **changes: object) -> UsageRecord:
    units = {"input_tokens": 10, "output_tokens": 4, "cached_tokens": 2}
    attempt = AttemptRecord(
        target="p/m", provider="p", started_at=at, status=200, units=units, cost_nano=1_500, currency="USD"
    )
    plain = UsageRecord(
        id=identity,
        started_at=at,
        operation="chat",
        api_token_id="tok_1",
        request_model="m",
        target="p/m",
        provider="p",
        units=units,
        cost_nano=1_500,
        currency="USD",
        total_ms=20.4,
        attempts=[attempt],
    )
    return msgspec.structs.replace(plain, **changes)


async def ship(workspace: Workspace, *records: UsageRecord) -> None:
    async with shipping(workspace) as (journal, shipper):
        for each in records:
            journal.record(each)
        await asyncio.sleep(0)
        await shipper.ship()


@contextlib.asynccontextmanager
async def shipping(workspace: Workspace) -> AsyncIterator[tuple[Journal, Shipper]]:
    journal = Journal(workspace.directory.journal)
    shipper = Shipper(workspace.database, journal, workspace.directory.journal)
    try:
        yield journal, shipper
    finally:
        await shipper.close()
        journal.close()


async def sums(
    workspace: Workspace, *by: Grouping, since: float = 0.0, until: float | None = None
) -> dict[tuple[str | None, ...], UsageSummary]:
    return {each.keys: each async for each in summarise(workspace.database, since=since, until=until, by=by)}


async def requests(workspace: Workspace, since: float = 0.0, until: float | None = None) -> int:
    found = await sums(workspace, "model", since=since, until=until)
    return sum(each.requests for each in found.values())


async def test_everything_that_is_summed_is_summed(workspace: Workspace) -> None:
    await ship(workspace, record("r1"), record("r2", status=502, error_code="upstream_timeout"), record("r3"))
    (summary,) = (await sums(workspace, "model", "provider", "token")).values()
    assert summary.keys == ("m", "p", "tok_1")
    assert (summary.requests, summary.errors, summary.duration_ms) == (3, 1, 61)
    assert summary.units["input_tokens"] == 30
    assert summary.units["cached_tokens"] == 6
    assert summary.units["images"] == 0
    assert summary.costs == {"USD": Decimal("0.0000045")}


async def test_owners_are_told_apart_and_any_of_them_may_be_asked_for(workspace: Workspace) -> None:
    owned = {"organisation_id": "o1", "team_id": "t1", "user_id": "u1"}
    await ship(
        workspace,
        record("r1", **owned),
        record("r2", **owned | {"team_id": "t2"}),
        record("r3", organisation_id="o1", service_account_id="s1"),
    )
    assert {keys: each.requests for keys, each in (await sums(workspace, "organisation")).items()} == {("o1",): 3}
    found = await sums(workspace, "team", "user", "service-account")
    assert {keys: each.requests for keys, each in found.items()} == {
        ("t1", "u1", None): 1,
        ("t2", "u1", None): 1,
        (None, None, "s1"): 1,
    }


async def test_a_segment_that_was_committed_but_not_cut_is_counted_once(workspace: Workspace) -> None:
    directory = workspace.directory.journal
    for count in (2, 2, 3):
        lines = [msgspec.json.encode(record(f"r{number}")) + b"\n" for number in range(count)]
        (directory / DEAD).write_bytes(b"".join([*lines, lines[0]]))
        async with shipping(workspace) as (_, shipper):
            await shipper.ship()
        assert await requests(workspace) == count
    assert (await sums(workspace, "target"))[("p/m",)].requests == 3


async def test_lines_that_no_database_takes_are_not_counted_and_the_others_once(workspace: Workspace) -> None:
    refused = msgspec.json.encode(record("r2", status=2**70)) + b"\n"
    good = [msgspec.json.encode(record(name)) + b"\n" for name in ("r1", "r3")]
    for _ in range(2):
        (workspace.directory.journal / DEAD).write_bytes(good[0] + refused + good[1])
        async with shipping(workspace) as (_, shipper):
            await shipper.ship()
    assert await requests(workspace) == 2


async def test_times_are_whole_hours_and_days_are_their_sums(workspace: Workspace) -> None:
    starts = [
        NOON - 30 * HOUR,
        NOON - 20 * HOUR,
        NOON - 12 * HOUR,
        NOON,
        NOON + HOUR - 1,
        NOON + HOUR,
        NOON + 40 * HOUR,
    ]
    await ship(workspace, *(record(f"r{number}", at) for number, at in enumerate(starts)))
    for first, since in enumerate(starts):
        for last, until in enumerate(starts):
            expected = sum(since // HOUR <= at // HOUR < -(-until // HOUR) for at in starts)
            assert await requests(workspace, since, until) == expected, (first, last)
    days = [each.requests for each in (await sums(workspace, "day")).values()]
    assert days == [2, 4, 1]
    assert len(await sums(workspace, "hour")) == 6


async def test_a_name_that_led_nowhere_makes_no_row_of_its_own(workspace: Workspace) -> None:
    nowhere = {"attempts": [], "units": {}, "status": 404, "provider": None, "target": None, "cost_nano": None}
    await ship(
        workspace,
        *(record(f"r{number}", request_model=f"invented-{number}", currency=None, **nowhere) for number in range(5)),
        record("alias", request_model="alias", model="m"),
    )
    found = await sums(workspace, "model")
    assert {keys: each.requests for keys, each in found.items()} == {(None,): 5, ("m",): 1}


async def test_attempts_in_two_currencies_are_each_summed_in_their_own(workspace: Workspace) -> None:
    attempts = [
        AttemptRecord(
            target="a/m", provider="a", started_at=NOON, cost_nano=5, currency="EUR", error="upstream_timeout"
        ),
        AttemptRecord(target="p/m", provider="p", started_at=NOON, cost_nano=7, currency="USD", status=200),
    ]
    await ship(workspace, record("r1", attempts=attempts, cost_nano=None, currency=None, end_user="someone"))
    groups: dict[Grouping, tuple[str]] = {"model": ("m",), "end-user": ("someone",)}
    for by, keys in groups.items():
        found = await sums(workspace, by)
        assert found[keys].requests == 1
        assert found[keys].costs == {"EUR": Decimal("0.000000005"), "USD": Decimal("0.000000007")}
    targets = await sums(workspace, "target")
    assert {keys: (each.requests, each.errors) for keys, each in targets.items()} == {
        ("a/m",): (1, 1),
        ("p/m",): (1, 0),
    }


async def test_end_users_have_rows_of_their_own_by_the_day(workspace: Workspace) -> None:
    await ship(
        workspace, *(record(f"r{number}", NOON + number * HOUR, end_user=f"u{number % 3}") for number in range(9))
    )
    found = await sums(workspace, "end-user")
    assert {keys: each.requests for keys, each in found.items()} == {("u0",): 3, ("u1",): 3, ("u2",): 3}
    async with workspace.database.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(end_user_rollups)) == 3
        assert await connection.scalar(sa.select(sa.func.count()).select_from(usage_rollups)) == 9 + 1


async def test_the_highest_groups_are_found_with_the_sum_of_all(workspace: Workspace) -> None:
    await ship(
        workspace,
        *(record(f"a{each}", user_id="usr_a", api_token_id="tok_a") for each in range(3)),
        *(record(f"b{each}", user_id="usr_b", api_token_id="tok_b") for each in range(2)),
        record("b-dear", NOON + 86_400, user_id="usr_b", api_token_id="tok_b", cost_nano=10**9),
        record("b-euro", user_id="usr_b", api_token_id="tok_b", cost_nano=7, currency="EUR"),
        record("c", user_id="usr_c", api_token_id="tok_c", cost_nano=10**10),
        record("nobody", api_token_id="tok_d"),
    )
    selection = select(since=0.0)

    async def top(by: Grouping, count: int, rank_by: Rank) -> list[tuple[str | None, int]]:
        groups, whole = await summarise_top(workspace.database, selection, (by,), count, rank_by)
        assert (whole.requests, whole.errors) == (9, 0)
        assert groups == [everything[by][each.keys] for each in groups]
        return [(each.keys[0], each.requests) for each in groups]

    everything: dict[Grouping, dict[tuple[str | None, ...], UsageSummary]] = {
        "user": await sums(workspace, "user"),
        "token": await sums(workspace, "token"),
        "target": await sums(workspace, "target"),
    }
    assert await top("user", 2, Rank.REQUESTS) == [("usr_b", 4), ("usr_a", 3)]
    assert await top("user", 9, Rank.COST) == [("usr_c", 1), ("usr_b", 4), ("usr_a", 3), (None, 1)]
    assert await top("token", 1, Rank.COST) == [("tok_c", 1)]
    assert await top("target", 5, Rank.REQUESTS) == [("p/m", 9)]
    narrowed = select(since=0.0, filters={"user_id": "usr_a"})
    groups, whole = await summarise_top(workspace.database, narrowed, ("token",), 5, Rank.REQUESTS)
    assert ([each.keys for each in groups], whole.requests) == ([("tok_a",)], 3)
    for by in (("day",), ("user", "model")):
        with pytest.raises(InvalidValue, match="of one grouping"):
            await summarise_top(workspace.database, selection, parse_groupings(",".join(by)), 5, Rank.COST)


def test_what_is_not_kept_together_is_refused() -> None:
    assert parse_groupings("team, model") == ("team", "model")
    for text in ("colour", "target,team", "end-user,hour", ""):
        with pytest.raises(InvalidValue):
            parse_groupings(text)
