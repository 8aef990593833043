"""Rows of what is administered, as the domain's values: the queries that every such table needs, once.

A value's fields are its table's columns. Fields that end in `_at` are instants (see `instants.py`), the rest travels as
it is, tuples and enumerations as JSON has them.
"""

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.storage.instants import to_microseconds, to_seconds

Value = TypeVar("Value", bound=msgspec.Struct)


class Records(Generic[Value]):
    """One table and the kind of value that its rows are."""

    def __init__(self, table: sa.Table, kind: type[Value]) -> None:
        self.table = table
        self.kind = kind
        self.key: tuple[sa.Column[Any], ...] = tuple(table.primary_key)
        self._fields = [field.name for field in msgspec.structs.fields(kind)]
        self._instants = [name for name in self._fields if name.endswith("_at")]
        self.columns = [table.c[name] for name in self._fields]

    def to_row(self, value: Value) -> dict[str, Any]:
        """Return the columns of a value."""
        row: dict[str, Any] = msgspec.to_builtins(value)
        return row | {name: to_microseconds(row[name]) for name in self._instants}

    def read(self, row: Mapping[Any, Any]) -> Value:
        """Return the value of a row."""
        instants = {name: to_seconds(row[name]) for name in self._instants}
        return msgspec.convert({name: row[name] for name in self._fields} | instants, self.kind)

    async def add(self, connection: AsyncConnection, *values: Value) -> None:
        """Add values; raises SQLAlchemy's `IntegrityError` when a name is taken."""
        if values:
            await connection.execute(sa.insert(self.table), [self.to_row(value) for value in values])

    async def find(self, connection: AsyncConnection, *key: str) -> Value | None:
        """Find one by its key, deleted or not."""
        found = sa.and_(*(column == part for column, part in zip(self.key, key, strict=True)))
        row = (await connection.execute(sa.select(*self.columns).where(found))).mappings().first()
        return None if row is None else self.read(row)

    async def lock(self, connection: AsyncConnection, *key: str) -> Value:
        """Read one that is there, and keep other transactions from changing or locking it; SQLite has one writer."""
        found = sa.and_(*(column == part for column, part in zip(self.key, key, strict=True)))
        statement = sa.select(*self.columns).where(found).with_for_update()
        return self.read((await connection.execute(statement)).mappings().one())

    async def select(self, connection: AsyncConnection, **columns: object) -> list[Value]:
        """Return all that have these values in these columns, in the order of their keys."""
        statement = sa.select(*self.columns).where(self.where(columns)).order_by(*self.key)
        return [self.read(row) for row in (await connection.execute(statement)).mappings()]

    async def count(self, connection: AsyncConnection, **columns: object) -> int:
        """Return how many have these values in these columns."""
        statement = sa.select(sa.func.count()).select_from(self.table).where(self.where(columns))
        return await connection.scalar(statement) or 0

    async def replace(self, connection: AsyncConnection, value: Value, *, version: int) -> bool:
        """Write a value in the place of its row of that version; False when there is none (any more)."""
        row = self.to_row(value)
        unchanged = self.is_row(row) & (self.table.c.version == version)
        done = await connection.execute(sa.update(self.table).where(unchanged).values(row))
        return done.rowcount == 1

    async def remove(self, connection: AsyncConnection, value: Value, *, version: int) -> bool:
        """Delete the value's row of that version; False when there is none (any more)."""
        unchanged = self.is_row(self.to_row(value)) & (self.table.c.version == version)
        return (await connection.execute(sa.delete(self.table).where(unchanged))).rowcount == 1

    async def remove_where(self, connection: AsyncConnection, **columns: object) -> None:
        """Delete all rows that have these values in these columns."""
        await connection.execute(sa.delete(self.table).where(self.where(columns)))

    async def close(self, connection: AsyncConnection, column: str, at: float, **columns: object) -> int:
        """Set the instant of the end (deleted, revoked) on all rows that have none yet; their versions rise.

        Returns how many they were.
        """
        ended = self.table.c[column]
        statement = sa.update(self.table).where(self.where(columns), ended.is_(None))
        values = {column: to_microseconds(at), "version": self.table.c.version + 1}
        return (await connection.execute(statement.values(values))).rowcount

    def is_row(self, row: Mapping[str, Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a row is the one with this key."""
        return sa.and_(*(column == row[column.name] for column in self.key))

    def where(self, columns: Mapping[str, object]) -> sa.ColumnElement[bool]:
        """Return the condition that columns have these values, or one of these."""
        conditions: list[sa.ColumnElement[bool]] = []
        for name, wanted in columns.items():
            column = self.table.c[name]
            if isinstance(wanted, Collection) and not isinstance(wanted, str):
                conditions.append(column.in_(list(wanted)))
            else:
                conditions.append(column.is_(None) if wanted is None else column == wanted)
        return sa.and_(sa.true(), *conditions)
