"""A data directory and its database, as `serve` makes them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.migrated import lay_out

from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
async def workspace(settings: Settings, sqlite_template: Path) -> AsyncIterator[Workspace]:
    lay_out(settings, sqlite_template)
    async with create_workspace(settings) as opened:
        yield opened
