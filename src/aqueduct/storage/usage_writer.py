"""Writes what the journal holds: idempotent inserts, in the form that is cheapest for each engine.

Each writer says which records it really stored, so that the rollups count none twice.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from aqueduct.domain.usage import UsageRecord
from aqueduct.storage.database import Database
from aqueduct.storage.tables import usage_attempts, usage_requests
from aqueduct.storage.usage_rows import (
    ATTEMPT_COLUMNS,
    NO_NUMBER,
    NO_TEXT,
    REQUEST_COLUMNS,
    Batch,
    add_record,
)


class StoredBefore(Exception):
    """Some of a batch is in the database already: it has to be inserted by a writer that looks."""


class UsageWriter(Protocol):
    """Stores batches inside a transaction."""

    batch_lines: int

    def insert(self, connection: sa.Connection, batch: Batch, *, looks: bool) -> Sequence[UsageRecord]:
        """Insert what is not there yet and return the records of it.

        Where `looks` is false, `StoredBefore` may be raised instead; the transaction must then be rolled back.
        """


def usage_writer(database: Database) -> UsageWriter:
    """Return the writer for a database."""
    if database.is_sqlite:
        return SqliteWriter(database.engine.dialect)
    # It imports asyncpg, 8 MB that a gateway on SQLite does not need.
    from aqueduct.storage.postgresql_writer import PostgresqlWriter  # noqa: PLC0415 - see above

    return PostgresqlWriter()


class SqliteWriter:
    """One statement a table and batch, compiled once."""

    # Few, because the thread has to pause between batches to leave the event loop its share.
    batch_lines = 64

    def __init__(self, dialect: sa.Dialect) -> None:
        self._insert_request = compile_insert(dialect, usage_requests, REQUEST_COLUMNS)
        self._insert_attempt = compile_insert(dialect, usage_attempts, ATTEMPT_COLUMNS)
        self._undeliver = "UPDATE usage_requests SET delivered = 0 WHERE id = ?"

    def insert(self, connection: sa.Connection, batch: Batch, *, looks: bool) -> Sequence[UsageRecord]:
        """Insert what is not there yet; without `looks` nothing may be, which costs nothing to find out.

        The rows go to the driver as they are: SQLAlchemy's own handling of each value would cost more than the insert.
        """
        records: Sequence[UsageRecord] = batch.records
        requests, attempts = batch.requests, batch.attempts
        if looks and records:
            records = unstored(connection, records)
            fresh = Batch()
            for record in records:
                add_record(record, fresh)
            requests, attempts = fresh.requests, fresh.attempts
        if requests:
            inserted = connection.exec_driver_sql(self._insert_request, requests).rowcount
            if inserted < len(requests):
                raise StoredBefore
        if attempts:
            connection.exec_driver_sql(self._insert_attempt, attempts)
        if batch.undelivered:
            connection.exec_driver_sql(self._undeliver, batch.undelivered)
        return records


def unstored(connection: sa.Connection, records: Sequence[UsageRecord]) -> list[UsageRecord]:
    """Return the records, each once, that the database does not have."""
    by_id = {record.id: record for record in records}
    known = connection.scalars(sa.select(usage_requests.c.id).where(usage_requests.c.id.in_(by_id)))
    for identity in known:
        del by_id[identity]
    return list(by_id.values())


def compile_insert(dialect: sa.Dialect, table: sa.Table, columns: Sequence[str]) -> str:
    """Return the driver's text of an insert that skips rows whose key is there, taking `columns` in this order."""
    values = {name: placeholder(table.c[name]) for name in columns}
    compiled = sqlite.insert(table).values(values).on_conflict_do_nothing().compile(dialect=dialect)
    if tuple(compiled.positiontup or ()) != tuple(columns):
        raise AssertionError(f"{table.name}: the columns must be listed in the table's order")
    return str(compiled)


def placeholder(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the parameter of a column, NULL where the row has the marker for it."""
    parameter: sa.BindParameter[Any] = sa.bindparam(column.name)
    if not column.nullable:
        return parameter
    marker = NO_TEXT if isinstance(column.type, sa.Text) else NO_NUMBER
    return sa.func.nullif(parameter, sa.literal_column(repr(marker)))
