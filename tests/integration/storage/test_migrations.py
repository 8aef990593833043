"""Migrations up and down on both engines, with rows in the tables."""

from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command

from aqueduct.control.usage import summarise
from aqueduct.control.workspace import Workspace
from aqueduct.domain.usage import AttemptRecord, UsageRecord
from aqueduct.settings import Settings
from aqueduct.storage.journal import Journal
from aqueduct.storage.migrate import alembic_config
from aqueduct.storage.shipper import Shipper


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})


def record(number: int) -> UsageRecord:
    units = {"input_tokens": number, "output_tokens": 1}
    attempt = AttemptRecord(target="p/m", provider="p", started_at=1e9, status=200, units=units, total_ms=1.0)
    return UsageRecord(
        id=f"r{number}",
        started_at=1e9 + 5000 * number,
        operation="chat",
        api_token_id="tok_1",
        organisation_id="o1",
        request_model="m",
        provider="p",
        units=units,
        end_user="someone",
        status=200 if number % 2 else 500,
        total_ms=2.0,
        attempts=[attempt],
    )


async def sums(workspace: Workspace) -> list[object]:
    return [
        msgspec.to_builtins(each)
        for by in (("day", "organisation", "model", "provider", "token"), ("hour",), ("target",), ("end-user",))
        async for each in summarise(workspace.database, since=0, by=by)
    ]


async def test_records_are_summed_by_the_migration_as_they_are_afterwards(workspace: Workspace) -> None:
    journal = Journal(workspace.directory.journal)
    shipper = Shipper(workspace.database, journal, workspace.directory.journal)
    for number in range(50):
        journal.record(record(number))
    await journal.record(record(50))
    await shipper.close()
    journal.close()
    before = await sums(workspace)

    def down_and_up(connection: sa.Connection) -> set[str]:
        command.downgrade(alembic_config(connection), "0001")
        tables = set(sa.inspect(connection).get_table_names())
        command.upgrade(alembic_config(connection), "head")
        return tables

    async with workspace.database.writing() as connection:
        assert "usage_rollups" not in await connection.run_sync(down_and_up)
    assert await sums(workspace) == before
    assert len(before) > 20


async def test_everything_can_be_taken_back(workspace: Workspace) -> None:
    def down(connection: sa.Connection) -> set[str]:
        command.downgrade(alembic_config(connection), "0001")
        return set(sa.inspect(connection).get_table_names())

    async with workspace.database.writing() as connection:
        assert await connection.run_sync(down) == {"api_tokens", "usage_attempts", "usage_requests", "schema_version"}
