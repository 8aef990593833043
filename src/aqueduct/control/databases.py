"""Moving, backing up and restoring what the database holds."""

import asyncio
import hashlib
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.control.registry import new_entry_id
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import Actor
from aqueduct.domain.audit import AuditEntry
from aqueduct.errors import AlreadyExists, ConfigurationError
from aqueduct.settings import Settings
from aqueduct.storage import api_tokens
from aqueduct.storage.aggregates import AUDIT_LOG
from aqueduct.storage.copying import Progress, back_up_sqlite, copy_database, is_empty
from aqueduct.storage.database import Database, open_database
from aqueduct.storage.directory import PRIVATE_FILE
from aqueduct.storage.migrate import migrate

DATABASE = "database"
"""What the audit log calls the whole of it."""
SQLITE = b"SQLite format 3\0"
"""How a SQLite database begins."""


async def copy_to(workspace: Workspace, url: str, progress: Progress, *, replaces: bool = False) -> dict[str, int]:
    """Copy everything to the database at `url`, making its tables; return the counts by table.

    Raises `AlreadyExists` when that has rows already, unless it may be replaced.
    """
    async with opened(workspace, url) as target:
        await migrate(target, workspace.directory)
        await require_empty(target, replaces)
        return await copy_database(workspace.database, target, progress)


async def back_up(workspace: Workspace, file: Path, progress: Progress) -> None:
    """Write everything into one SQLite file, whichever engine it comes from, while the gateway serves.

    The keys that API tokens are hashed with are not in it. Raises `AlreadyExists` when there is such a file.
    """
    path = make_private(file)
    if workspace.database.is_sqlite:
        await asyncio.to_thread(back_up_sqlite, Path(workspace.database.engine.url.database or ""), path)
        return
    async with opened(workspace, f"sqlite:///{path}") as target:
        await migrate(target, workspace.directory)
        await copy_database(workspace.database, target, progress)


async def restore(
    workspace: Workspace, actor: Actor, file: Path, progress: Progress, *, replaces: bool = False
) -> dict[str, int]:
    """Put back what `back_up` wrote, of this version or an earlier one; return the counts by table.

    The audit log says so after what it had in the backup. Raises `AlreadyExists` when the database has rows, unless
    they may be replaced, and `ConfigurationError` when the file is not one.
    """
    require_backup(file)
    await require_empty(workspace.database, replaces)
    # A copy, since it may have to be brought up to date first.
    draft = workspace.directory.path / "restore.db"
    draft.touch(PRIVATE_FILE)
    try:
        await asyncio.to_thread(shutil.copyfile, file, draft)
        backup = await asyncio.to_thread(described, file, draft)

        async def record(connection: AsyncConnection, counts: Mapping[str, int]) -> None:
            await AUDIT_LOG.add(connection, restore_entry(actor, backup, sum(counts.values())))

        async with opened(workspace, f"sqlite:///{draft}") as source:
            await migrate(source, workspace.directory)
            counts = await copy_database(source, workspace.database, progress, record)
    finally:
        for path in workspace.directory.path.glob("restore.db*"):
            path.unlink()
    workspace.revision.bump()
    return counts


def restore_entry(actor: Actor, backup: dict[str, str], rows: int) -> AuditEntry:
    """Return what the audit log says of a restore: who did it, where, and from which file."""
    now = time.time()
    return AuditEntry(
        id=new_entry_id(now),
        happened_at=now,
        actor_kind=actor.kind,
        actor_name=actor.name,
        address=actor.address,
        action="restore",
        object_type=DATABASE,
        object_id=Path(backup["file"]).name,
        after=backup | {"rows": rows},
    )


def described(file: Path, draft: Path) -> dict[str, str]:
    """Return where a backup is, and the SHA-256 of what was read of it, as `sha256sum` prints it."""
    with draft.open("rb") as content:
        return {"file": str(file.absolute()), "sha256": hashlib.file_digest(content, "sha256").hexdigest()}


async def unusable_keys(workspace: Workspace) -> set[str]:
    """Return the ids of keys that live API tokens are hashed with, and that this data directory has not."""
    async with workspace.database.reading() as connection:
        return await api_tokens.live_key_ids(connection, time.time()) - workspace.keys.ids


def make_private(file: Path) -> Path:
    """Make an empty file that only its owner may read; raises `AlreadyExists` if it is there."""
    try:
        file.touch(PRIVATE_FILE, exist_ok=False)
    except FileExistsError:
        raise AlreadyExists(f"{file} exists. Name a file that does not.") from None
    return file.absolute()


def require_backup(file: Path) -> None:
    """Raise `ConfigurationError` unless the file is a SQLite database."""
    try:
        with file.open("rb") as opened:
            is_database = opened.read(len(SQLITE)) == SQLITE
    except OSError:
        is_database = False
    if not is_database:
        raise ConfigurationError(f"{file} is not a backup that `aqueduct database backup` wrote.")


async def require_empty(database: Database, replaces: bool) -> None:
    """Raise `AlreadyExists` when the database has rows that may not be replaced."""
    if not replaces and not await is_empty(database):
        raise AlreadyExists("That database is not empty. `--replace` removes what it has.")


@asynccontextmanager
async def opened(workspace: Workspace, url: str) -> AsyncIterator[Database]:
    """Open another database; raises `ConfigurationError` when it cannot be reached."""
    settings = Settings(data_dir=workspace.directory.path, database_url=SecretStr(url))
    database = open_database(settings, workspace.directory)
    try:
        await database.require_answer()
        yield database
    finally:
        await database.close()
