"""What holds for every test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests import migrated
from tests.aqueduct_process import close_fork_server
from tests.postgres_server import PostgresServer, running_postgres

from aqueduct.settings import Settings

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


def pytest_sessionfinish() -> None:
    """End and remove what the tests of this process have shared."""
    close_fork_server()
    migrated.remove_sqlite_template()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, started by the first test that wants one and ended with the last."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template() -> Path:
    """An SQLite database with this version's tables and nothing in them, to be copied."""
    return migrated.sqlite_template()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of such a database in PostgreSQL."""
    url = postgres.create_database()
    migrated.make_tables(
        Settings.model_validate({"data_dir": tmp_path_factory.mktemp("migrated"), "database_url": url})
    )
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
