"""Lists in pages: filtered, sorted, and continued from where the last page ended, however much was added meanwhile."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.permissions import Reach
from aqueduct.errors import InvalidValue
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.records import Records, Value
from aqueduct.storage.tables import memberships, organisations, teams, users

MAX_SIZE = 1000
MAX_INTEGER = 2**63
CURSOR_FIX = "Ask for the first page again."


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is wanted of a list.

    `filters` are columns and the values they must have; `search` is a part of the name. `sort` is a column, with `-`
    before it for the highest first. `cursor` is where the last page ended. One that is sorted by an
    instant may begin at `since` and end before `until` (seconds since the epoch). `with_ended` adds what was deleted.
    """

    filters: Mapping[str, object] = field(default_factory=dict)
    search: str | None = None
    sort: str = "created_at"
    size: int = 100
    cursor: str | None = None
    with_ended: bool = False
    since: float | None = None
    until: float | None = None


EVERYTHING = Listing(size=MAX_SIZE)


@dataclass(frozen=True)
class Page(Generic[Value]):
    """Part of a list; `next_cursor` is None on the last one."""

    items: Sequence[Value]
    next_cursor: str | None


async def read_page(
    connection: AsyncConnection, records: Records[Value], listing: Listing, reach: Reach, ended: str | None
) -> Page[Value]:
    """Read one page of what is within reach; `ended` is the column that says since when a row is deleted.

    Raises `InvalidValue` for a sort, filter or cursor that cannot be.
    """
    if not 1 <= listing.size <= MAX_SIZE:
        raise InvalidValue(f"A page has 1 to {MAX_SIZE} entries.")
    texts = [listing.search or "", *(value for value in listing.filters.values() if isinstance(value, str))]
    if not all(text.isprintable() for text in texts):
        raise InvalidValue("A filter holds characters that nothing has.")
    name, is_descending = listing.sort.removeprefix("-"), listing.sort.startswith("-")
    if (unknown := {name, *listing.filters} - set(records.table.c.keys())) != set():
        raise InvalidValue(f"There is no `{min(unknown)}` to sort or filter by.")
    order = [comparable(records.table.c[name]), *records.key]
    conditions = [records.where(listing.filters), is_within(records.table, reach)]
    if ended is not None and not listing.with_ended:
        conditions.append(records.table.c[ended].is_(None))
    if listing.search:
        conditions.append(records.table.c.name.icontains(listing.search, autoescape=True))
    conditions += within_time(records.table.c[name], listing)
    if listing.cursor is not None:
        here, there = sa.tuple_(*order), sa.tuple_(*decode_cursor(listing, order))
        conditions.append(here < there if is_descending else here > there)
    statement = sa.select(*records.columns, *(column.label(f"order_{at}") for at, column in enumerate(order)))
    statement = statement.where(*conditions).limit(listing.size + 1)
    statement = statement.order_by(*(column.desc() if is_descending else column.asc() for column in order))
    rows = (await connection.execute(statement)).mappings().all()
    items = [records.read(row) for row in rows[: listing.size]]
    if len(rows) <= listing.size:
        return Page(items, None)
    last = rows[listing.size - 1]
    return Page(items, encode_cursor(listing, [last[f"order_{at}"] for at in range(len(order))]))


def within_time(column: sa.Column[Any], listing: Listing) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a row is of the time that is asked for."""
    if listing.since is None and listing.until is None:
        return []
    if not column.name.endswith("_at"):
        raise InvalidValue(f"A list sorted by `{column.name}` has no beginning in time. Sort it by an instant.")
    conditions: list[sa.ColumnElement[bool]] = []
    if listing.since is not None:
        conditions.append(column >= to_microseconds(listing.since))
    if listing.until is not None:
        conditions.append(column < to_microseconds(listing.until))
    return conditions


def comparable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return a column as it is sorted by: nothing comes before everything."""
    if not column.nullable:
        return column
    return sa.func.coalesce(column, "" if column.type.python_type is str else 0)


def is_within(table: sa.Table, reach: Reach) -> sa.ColumnElement[bool]:
    """Return the condition that a row is in one of the places."""
    if reach.everything:
        return sa.true()
    places: list[sa.ColumnElement[bool]] = []
    if reach.organisation_id is not None:
        column = table.c.id if table is organisations else table.c.organisation_id
        places.append(column == reach.organisation_id)
    if reach.team_ids and table is users:
        in_teams = sa.select(memberships.c.user_id).where(memberships.c.team_id.in_(reach.team_ids))
        places.append(users.c.id.in_(in_teams))
    elif reach.team_ids:
        column = table.c.id if table is teams else table.c.team_id
        places.append(column.in_(reach.team_ids))
    if reach.user_id is not None and (table is users or "user_id" in table.c):
        column = table.c.id if table is users else table.c.user_id
        places.append(column == reach.user_id)
    return sa.or_(sa.false(), *places)


def encode_cursor(listing: Listing, values: Sequence[object]) -> str:
    """Return where a page ended as one word."""
    return base64.urlsafe_b64encode(msgspec.json.encode([listing.sort, *values])).decode().rstrip("=")


def decode_cursor(listing: Listing, order: Sequence[sa.ColumnElement[Any]]) -> list[Any]:
    """Return the values at which a page goes on; raises `InvalidValue` where the cursor is of another list."""
    text = listing.cursor or ""
    try:
        sort, *values = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=list[Any])
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, ValueError, RecursionError):
        raise InvalidValue(f"The cursor is not one that a list has given. {CURSOR_FIX}") from None
    fitting = len(values) == len(order) and all(
        isinstance(value, column.type.python_type) and is_storable(value)
        for value, column in zip(values, order, strict=True)
    )
    if sort != listing.sort or not fitting:
        raise InvalidValue(f"The cursor belongs to a list that was sorted otherwise. {CURSOR_FIX}")
    return [sa.literal(value, column.type) for value, column in zip(values, order, strict=True)]


def is_storable(value: object) -> bool:
    """Whether both engines can compare a column with the value."""
    return value.isprintable() if isinstance(value, str) else not isinstance(value, int) or abs(value) < MAX_INTEGER
