"""Brings the tables up to this version, once, however many processes start at the same time."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, select, text

from aqueduct.storage.database import Database
from aqueduct.storage.directory import DataDirectory, exclusive_lock
from aqueduct.storage.tables import SCHEMA_VERSION, schema_version

if TYPE_CHECKING:
    from alembic.config import Config

ADVISORY_LOCK = 0x61717565
"""A number that only Aqueduct's migrations lock in PostgreSQL."""


async def migrate(database: Database, directory: DataDirectory) -> None:
    """Run the migrations that are missing, each in its transaction, alone.

    Raises SQLAlchemy's `DBAPIError` when the database cannot be reached.
    """
    # The file lock is for SQLite; for PostgreSQL it merely spares this machine's processes the wait for the other.
    with exclusive_lock(directory.lock_file):
        async with database.writing() as connection:
            await connection.run_sync(upgrade)


def upgrade(connection: Connection) -> None:
    """Run what is missing inside the transaction that is open on `connection`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ADVISORY_LOCK})
    if inspect(connection).has_table(schema_version.name):
        found = connection.scalar(select(schema_version.c.version_num))
        if found == SCHEMA_VERSION:
            return
    # Alembic is 13 MB and 300 ms, which only the rare start that has something to migrate should pay.
    from alembic import command  # noqa: PLC0415 - see above

    command.upgrade(alembic_config(connection), "head")


def remake(connection: Connection) -> None:
    """Drop every table and make it anew: a log that is append-only lets nobody delete its rows."""
    from alembic import command  # noqa: PLC0415 - see `upgrade`

    config = alembic_config(connection)
    command.downgrade(config, "base")
    command.upgrade(config, "head")


def alembic_config(connection: Connection | None = None) -> "Config":
    """Return Alembic's configuration: our migrations, run on the given connection."""
    from alembic.config import Config  # noqa: PLC0415 - see `upgrade`

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
