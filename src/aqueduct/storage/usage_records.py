"""The raw records of usage, page by page: a row a request, with the names of those it belongs to, and its attempts.

A page is read by the key, from where the last one ended, in a transaction of its own: an export takes constant memory,
keeps no lock while its reader is slow, and gets what it reads as plain tuples.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.price import written
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
FIRST = ("id", "started_at", "cost_nano", "units")
"""The columns that are read first, since they are written otherwise than they are stored."""

PLAIN = [name for name in usage_requests.c.keys() if name not in FIRST]  # noqa: SIM118 - not a dictionary
NAMES = [f"{owner}_name" for owner in OWNERS]
COLUMNS = ("id", "started_at", *NAMES, *PLAIN, "cost", "units", "attempts")
"""What a record consists of; `units` is a map, `attempts` a list of maps, `cost` the exact text of an amount."""

ATTEMPT_FIRST = ("request_id", "started_at", "cost_nano", "units")
ATTEMPT_PLAIN = [name for name in usage_attempts.c.keys() if name not in (*ATTEMPT_FIRST, "position")]  # noqa: SIM118
ATTEMPT_COLUMNS = ("started_at", *ATTEMPT_PLAIN, "cost", "units")

Record = list[Any]
"""The values of a record, in the order of `COLUMNS`."""

decode_units = msgspec.json.Decoder(dict[str, int]).decode


async def read_page(connection: AsyncConnection, selection: Selection, after: str | None, size: int) -> list[Record]:
    """Read up to `size` records with ids after `after`, in the order of their ids."""
    rows = (await connection.execute(page_statement(selection, after, size))).all()
    attempts: dict[str, list[dict[str, Any]]] = {row[0]: [] for row in rows}
    if attempts:
        for row in await connection.execute(attempts_statement(list(attempts))):
            attempts[row[0]].append(read_attempt(row))
    return [read_record(row, attempts[row[0]]) for row in rows]


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


def read_record(row: Sequence[Any], attempts: list[dict[str, Any]]) -> Record:
    """Return a record as it is shown."""
    identity, started_at, cost_nano, units, *plain = row
    cost = None if cost_nano is None else written(cost_nano)
    return [identity, to_text(started_at), *plain, cost, decode_units(units), attempts]


def read_attempt(row: Sequence[Any]) -> dict[str, Any]:
    """Return an attempt as it is shown."""
    _, started_at, cost_nano, units, *plain = row
    cost = None if cost_nano is None else written(cost_nano)
    values = (to_text(started_at), *plain, cost, decode_units(units))
    return dict(zip(ATTEMPT_COLUMNS, values, strict=True))
