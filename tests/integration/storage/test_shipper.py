"""From the journal to the database: everything once, whatever is damaged or away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.usage_records import exported

from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.domain.usage import AttemptRecord, Undelivered, UsageRecord
from aqueduct.settings import Settings
from aqueduct.storage.database import Database, open_database
from aqueduct.storage.directory import DataDirectory
from aqueduct.storage.journal import Journal
from aqueduct.storage.migrate import migrate
from aqueduct.storage.shipper import UNAVAILABLE, Shipper

DEAD = "1700000000000-deadbeef.00000001.jsonl"


def record(identity: str, **changes: object) -> UsageRecord:
    plain = UsageRecord(
        id=identity,
        started_at=1_700_000_000.25,
        operation="chat",
        api_token_id="tok_1",
        request_model="m",
        target="p/m",
        provider="p",
        units={"input_tokens": 3, "output_tokens": 5},
        attempts=[AttemptRecord(target="p/m", provider="p", started_at=1_700_000_000.5, status=200)],
    )
    return msgspec.structs.replace(plain, **changes)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def line(each: UsageRecord | Undelivered) -> bytes:
    return msgspec.json.encode(each) + b"\n"


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})


async def shipped(database: Database) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in await exported(database)}


@contextlib.asynccontextmanager
async def shipping(database: Database, directory: Path) -> AsyncIterator[tuple[Journal, Shipper]]:
    journal = Journal(directory)
    shipper = Shipper(database, journal, directory)
    try:
        yield journal, shipper
    finally:
        await shipper.close(timeout_seconds=30)
        journal.close()


async def test_a_record_becomes_a_row_and_each_attempt_one(workspace: Workspace) -> None:
    failed = AttemptRecord(target="a/m", provider="a", started_at=1.0, error="upstream_unreachable", total_ms=2.5)
    good = AttemptRecord(target="p/m", provider="p", started_at=2.0, status=200, units={"input_tokens": 3})
    async with shipping(workspace.database, workspace.directory.journal) as (journal, shipper):
        journal.record(record("r1", is_stream=True, end_user="someone", attempts=[failed, good]))
        await asyncio.sleep(0)
        await shipper.ship()
        found = (await shipped(workspace.database))["r1"]
    assert found["started_at"] == "2023-11-14T22:13:20.250000Z"
    assert found["units"] == {"input_tokens": 3, "output_tokens": 5}
    assert (found["is_stream"], found["delivered"], found["end_user"]) == (True, True, "someone")
    assert [attempt["error"] for attempt in found["attempts"]] == ["upstream_unreachable", None]
    assert [attempt["units"] for attempt in found["attempts"]] == [{}, {"input_tokens": 3}]


async def test_shipped_segments_are_gone_and_nothing_is_left_at_the_end(workspace: Workspace) -> None:
    directory = workspace.directory.journal
    async with shipping(workspace.database, directory) as (journal, shipper):
        for number in range(300):
            journal.record(record(f"r{number:03}"))
        await asyncio.sleep(0)
        await shipper.ship()
        await journal.record(record("last"))
    assert len(await shipped(workspace.database)) == 301
    assert names_in(directory) == ["journal.lock"]


async def test_a_segment_that_was_committed_but_not_cut_adds_nothing(workspace: Workspace) -> None:
    directory = workspace.directory.journal
    content = line(record("r1")) + line(record("r2"))
    for _ in range(2):
        (directory / DEAD).write_bytes(content)
        async with shipping(workspace.database, directory) as (_, shipper):
            await shipper.ship()
    rows = await shipped(workspace.database)
    assert sorted(rows) == ["r1", "r2"]
    assert [len(row["attempts"]) for row in rows.values()] == [1, 1]


async def test_an_undelivered_request_is_marked_also_in_a_later_segment(workspace: Workspace) -> None:
    async with shipping(workspace.database, workspace.directory.journal) as (journal, shipper):
        await journal.record(record("r1"))
        await shipper.ship()
        journal.record(record("r2"))
        journal.record(Undelivered(undelivered="r2"))
        await journal.record(Undelivered(undelivered="r1"))
        await shipper.ship()
        await journal.record(record("r3"))
    assert {name: row["delivered"] for name, row in (await shipped(workspace.database)).items()} == {
        "r1": False,
        "r2": False,
        "r3": True,
    }


async def test_a_torn_last_line_is_dropped_and_the_others_are_replayed(workspace: Workspace) -> None:
    directory = workspace.directory.journal
    (directory / DEAD).write_bytes(line(record("r1")) + line(record("r2"))[:50])
    async with shipping(workspace.database, directory) as (_, shipper):
        await shipper.ship()
    assert sorted(await shipped(workspace.database)) == ["r1"]


async def test_a_damaged_line_is_set_aside_and_keeps_nothing_back(workspace: Workspace) -> None:
    directory = workspace.directory.journal
    (directory / DEAD).write_bytes(line(record("r1")) + b"\0\0rubbish\n" + line(record("r2")))
    async with shipping(workspace.database, directory) as (_, shipper):
        await shipper.ship()
    assert sorted(await shipped(workspace.database)) == ["r1", "r2"]
    assert (directory / "damaged-lines.txt").read_bytes() == b"\0\0rubbish\n"


async def test_a_line_that_no_database_takes_is_set_aside_and_keeps_nothing_back(workspace: Workspace) -> None:
    directory = workspace.directory.journal
    refused = line(record("r2", status=2**70))
    (directory / DEAD).write_bytes(line(record("r1")) + refused + b"rubbish\n" + line(record("r3")))
    async with shipping(workspace.database, directory) as (_, shipper):
        await shipper.ship()
    assert sorted(await shipped(workspace.database)) == ["r1", "r3"]
    assert (directory / "damaged-lines.txt").read_bytes() == refused + b"rubbish\n"


async def test_while_the_database_is_away_nothing_is_lost_and_the_journal_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    settings = Settings.model_validate({"data_dir": tmp_path / "data", "database_url": f"sqlite:///{place}/a.db"})
    directory = DataDirectory(settings.data_dir)
    directory.create()
    database = open_database(settings, directory)
    try:
        async with shipping(database, directory.journal) as (journal, shipper):
            for number in range(3):
                await journal.record(record(f"r{number}"))
                with pytest.raises(UNAVAILABLE):
                    await shipper.ship()
            assert journal.is_writable
            place.mkdir()
            await migrate(database, directory)
            await shipper.ship()
            assert sorted(await shipped(database)) == ["r0", "r1", "r2"]
    finally:
        await database.close()


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_database_file_that_was_removed_or_replaced_takes_no_records_with_it(
    tmp_path: Path, is_replaced: bool
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    async with create_workspace(settings) as workspace:
        file = workspace.directory.database
        async with shipping(workspace.database, workspace.directory.journal) as (journal, shipper):
            await shipper.ship()
            for path in file.parent.glob("aqueduct.db*"):
                path.unlink()
            if is_replaced:
                file.touch()
            await journal.record(record("r1"))
            with pytest.raises(OSError, match=r"No such file|was replaced"):
                await shipper.ship()
    async with create_workspace(settings) as workspace:
        async with shipping(workspace.database, workspace.directory.journal) as (_, shipper):
            await shipper.ship()
        assert list(await shipped(workspace.database)) == ["r1"]


async def test_what_the_database_did_not_take_at_the_end_is_replayed_at_the_next_start(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path / "data", "database_url": f"sqlite:///{tmp_path}/x/a.db"})
    directory = DataDirectory(settings.data_dir)
    directory.create()
    database = open_database(settings, directory)
    try:
        async with shipping(database, directory.journal) as (journal, _):
            await journal.record(record("r1"))
        (tmp_path / "x").mkdir()
        await migrate(database, directory)
        async with shipping(database, directory.journal) as (_, shipper):
            await shipper.ship()
        assert sorted(await shipped(database)) == ["r1"]
    finally:
        await database.close()


async def test_running_ships_by_itself_and_survives_being_cancelled_at_any_moment(workspace: Workspace) -> None:
    directory = workspace.directory.journal
    async with shipping(workspace.database, directory) as (journal, shipper):
        for number in range(2000):
            journal.record(record(f"r{number:04}"))
        await asyncio.sleep(0)
        running = asyncio.ensure_future(shipper.run())
        while journal.size:  # noqa: ASYNC110 - the very moment after rotation is what is wanted
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await journal.record(record("last"))
    assert len(await shipped(workspace.database)) == 2001


async def test_shipping_leaves_the_event_loop_free(workspace: Workspace) -> None:
    async with shipping(workspace.database, workspace.directory.journal) as (journal, shipper):
        for number in range(3000):
            journal.record(record(f"r{number:04}"))
        await asyncio.sleep(0)
        running = asyncio.ensure_future(shipper.ship())
        turns = 0
        while not running.done():
            await asyncio.sleep(0.001)
            turns += 1
        await running
    # About 45 ms of work, which would be one turn if it held the loop; how long a turn takes is for the benchmark.
    assert turns > 10


async def test_a_segment_that_cannot_be_read_keeps_nothing_else_waiting(workspace: Workspace, tmp_path: Path) -> None:
    directory = workspace.directory.journal
    (directory / DEAD).mkdir()
    async with shipping(workspace.database, directory) as (journal, shipper):
        await journal.record(record("ours"))
        await shipper.ship()
        assert set(await shipped(workspace.database)) == {"ours"}
    assert (directory / DEAD).is_dir()
