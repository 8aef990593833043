"""The database: how it is reached, and the two ways of talking to it.

SQLite in the data directory by default, PostgreSQL by setting; the queries are the same.
"""

import asyncio
import errno
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, literal, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from aqueduct.errors import ConfigurationError
from aqueduct.settings import Settings
from aqueduct.storage.directory import DataDirectory
from aqueduct.storage.tables import SCHEMA_VERSION, schema_version

BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another process's writer: longer than a full journal segment takes to be inserted."""
WAL_RETRY = 0.02
"""How long to wait, in seconds, before the write-ahead log is asked for again."""
MAX_REPORTS = 2
"""How many reports are read at a time: whoever asks for many must not take the connections of all others."""
WRITES = "aqueduct_writes"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}

Result = TypeVar("Result")

OUT_OF_REACH = "The database does not answer at the moment. Try again shortly."


class Database:
    """The engine and its transactions; `close` it, always: its threads outlive the event loop otherwise."""

    def __init__(self, engine: AsyncEngine, thread_engine: Engine | None = None) -> None:
        self.engine = engine
        self._thread_engine = thread_engine
        self._writer = asyncio.Lock()
        self._reports = asyncio.Semaphore(MAX_REPORTS)
        self._file: tuple[int, int] | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self._thread_engine is not None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads; on SQLite it does not wait for a writer."""
        async with self.engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that reads much, in its turn; it must not wait for anybody who asked for it."""
        async with self._reports, self.reading() as connection:
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

    async def write_in_bulk(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a writing transaction, to its end even when the caller is cancelled.

        On SQLite it has a thread to itself, since handing each statement to aiosqlite's costs half as much again as the
        statements. On PostgreSQL the event loop goes on while it waits for the server.
        """
        if self._thread_engine is None:
            async with self.engine.begin() as connection:
                return await connection.run_sync(work)
        async with self._writer:
            written = asyncio.get_running_loop().run_in_executor(None, in_transaction, self._thread_engine, work)
            try:
                return await asyncio.shield(written)
            except asyncio.CancelledError:
                await asyncio.wait([written])
                raise

    def require_file(self) -> None:
        """Raise `OSError` when SQLite's file is no longer the one it was at the first call.

        What is written into a file that was removed or replaced is lost with the process, and no statement fails.
        """
        if self._thread_engine is None or self.engine.url.database is None:
            return
        found = Path(self.engine.url.database).stat()
        if self._file is None:
            self._file = (found.st_dev, found.st_ino)
        if self._file != (found.st_dev, found.st_ino):
            raise OSError(errno.ESTALE, "the database file was replaced: restart the gateway")

    async def require_answer(self) -> None:
        """Raise `ConfigurationError` unless the database can be reached; its URL, a secret, is not shown."""
        try:
            if self._thread_engine is not None:
                # First without aiosqlite: where a file cannot be opened, its thread may outlive the event loop.
                await asyncio.to_thread(require_open, self._thread_engine)
            async with self.reading() as connection:
                await connection.scalar(select(literal(1)))
        except (DBAPIError, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise ConfigurationError(
                f"The database does not answer: {cause}. Check AQUEDUCT_DATABASE_URL and that the server runs."
            ) from None

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
        if self._thread_engine is not None:
            self._thread_engine.dispose()


def is_out_of_reach(error: Exception) -> bool:
    """Whether an error says that the database does not answer, or went away in the middle of something."""
    is_gone = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_gone or isinstance(error, OperationalError | InterfaceError | OSError)


def require_open(engine: Engine) -> None:
    """Connect once, or raise what is in the way."""
    with engine.connect():
        pass


def in_transaction(engine: Engine, work: Callable[[Connection], Result]) -> Result:
    """Run `work` in a writing transaction of its own."""
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        return work(connection)


def open_database(settings: Settings, directory: DataDirectory) -> Database:
    """Make the engine; nothing is connected yet. Raises `ConfigurationError` for a URL that means nothing."""
    url = database_url(settings, directory)
    if url.get_backend_name() != "sqlite":
        try:
            engine = create_async_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=5, hide_parameters=True)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"AQUEDUCT_DATABASE_URL needs the package `{error.name}`. Install it beside aqueduct-gateway."
            ) from None
        return Database(engine)
    arguments = {"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000}
    # With `fsync` a segment may only be cut once the database's own copy of it is on the disk.
    synchronous = "FULL" if settings.journal_fsync else "NORMAL"
    # What is stored may be what somebody said: no error is to quote it.
    engine = create_async_engine(url, connect_args=arguments, hide_parameters=True)
    thread_engine = create_engine(
        url.set(drivername="sqlite+pysqlite"), connect_args=arguments, pool_size=1, hide_parameters=True
    )
    prepare_sqlite(engine.sync_engine, synchronous)
    prepare_sqlite(thread_engine, synchronous)
    return Database(engine, thread_engine)


def prepare_sqlite(engine: Engine, synchronous: str) -> None:
    """Set up each connection, and begin transactions as readers or writers from their first statement."""

    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        turn_on_wal(cursor)
        for pragma in (f"synchronous={synchronous}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        # A writer that began as a reader could find the database changed under it and fail at once, without waiting.
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)


def turn_on_wal(cursor: Any) -> None:
    """Turn on the write-ahead log, waiting for another process that does so in the same moment.

    SQLite's own waiting does not cover it: it says "database is locked" at once to the second one.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(WAL_RETRY)
        else:
            return


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
