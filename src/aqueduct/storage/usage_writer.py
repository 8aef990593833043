"""Writes what the journal holds: idempotent inserts, in the form that is cheapest for each engine."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from aqueduct.storage.database import Database
from aqueduct.storage.tables import usage_attempts, usage_requests
from aqueduct.storage.usage_rows import ATTEMPT_COLUMNS, NO_NUMBER, NO_TEXT, REQUEST_COLUMNS, Batch


class UsageWriter:
    """The insert statements, compiled once for the database's dialect."""

    def __init__(self, database: Database) -> None:
        dialect = database.engine.dialect
        self._insert_request = compile_insert(dialect, usage_requests, REQUEST_COLUMNS)
        self._insert_attempt = compile_insert(dialect, usage_attempts, ATTEMPT_COLUMNS)
        undeliver = (
            sa.update(usage_requests).where(usage_requests.c.id == sa.bindparam("request")).values(delivered=sa.false())
        )
        self._undeliver = str(undeliver.compile(dialect=dialect))

    def insert(self, connection: sa.Connection, batch: Batch) -> None:
        """Insert what is not there yet.

        The rows go to the driver as they are: SQLAlchemy's own handling of each value would cost more than the insert.
        """
        if batch.requests:
            connection.exec_driver_sql(self._insert_request, batch.requests)
        if batch.attempts:
            connection.exec_driver_sql(self._insert_attempt, batch.attempts)
        if batch.undelivered:
            connection.exec_driver_sql(self._undeliver, batch.undelivered)


def compile_insert(dialect: sa.Dialect, table: sa.Table, columns: Sequence[str]) -> str:
    """Return the driver's text of an insert that skips rows whose key is there, taking `columns` in this order."""
    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    values = {name: placeholder(table.c[name]) for name in columns}
    compiled = insert(table).values(values).on_conflict_do_nothing().compile(dialect=dialect)
    order = getattr(compiled, "positiontup", None)
    if order is not None and tuple(order) != tuple(columns):
        raise AssertionError(f"{table.name}: the columns must be listed in the table's order")
    return str(compiled)


def placeholder(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the parameter of a column, NULL where the row has the marker for it."""
    parameter = sa.bindparam(column.name)
    if not column.nullable:
        return parameter
    marker = NO_TEXT if isinstance(column.type, sa.Text) else NO_NUMBER
    return sa.func.nullif(parameter, sa.literal_column(repr(marker)))
