"""The database as a whole: its migrations, its transactions, and what is said when it is not ours."""

import asyncio
import os
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import repeat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from aqueduct.control.workspace import Workspace, create_workspace, open_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.errors import ConfigurationError
from aqueduct.settings import Settings
from aqueduct.storage.database import open_database, turn_on_wal
from aqueduct.storage.directory import DataDirectory
from aqueduct.storage.migrate import alembic_config, migrate
from aqueduct.storage.tables import SCHEMA_VERSION, api_tokens, metadata, schema_version


def test_the_version_the_code_expects_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [SCHEMA_VERSION]


async def test_the_migrations_make_exactly_the_tables_that_queries_use(workspace: Workspace) -> None:
    def compare(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": schema_version.name})
        return [change for change in compare_metadata(context, metadata) if schema_version not in change]

    async with workspace.database.reading() as connection:
        assert await connection.run_sync(compare) == []


async def test_migrating_again_changes_nothing(workspace: Workspace) -> None:
    created = await workspace.api_tokens.create("one")
    await migrate(workspace.database, workspace.directory)
    assert await workspace.api_tokens.list(SYSTEM) == [created.api_token]


async def test_everything_in_the_data_directory_is_private(settings: Settings) -> None:
    before = os.umask(0)
    try:
        async with create_workspace(settings) as workspace:
            await workspace.api_tokens.create("one")
            files = [settings.data_dir, *settings.data_dir.rglob("*")]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    finally:
        os.umask(before)
    assert {name for name, mode in modes.items() if mode & 0o077} == set()
    assert "aqueduct.db-wal" in modes


async def test_a_command_makes_no_data_directory(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="There is no data directory"):
        async with open_workspace(settings):
            pass
    assert not DataDirectory(settings.data_dir).path.exists()


async def test_a_command_refuses_a_database_of_another_version(settings: Settings) -> None:
    async with create_workspace(settings) as workspace, workspace.database.writing() as connection:
        await connection.execute(sa.update(schema_version).values(version_num="0000"))
    with pytest.raises(ConfigurationError, match="Start `aqueduct serve`"):
        async with open_workspace(settings):
            pass


async def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"file/data cannot be written: Not a directory"):
        async with create_workspace(Settings(data_dir=tmp_path / "file" / "data")):
            pass


@pytest.mark.parametrize(
    "url", ["mysql://db/x", "nonsense", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg:hunter2"]
)
def test_a_url_that_means_nothing_is_an_error_that_does_not_show_it(tmp_path: Path, url: str) -> None:
    settings = Settings.model_validate({"database_url": url})
    with pytest.raises(ConfigurationError, match="AQUEDUCT_DATABASE_URL") as caught:
        open_database(settings, DataDirectory(tmp_path))
    assert "hunter2" not in str(caught.value)


async def test_a_database_that_cannot_be_reached_is_named_at_the_start(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path / "data", "database_url": f"sqlite:///{tmp_path}/no/a.db"})
    with pytest.raises(ConfigurationError, match=r"does not answer: unable to open .*AQUEDUCT_DATABASE_URL"):
        async with create_workspace(settings):
            pass


async def test_a_failed_transaction_leaves_nothing(workspace: Workspace) -> None:
    async def fail() -> None:
        async with workspace.database.writing() as connection:
            await connection.execute(sa.delete(schema_version))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await workspace.database.require_current_schema()


async def test_writers_queue_and_readers_do_not_wait_for_them(workspace: Workspace) -> None:
    names = [f"token {number}" for number in range(20)]
    async with workspace.database.writing() as connection:
        waiting = [asyncio.ensure_future(workspace.api_tokens.create(name)) for name in names]
        await connection.execute(sa.delete(api_tokens))
        assert await workspace.api_tokens.list(SYSTEM) == []
    await asyncio.gather(*waiting)
    assert sorted(each.name for each in await workspace.api_tokens.list(SYSTEM)) == sorted(names)


def test_connections_that_are_the_first_at_once_all_get_the_write_ahead_log(tmp_path: Path) -> None:
    def turn_on(file: Path, barrier: threading.Barrier) -> str:
        barrier.wait()
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            turn_on_wal(connection.cursor())
            connection.execute("BEGIN IMMEDIATE")
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    with ThreadPoolExecutor(6) as threads:
        for number in range(50):  # without the waiting, one of eight rounds fails
            arguments = repeat(tmp_path / f"{number}.sqlite"), repeat(threading.Barrier(6), 6)
            assert list(threads.map(turn_on, *arguments)) == ["wal"] * 6
