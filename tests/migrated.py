"""Databases that already have this version's tables: copies of one each, since the migrations take longer than a test.

What the migrations do is looked at by tests that run them; to all others a copy is the same.
"""

import asyncio
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from aqueduct.control.workspace import create_workspace
from aqueduct.settings import Settings
from aqueduct.storage.directory import PRIVATE_DIRECTORY, DataDirectory


def make_tables(settings: Settings) -> None:
    """Make what is missing of a data directory and its database, as the first start does."""

    async def start() -> None:
        async with create_workspace(settings):
            pass

    asyncio.run(start())


@cache
def sqlite_template() -> Path:
    """Return an SQLite database with this version's tables and nothing in them, made by the first who asks."""
    data_dir = Path(tempfile.mkdtemp(prefix="aqueduct-migrated-")) / "data"
    # In a thread, since the caller's own may have an event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(make_tables, Settings(data_dir=data_dir)).result()
    return DataDirectory(data_dir).database


def remove_sqlite_template() -> None:
    """Remove what `sqlite_template` has made, if it was asked."""
    if sqlite_template.cache_info().currsize:
        shutil.rmtree(sqlite_template().parents[1])
    sqlite_template.cache_clear()


def lay_out(settings: Settings, template: Path) -> None:
    """Put a copy of the SQLite database `template` where a new data directory has its own, if it will have one."""
    if settings.database_url is None:
        new = Path(tempfile.mkdtemp(dir=settings.data_dir.parent))
        new.chmod(PRIVATE_DIRECTORY)
        shutil.copy(template, DataDirectory(new).database)
        # At once: another gateway may be starting on it.
        new.rename(settings.data_dir)
