"""Writes usage to PostgreSQL: by COPY into a temporary table, and from there what is not stored yet."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.exc import DBAPIError

from aqueduct.domain.usage import UsageRecord
from aqueduct.storage.tables import usage_attempts, usage_requests
from aqueduct.storage.usage_rows import ATTEMPT_COLUMNS, NO_NUMBER, NO_TEXT, REQUEST_COLUMNS, Batch, Row

DIALECT = make_url("postgresql://").get_dialect()()


class PostgresqlWriter:
    """Five round trips a batch, whatever its size."""

    # Reading so many lines holds the event loop for about a millisecond.
    batch_lines = 128

    def __init__(self) -> None:
        self._requests = Incoming(usage_requests, REQUEST_COLUMNS)
        self._attempts = Incoming(usage_attempts, ATTEMPT_COLUMNS)

    def insert(self, connection: sa.Connection, batch: Batch, *, looks: bool) -> Sequence[UsageRecord]:
        """Insert what is not there yet; the database itself says what that was, so `looks` makes no difference."""
        records: Sequence[UsageRecord] = ()
        if batch.requests:
            stored = self._requests.move(connection, batch.requests)
            records = batch.records
            if len(stored) < len(records):
                # In the order of the lines: of one that is there twice, the first was stored.
                first = {record.id: record for record in reversed(records)}
                records = [first[identity] for identity in stored]
        if batch.attempts:
            self._attempts.move(connection, batch.attempts)
        if batch.undelivered:
            undelivered = usage_requests.c.id.in_([identity for (identity,) in batch.undelivered])
            connection.execute(sa.update(usage_requests).where(undelivered).values(delivered=False))
        return records


class Incoming:
    """A temporary table that rows are copied into, on their way to the one they belong in."""

    def __init__(self, table: sa.Table, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._markers = [marker(table.c[name]) for name in columns]
        self._name = f"incoming_{table.name}"
        definitions = ", ".join(f"{name} {incoming_type(table.c[name])}" for name in columns)
        values = ", ".join(outgoing_value(table.c[name]) for name in columns)
        self._create = f"CREATE TEMP TABLE IF NOT EXISTS {self._name} ({definitions}) ON COMMIT DELETE ROWS"
        # Names and types are our own; no value is in the text.
        self._move = (
            f"WITH incoming AS (DELETE FROM {self._name} RETURNING *) "  # noqa: S608 - see above
            f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM incoming "
            f"ON CONFLICT DO NOTHING RETURNING {columns[0]}"
        )

    def move(self, connection: sa.Connection, rows: Sequence[Row]) -> Sequence[str]:
        """Insert the rows whose keys are not there, and return the first column of those that were inserted."""
        # It also begins the transaction, which a bare COPY would not be part of.
        connection.exec_driver_sql(self._create)
        self._copy(connection, [without_markers(row, self._markers) for row in rows])
        return connection.exec_driver_sql(self._move).scalars().all()

    def _copy(self, connection: sa.Connection, records: list[Row]) -> None:
        """Run COPY, which SQLAlchemy does not know, with the driver's errors as SQLAlchemy's."""

        async def run(driver: Any) -> None:
            await driver.copy_records_to_table(self._name, records=records, columns=self._columns)

        adapted = connection.connection.dbapi_connection
        if not isinstance(adapted, AdaptedConnection):
            raise TypeError("COPY needs a connection of asyncpg")
        try:
            adapted.run_async(run)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DBAPIError(f"COPY {self._name}", None, error) from error


def without_markers(row: Row, markers: Sequence[object]) -> Row:
    """Return the row with NULL where its markers for it are."""
    return tuple(
        None if value == marker and marker is not None else value for value, marker in zip(row, markers, strict=True)
    )


def marker(column: sa.Column[Any]) -> object:
    """Return what stands for NULL in a column of a row; None where nothing does."""
    if not column.nullable:
        return None
    return NO_TEXT if isinstance(column.type, sa.Text) else NO_NUMBER


def incoming_type(column: sa.Column[Any]) -> str:
    """Return the type under which a column's values arrive."""
    match column.type:
        case sa.JSON():
            return "text"
        case sa.Boolean():
            return "integer"
        case kind:
            return kind.compile(DIALECT)


def outgoing_value(column: sa.Column[Any]) -> str:
    """Return the expression that makes a column's value of what has arrived."""
    match column.type:
        case sa.JSON():
            return f"{column.name}::json"
        case sa.Boolean():
            return f"{column.name} <> 0"
        case _:
            return column.name
