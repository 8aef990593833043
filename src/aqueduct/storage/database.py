"""The database: how it is reached, and the two ways of talking to it.

SQLite in the data directory by default, PostgreSQL by setting; the queries are the same.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import URL, Connection, event, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from aqueduct.errors import ConfigurationError
from aqueduct.settings import Settings
from aqueduct.storage.directory import DataDirectory
from aqueduct.storage.tables import SCHEMA_VERSION, schema_version

BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another process's writer: longer than a full journal segment takes to be inserted."""
WRITES = "aqueduct_writes"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}


class Database:
    """The engine and its transactions; `close` it, always: its threads outlive the event loop otherwise."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._writer = asyncio.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads; on SQLite it does not wait for a writer."""
        async with self.engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may write, committed at the end of the block and rolled back on an error."""
        if not self.is_sqlite:
            async with self.engine.begin() as connection:
                yield connection
            return
        # SQLite has one writer. Queueing for it here costs nothing; inside SQLite it is a loop of sleeps.
        async with self._writer, self.engine.connect() as connection:
            await connection.execution_options(**{WRITES: True})
            async with connection.begin():
                yield connection

    async def require_current_schema(self) -> None:
        """Raise `ConfigurationError` unless the tables are those of this version."""
        try:
            async with self.reading() as connection:
                found = await connection.scalar(select(schema_version.c.version_num))
        except DBAPIError:
            found = None
        if found != SCHEMA_VERSION:
            raise ConfigurationError(
                "The database was not made by this version of Aqueduct, or cannot be read. "
                "Start `aqueduct serve` of this version once: it brings the tables up to date."
            )

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def open_database(settings: Settings, directory: DataDirectory) -> Database:
    """Make the engine; nothing is connected yet. Raises `ConfigurationError` for a URL that means nothing."""
    url = database_url(settings, directory)
    if url.get_backend_name() != "sqlite":
        try:
            engine = create_async_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=5)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"AQUEDUCT_DATABASE_URL needs the package `{error.name}`. Install it beside aqueduct-gateway."
            ) from None
        return Database(engine)
    engine = create_async_engine(url, connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000})
    # With `fsync` a segment may only be cut once the database's own copy of it is on the disk.
    synchronous = "FULL" if settings.journal_fsync else "NORMAL"

    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        # A writer that began as a reader could find the database changed under it and fail at once, without waiting.
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    return Database(engine)


def database_url(settings: Settings, directory: DataDirectory) -> URL:
    """Return the URL with the driver we use; SQLite in the data directory by default."""
    if settings.database_url is None:
        return URL.create("sqlite+aiosqlite", database=str(directory.database))
    fix = "Write it as postgresql://user:password@host/name or sqlite:////path/to/file."
    try:
        url = make_url(settings.database_url.get_secret_value())
        driver = DRIVERS[url.get_backend_name()]
    except (ArgumentError, KeyError):
        raise ConfigurationError(f"AQUEDUCT_DATABASE_URL is not a URL of PostgreSQL or SQLite. {fix}") from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigurationError(f"AQUEDUCT_DATABASE_URL names no file, and usage must outlive the process. {fix}")
    return url.set(drivername=driver)
