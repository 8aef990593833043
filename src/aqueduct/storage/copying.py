"""Copies a whole database into another one, of either engine, and a SQLite database into a file."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.errors import ConfigurationError
from aqueduct.storage.database import Database
from aqueduct.storage.migrate import remake
from aqueduct.storage.tables import metadata, schema_version

PAGE_ROWS = 1000

Progress = Callable[[str, int], None]
"""Is told a table's name and how many of its rows have been copied so far."""
Finish = Callable[[AsyncConnection, Mapping[str, int]], Awaitable[None]]
"""Is called in the transaction of a copy, at its end, with the counts by table."""


def copied_tables() -> Sequence[sa.Table]:
    """Return all tables but the version's and what is each database's own, those that others refer to first."""
    tables = [table for table in metadata.sorted_tables if table is not schema_version]
    return [table for table in tables if table.info.get("is_copied", True)]


async def is_empty(database: Database) -> bool:
    """Whether there is not a row in any table."""
    async with database.reading() as connection:
        for table in copied_tables():
            if (await connection.execute(sa.select(table.primary_key.columns[0]).limit(1))).first() is not None:
                return False
    return True


async def copy_database(
    source: Database, target: Database, progress: Progress, finish: Finish | None = None
) -> dict[str, int]:
    """Replace all rows of `target` by those of `source`, as they were at one moment; return the counts by table.

    It is one transaction, with what `finish` adds: until its end the target has what it had, and readers of it see
    that. Both must have this version's tables. Raises `ConfigurationError` when the counts do not agree in the end;
    nothing is changed then.
    """
    counts: dict[str, int] = {}
    async with snapshot_of(source) as reader, target.writing() as writer:
        await writer.run_sync(remake)
        for table in copied_tables():
            counts[table.name] = await copy_table(reader, writer, table, progress)
        for table in copied_tables():
            found = await writer.scalar(sa.select(sa.func.count()).select_from(table))
            if found != counts[table.name]:
                raise ConfigurationError(f"{table.name}: {counts[table.name]} rows were read, but {found} are there.")
        if finish is not None:
            await finish(writer, counts)
    return counts


@asynccontextmanager
async def snapshot_of(database: Database) -> AsyncIterator[AsyncConnection]:
    """Open a transaction in which everything is as it was at its first statement; SQLite has no other kind."""
    async with database.engine.connect() as connection:
        if not database.is_sqlite:
            await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            yield connection


async def copy_table(reader: AsyncConnection, writer: AsyncConnection, table: sa.Table, progress: Progress) -> int:
    """Copy the rows of a table, a page at a time."""
    copied = 0
    statement = sa.insert(table)
    page_rows: int = table.info.get("page_rows", PAGE_ROWS)
    selected = sa.select(table).execution_options(max_row_buffer=page_rows)
    async with reader.stream(selected) as rows:
        async for page in rows.mappings().partitions(page_rows):
            await writer.execute(statement, [dict(row) for row in page])
            copied += len(page)
            progress(table.name, copied)
    return copied


def back_up_sqlite(source: Path, file: Path) -> None:
    """Copy a SQLite database that may be in use into an empty file, as it was at one moment.

    In one step: a stepwise copy begins anew whenever somebody writes, and in WAL mode nobody waits for a reader.
    """
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(file)) as copy:
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
