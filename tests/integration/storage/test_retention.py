"""Pruning raw records, on both engines."""

import asyncio
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.usage_records import exported, ship, usage_record

from aqueduct.control.usage import summarise
from aqueduct.control.workspace import Workspace
from aqueduct.settings import Settings
from aqueduct.storage import retention
from aqueduct.storage.retention import DAY_SECONDS, Retention
from aqueduct.storage.tables import end_user_rollups, usage_attempts

NOW = 1_790_000_000.0


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})


async def count(workspace: Workspace, table: sa.Table) -> int:
    async with workspace.database.reading() as connection:
        return await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def test_old_records_go_and_their_sums_stay(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_ROWS", 7)
    old = [usage_record(NOW - (31 + number) * DAY_SECONDS, end_user=f"u{number}") for number in range(20)]
    new = [usage_record(NOW - 29.9 * DAY_SECONDS + number, end_user="new") for number in range(5)]
    await ship(workspace, *old, *new)
    assert await Retention(workspace.database, 30, clock=lambda: NOW).prune() == 20
    assert {each["id"] for each in await exported(workspace.database)} == {each.id for each in new}
    assert await count(workspace, usage_attempts) == 5
    assert await count(workspace, end_user_rollups) == 1
    (summary,) = [each async for each in summarise(workspace.database, since=0, by=("model",))]
    assert summary.requests == 25


async def test_writers_get_through_while_it_prunes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_ROWS", 50)
    await ship(workspace, *(usage_record(NOW + number) for number in range(2000)))
    pruning = asyncio.ensure_future(Retention(workspace.database, 1, clock=lambda: NOW + 10 * DAY_SECONDS).prune())
    waits = []
    while not pruning.done():
        began = time.perf_counter()
        async with workspace.database.writing() as connection:
            await connection.execute(sa.update(usage_attempts).where(sa.false()).values(error=None))
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.001)
    assert await pruning == 2000
    assert len(waits) > 20
