"""Databases that already have this version's tables: copies of one each, since the migrations take longer than a test.

What the migrations do is looked at by tests that run them; to all others a copy is the same.
"""

import asyncio
import shutil
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


def lay_out(settings: Settings, template: Path) -> None:
    """Put a copy of the SQLite database `template` where a new data directory has its own, if it will have one."""
    if settings.database_url is None:
        settings.data_dir.mkdir(mode=PRIVATE_DIRECTORY)
        shutil.copy(template, DataDirectory(settings.data_dir).database)
