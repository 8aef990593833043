"""What holds for every test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.migrated import make_tables
from tests.postgres_server import PostgresServer, running_postgres

from aqueduct.settings import Settings
from aqueduct.storage.directory import DataDirectory

# A slow machine is no bug: an example may take as long as the test's own time limits allow. New examples are for the
# developer who can look into them; a change that lands is held to the same ones every time.
settings.register_profile(
    "patient",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, started by the first test that wants one and ended with the last."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with this version's tables and nothing in them, to be copied."""
    data_dir = tmp_path_factory.mktemp("migrated") / "data"
    make_tables(Settings(data_dir=data_dir))
    return DataDirectory(data_dir).database


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of such a database in PostgreSQL."""
    url = postgres.create_database()
    make_tables(Settings.model_validate({"data_dir": tmp_path_factory.mktemp("migrated"), "database_url": url}))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The setting for a database of the test's own on each engine; None is SQLite in the data directory.

    PostgreSQL's has the tables, for SQLite's see `migrated.lay_out`.
    """
    if request.param == "sqlite":
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database(request.getfixturevalue("postgres_template"))
    yield url
    server.drop_database(url)
