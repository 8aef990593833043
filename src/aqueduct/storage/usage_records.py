"""The raw records of usage, page by page: a row a request, with the names of those it belongs to, and its attempts.

A page is read by the key, from where the last one ended, in a transaction of its own: an export takes constant memory,
keeps no lock while its reader is slow, and gets what it reads as plain tuples.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.money import written
from aqueduct.domain.usage import UNITS
from aqueduct.storage.instants import first_id, to_microseconds, to_text
from aqueduct.storage.pages import is_within
from aqueduct.storage.tables import (
    api_tokens,
    organisations,
    service_accounts,
    teams,
    usage_attempts,
    usage_requests,
    users,
)
from aqueduct.storage.usage import Selection

OWNERS = {
    "organisation": organisations,
    "team": teams,
    "user": users,
    "service_account": service_accounts,
    "api_token": api_tokens,
}
FIRST = ("id", "started_at", "cost_nano", "saved_nano", "units")
"""The columns that are read first, since they are written otherwise than they are stored."""

PLAIN = [name for name in usage_requests.c.keys() if name not in FIRST]  # noqa: SIM118 - not a dictionary
NAMES = [f"{owner}_name" for owner in OWNERS]
COLUMNS = ("id", "started_at", *NAMES, *PLAIN, "cost", "saved", "units", "attempts")
"""What a record is shown as; `units` is a map, `attempts` a list of maps, `cost` and `saved` exact texts of amounts."""
FLAT_COLUMNS = (*COLUMNS[:-2], *UNITS, "attempts")
"""What a record is shown as where there are only cells."""

ATTEMPT_FIRST = ("request_id", "started_at", "cost_nano", "units")
ATTEMPT_PLAIN = [name for name in usage_attempts.c.keys() if name not in (*ATTEMPT_FIRST, "position")]  # noqa: SIM118
ATTEMPT_COLUMNS = ("started_at", *ATTEMPT_PLAIN, "cost", "units")

Record = tuple[Any, ...]
"""A request as it is read: `FIRST`, the names of its owners, the plain columns, and the number of its attempts."""
Attempts = dict[str, list[dict[str, Any]]]
"""Attempts as they are shown, by the id of their request."""

decode_units = msgspec.json.Decoder(dict[str, int]).decode


async def read_page(connection: AsyncConnection, selection: Selection, after: str | None, size: int) -> list[Record]:
    """Read up to `size` records with ids after `after`, in the order of their ids."""
    return [tuple(row) for row in await connection.execute(page_statement(selection, after, size))]


async def read_attempts(connection: AsyncConnection, page: Sequence[Record]) -> Attempts:
    """Read the attempts of a page's requests, by the ids of those that have any."""
    found: Attempts = {}
    if page:
        for row in await connection.execute(attempts_statement([record[0] for record in page])):
            found.setdefault(row[0], []).append(read_attempt(row))
    return found


def page_statement(selection: Selection, after: str | None, size: int) -> sa.Select[Any]:
    """Return the query for a page of requests."""
    requests = usage_requests.c
    source: sa.FromClause = usage_requests
    for owner, table in OWNERS.items():
        source = source.outerjoin(table, table.c.id == requests[f"{owner}_id"])
    return (
        sa.select(
            *(as_stored(requests[name]) for name in FIRST),
            *(table.c.name.label(f"{owner}_name") for owner, table in OWNERS.items()),
            *(requests[name] for name in PLAIN),
            sa.select(sa.func.count()).where(usage_attempts.c.request_id == requests.id).scalar_subquery(),
        )
        .select_from(source)
        .where(
            requests.started_at >= to_microseconds(selection.since),
            requests.started_at < to_microseconds(selection.until),
            # The time alone would read every row there is; ids are in its order.
            requests.id >= first_id(selection.since) if after is None else requests.id > after,
            is_within(usage_requests, selection.reach),
            *(requests[name] == value for name, value in selection.filters.items()),
        )
        .order_by(requests.id)
        .limit(size)
    )


def attempts_statement(request_ids: Sequence[str]) -> sa.Select[Any]:
    """Return the query for the attempts of a page's requests."""
    attempts = usage_attempts.c
    return (
        sa.select(*(as_stored(attempts[name]) for name in ATTEMPT_FIRST), *(attempts[name] for name in ATTEMPT_PLAIN))
        .where(attempts.request_id.in_(request_ids))
        .order_by(*usage_attempts.primary_key)
    )


def as_stored(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return a column whose JSON is read as text: SQLAlchemy's way of decoding costs more than all the rest."""
    return sa.cast(column, sa.Text) if isinstance(column.type, sa.JSON) else column


def whole(record: Record, attempts: Attempts) -> list[Any]:
    """Return a record as the values of `COLUMNS`."""
    identity, started_at, cost_nano, saved_nano, units, *plain, _count = record
    amounts = (as_amount(cost_nano), as_amount(saved_nano))
    return [identity, to_text(started_at), *plain, *amounts, as_json(units), attempts.get(identity, ())]


def flat(record: Record) -> list[Any]:
    """Return a record as the values of `FLAT_COLUMNS`: a column a unit, and the number of attempts."""
    identity, started_at, cost_nano, saved_nano, units, *plain, count = record
    used = decode_units(units)
    amounts = (as_amount(cost_nano), as_amount(saved_nano))
    return [identity, to_text(started_at), *plain, *amounts, *[used.get(unit, 0) for unit in UNITS], count]


def read_attempt(row: Sequence[Any]) -> dict[str, Any]:
    """Return an attempt as it is shown."""
    _, started_at, cost_nano, units, *plain = row
    return dict(zip(ATTEMPT_COLUMNS, (to_text(started_at), *plain, as_amount(cost_nano), as_json(units)), strict=True))


def as_amount(nano: int | None) -> str | None:
    """Write an amount of money, where there is one."""
    return None if nano is None else written(nano)


def as_json(units: str) -> msgspec.Raw:
    """Return a map of units to be written as it was stored."""
    return msgspec.Raw(units.encode())
