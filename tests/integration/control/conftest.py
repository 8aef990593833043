"""A data directory with a fresh database, on each engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})


@pytest.fixture
async def workspace(settings: Settings) -> AsyncIterator[Workspace]:
    async with create_workspace(settings) as opened:
        yield opened
