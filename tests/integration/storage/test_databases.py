"""Copies, backups and restores, between both engines."""

import hashlib
import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.postgres_server import PostgresServer
from tests.usage_records import exported, ship, usage_record

from aqueduct.control.audit import AuditLog
from aqueduct.control.databases import back_up, copy_to, restore
from aqueduct.control.usage import summarise
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.errors import AlreadyExists, ConfigurationError
from aqueduct.settings import Settings
from aqueduct.storage.api_tokens import ApiTokenStore
from aqueduct.storage.pages import Listing
from aqueduct.storage.tables import usage_requests


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})


def quiet(_table: str, _rows: int) -> None:
    """Show nothing."""


async def content(workspace: Workspace) -> list[object]:
    """Return everything that a person can see of the database."""
    records: list[object] = list(await exported(workspace.database))
    sums: list[object] = [each async for each in summarise(workspace.database, since=0, by=("day", "model", "token"))]
    return [*records, *sums, *await workspace.api_tokens.list(SYSTEM)]


async def fill(workspace: Workspace) -> str:
    """Make a token, some with lists, and records; return the token's value."""
    created = await workspace.api_tokens.create("one", allowed_models=["a", "b-*"])
    await workspace.api_tokens.create("two", expires_at=time.time() + 1000)
    now = time.time()
    owned = {"api_token_id": created.api_token.id, "end_user": "snow \u2603"}
    await ship(workspace, *(usage_record(now - number, **owned) for number in range(1200)))
    return created.value


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_a_copy_has_all_that_the_original_has(
    workspace: Workspace, postgres: PostgresServer, tmp_path: Path, engine: str
) -> None:
    value = await fill(workspace)
    url = postgres.create_database() if engine == "postgresql" else f"sqlite:///{tmp_path}/copy.db"
    counts = await copy_to(workspace, url, quiet)
    assert (counts["usage_requests"], counts["api_tokens"]) == (1200, 2)
    with pytest.raises(AlreadyExists, match="--replace"):
        await copy_to(workspace, url, quiet)
    assert await copy_to(workspace, url, quiet, replaces=True) == counts
    settings = Settings.model_validate({"data_dir": workspace.directory.path, "database_url": url})
    async with create_workspace(settings) as copy:
        assert await content(copy) == await content(workspace)
        assert await ApiTokenStore(copy.database, copy.keys).find(value) is not None


async def test_a_backup_is_one_private_file_and_brings_everything_back(workspace: Workspace, tmp_path: Path) -> None:
    await fill(workspace)
    before = await content(workspace)
    file = tmp_path / "backup.db"
    await back_up(workspace, file, quiet)
    assert [name for name in os.listdir(tmp_path) if name.startswith("backup")] == ["backup.db"]  # noqa: PTH208 - a test may block
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(AlreadyExists):
        await back_up(workspace, file, quiet)
    await ship(workspace, usage_record(time.time()))
    await workspace.api_tokens.revoke(SYSTEM, "one")
    with pytest.raises(AlreadyExists):
        await restore(workspace, SYSTEM, file, quiet)
    revision = workspace.revision.read()
    await restore(workspace, SYSTEM, file, quiet, replaces=True)
    assert await content(workspace) == before
    (entry,) = (await AuditLog(workspace.registry).page(SYSTEM, Listing(sort="-happened_at", size=1))).items
    assert (entry.action, entry.object_type, entry.object_id) == ("restore", "database", "backup.db")
    assert entry.after is not None
    assert entry.after["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert entry.after["file"] == str(file)
    assert workspace.revision.read() == revision + 1
    assert list(workspace.directory.path.glob("restore*")) == []


async def test_a_backup_is_taken_while_records_are_being_written(workspace: Workspace, tmp_path: Path) -> None:
    await fill(workspace)
    async with workspace.database.writing() as connection:
        await connection.execute(sa.delete(usage_requests))
        await back_up(workspace, tmp_path / "backup.db", quiet)
    assert (await restore(workspace, SYSTEM, tmp_path / "backup.db", quiet, replaces=True))["usage_requests"] == 1200


async def test_what_is_no_backup_is_refused_and_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    await workspace.api_tokens.create("one")
    (tmp_path / "other").write_bytes(b"something else")
    for name in ("other", "missing"):
        with pytest.raises(ConfigurationError, match="is not a backup"):
            await restore(workspace, SYSTEM, tmp_path / name, quiet, replaces=True)
    assert len(await workspace.api_tokens.list(SYSTEM)) == 1
