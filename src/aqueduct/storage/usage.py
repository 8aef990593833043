"""Sums of usage out of the rollups, by any grouping that they carry."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.money import from_nano
from aqueduct.domain.permissions import EVERYWHERE, Reach
from aqueduct.domain.usage import UNITS
from aqueduct.storage.instants import DAY, HOUR, to_microseconds, to_seconds
from aqueduct.storage.pages import is_within
from aqueduct.storage.rollups import DAY_SECONDS, HOUR_SECONDS
from aqueduct.storage.tables import (
    MEASURES,
    api_tokens,
    end_user_rollups,
    organisation_rollups,
    organisations,
    service_accounts,
    target_rollups,
    team_rollups,
    teams,
    usage_rollups,
    user_rollups,
    users,
)

Grouping = Literal[
    "model",
    "provider",
    "target",
    "token",
    "organisation",
    "team",
    "user",
    "service-account",
    "end-user",
    "hour",
    "day",
]
COLUMNS: Mapping[Grouping, str] = {
    "model": "model",
    "provider": "provider",
    "target": "target",
    "token": "api_token_id",
    "organisation": "organisation_id",
    "team": "team_id",
    "user": "user_id",
    "service-account": "service_account_id",
    "end-user": "end_user",
    "hour": "start_at",
    "day": "start_at",
}
NAMED: Mapping[Grouping, sa.Table] = {
    "token": api_tokens,
    "organisation": organisations,
    "team": teams,
    "user": users,
    "service-account": service_accounts,
}
"""What has a name beside its id, and where that is."""

OWNED = (organisation_rollups, team_rollups, user_rollups, usage_rollups)
"""The rollups that say whose usage it was, those of the fewest rows first."""
TABLES = (*OWNED, target_rollups, end_user_rollups)
PART_ROWS = 500

SumsRow = Sequence[Any]
"""The readable key of each grouping, the name of each of them that has one, the currency, then the `MEASURES`."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which usage is meant: its time (seconds since the epoch), whose it may be, and values that columns must have."""

    since: float
    until: float
    reach: Reach = EVERYWHERE
    filters: Mapping[str, str] = {}


class UsageSummary(msgspec.Struct, kw_only=True, frozen=True):
    """What one group used; `requests` are attempts where a group is a target.

    `keys` are in the order of the groupings, None where there was none; `names` are what people call those that are
    ids, and None where there is no other name. `costs` and what the cache `saved` are exact amounts by currency.
    """

    keys: tuple[str | None, ...]
    names: tuple[str | None, ...]
    requests: int
    errors: int
    units: dict[str, int]
    costs: dict[str, Decimal]
    saved: dict[str, Decimal]
    duration_ms: int


def rollup_for(by: Sequence[Grouping], filters: Iterable[str] = (), reach: Reach = EVERYWHERE) -> sa.Table | None:
    """Return the rollup of the fewest rows that has all of the groupings, the filtered columns and a reach's owners.

    None where none has them together.
    """
    columns = {*(COLUMNS[grouping] for grouping in by), *filters}
    owners = columns | owners_in(reach)
    for table in TABLES:
        if table is end_user_rollups and "hour" in by:
            continue
        if (owners if table in OWNED else columns) <= set(table.c.keys()):
            return table
    return None


def owners_in(reach: Reach) -> set[str]:
    """Return the columns by which a reach is told."""
    if reach.everything:
        return set()
    told_by = {"organisation_id": reach.organisation_id, "team_id": reach.team_ids, "user_id": reach.user_id}
    return {column for column, value in told_by.items() if value}


async def stream_sums(
    connection: AsyncConnection, selection: Selection, by: Sequence[Grouping]
) -> AsyncIterator[list[SumsRow]]:
    """Yield the sums of whole hours (whole days where it is by end user), a row a group and currency, in order.

    Rows come in parts as they are read, so that any number of groups takes constant memory. Raises `ValueError` for
    groupings that no rollup has together.
    """
    table = rollup_for(by, selection.filters, selection.reach)
    if table is None:
        raise ValueError(f"usage is not kept by {' and '.join((*by, *selection.filters))} together")
    async with connection.stream(sums_statement(table, selection, by)) as rows:
        async for part in rows.partitions(PART_ROWS):
            yield [readable(row, by) for row in part]


async def read_top(
    connection: AsyncConnection, selection: Selection, grouping: Grouping, measure: str, count: int
) -> list[UsageSummary]:
    """Read the groups with the most of a measure, the highest first.

    Who they are is found out by the one measure, and only their sums are made: of thousands of groups most of the time
    would go into sums that nobody looks at. Raises `ValueError` for a grouping that no rollup has with the filters.
    """
    table = rollup_for((grouping,), selection.filters, selection.reach)
    if table is None:
        raise ValueError(f"usage is not kept by {' and '.join((grouping, *selection.filters))} together")
    column = table.c[COLUMNS[grouping]]
    ranked = (
        sa.select(column)
        .where(*selected(table, selection, hourly=False))
        .group_by(column)
        .order_by(sa.func.sum(table.c[measure]).desc(), column)
        .limit(count)
    )
    keys = list(await connection.scalars(ranked))
    rows = await connection.execute(sums_statement(table, selection, (grouping,), column.in_(keys)))
    summaries = [read_summary(readable(row, (grouping,)), (grouping,)) for row in rows]
    found: dict[str | None, UsageSummary] = {}
    for each in summaries:
        key = each.keys[0]
        found[key] = total((found[key], each), each.keys, each.names) if key in found else each
    return [found[readable_key(key, grouping)] for key in keys]


async def read_total(connection: AsyncConnection, selection: Selection, by: Sequence[Grouping]) -> UsageSummary:
    """Read what all groups of a grouping are together."""
    table = rollup_for(by, selection.filters, selection.reach)
    if table is None or table in OWNED:
        # All of these say the same of everything, and this one in the fewest rows.
        table = rollup_for((), selection.filters, selection.reach)
    if table is None:
        raise ValueError(f"usage is not kept by {' and '.join(selection.filters)} together")
    rows = await connection.execute(sums_statement(table, selection, ()))
    return total([read_summary(readable(row, ()), ()) for row in rows])


def sums_statement(
    table: sa.Table, selection: Selection, by: Sequence[Grouping], *conditions: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    """Return the query for `stream_sums`: what is summed is grouped first, then the few groups are given names."""
    keys: list[sa.ColumnElement[Any]] = [table.c[COLUMNS[grouping]] for grouping in by]
    if "day" in by:
        day = table.c.start_at // DAY * DAY
        keys = [day if grouping == "day" else key for grouping, key in zip(by, keys, strict=True)]
    labelled = [key.label(f"key_{at}") for at, key in enumerate(keys)]
    sums = (
        sa.select(*labelled, table.c.currency, *(sa.func.sum(table.c[name]).label(name) for name in MEASURES))
        .where(*selected(table, selection, hourly="hour" in by), *conditions)
        .group_by(*keys, table.c.currency)
        .subquery("sums")
    )
    found = [sums.c[label.name] for label in labelled]
    source: sa.FromClause = sums
    names: list[sa.ColumnElement[Any]] = []
    for grouping, key in zip(by, found, strict=True):
        if (named := NAMED.get(grouping)) is not None:
            source = source.outerjoin(named, named.c.id == key)
            names.append(named.c.name)
    statement = sa.select(*found, *names, sums.c.currency, *(sums.c[name] for name in MEASURES)).select_from(source)
    return statement.order_by(*found, sums.c.currency)


async def summarise(
    connection: AsyncConnection, selection: Selection, by: Sequence[Grouping]
) -> AsyncIterator[UsageSummary]:
    """Yield what `stream_sums` does, a summary a group with its costs in all currencies."""
    pending: UsageSummary | None = None
    async for part in stream_sums(connection, selection, by):
        for row in part:
            summary = read_summary(row, by)
            if pending is not None and pending.keys == summary.keys:
                pending = total((pending, summary), pending.keys, pending.names)
                continue
            if pending is not None:
                yield pending
            pending = summary
    if pending is not None:
        yield pending


def selected(table: sa.Table, selection: Selection, *, hourly: bool) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for the rows that are meant."""
    return [
        within(table, selection.since, selection.until, hourly=hourly),
        is_reached(table, selection.reach),
        *(table.c[name] == value for name, value in selection.filters.items()),
    ]


def within(table: sa.Table, since: float, until: float, *, hourly: bool) -> sa.ColumnElement[bool]:
    """Return the condition for the rows that make up a time: days where they are whole, hours at its ends."""
    start = to_microseconds(since) // HOUR * HOUR
    end = -(-to_microseconds(until) // HOUR) * HOUR
    first_day, last_day = -(-start // DAY) * DAY, end // DAY * DAY
    at = table.c.start_at
    hours, days = table.c.period_seconds == HOUR_SECONDS, table.c.period_seconds == DAY_SECONDS
    if table is end_user_rollups:
        return days & (at >= start // DAY * DAY) & (at < end)
    if hourly or first_day >= last_day:
        return hours & (at >= start) & (at < end)
    spans = [(days, first_day, last_day), (hours, start, first_day), (hours, last_day, end)]
    # An empty one would cost the database its straight way along the key.
    return sa.or_(*(period & (at >= begin) & (at < finish) for period, begin, finish in spans if begin < finish))


def is_reached(table: sa.Table, reach: Reach) -> sa.ColumnElement[bool]:
    """Return the condition for the rows that an actor may see; see `can_reach`."""
    if table in OWNED or reach.everything:
        return is_within(table, reach)
    return table.c.organisation_id == reach.organisation_id


def can_reach(by: Sequence[Grouping], selection: Selection) -> bool:
    """Whether an actor's part can be told apart: targets belong to nobody, end users to organisations alone."""
    table = rollup_for(by, selection.filters, selection.reach)
    if table in OWNED or selection.reach.everything:
        return True
    return table is end_user_rollups and selection.reach.organisation_id is not None


def readable(row: Sequence[Any], by: Sequence[Grouping]) -> SumsRow:
    """Return a row with its keys as people know them, and whole numbers, which PostgreSQL's sums are not."""
    keys = [readable_key(key, grouping) for key, grouping in zip(row, by, strict=False)]
    first = len(row) - len(MEASURES)
    return [*keys, *row[len(by) : first], *map(int, row[first:])]


def readable_key(key: Any, grouping: Grouping) -> str | None:
    """Write a key: `2026-12-31` for a day, `2026-12-31T23:00Z` for an hour; None is none."""
    match grouping:
        case "day":
            return f"{datetime.fromtimestamp(to_seconds(key), UTC):%Y-%m-%d}"
        case "hour":
            return f"{datetime.fromtimestamp(to_seconds(key), UTC):%Y-%m-%dT%H:%MZ}"
        case _:
            return key or None


def read_summary(row: SumsRow, by: Sequence[Grouping]) -> UsageSummary:
    """Turn a row into the summary of a group in one currency."""
    first = len(row) - len(MEASURES)
    numbers = dict(zip(MEASURES, row[first:], strict=True))
    names = iter(row[len(by) : first - 1])
    currency = row[first - 1]
    return UsageSummary(
        keys=tuple(row[: len(by)]),
        names=tuple(next(names) if grouping in NAMED else None for grouping in by),
        requests=numbers["requests"],
        errors=numbers["errors"],
        units={unit: numbers[unit] for unit in UNITS},
        costs={currency: from_nano(numbers["cost_nano"])} if currency else {},
        saved={currency: from_nano(nano)} if currency and (nano := numbers["saved_nano"]) else {},
        duration_ms=numbers["duration_ms"],
    )


def total(
    summaries: Iterable[UsageSummary], keys: tuple[str | None, ...] = (), names: tuple[str | None, ...] = ()
) -> UsageSummary:
    """Add groups up."""
    requests = errors = duration_ms = 0
    units = dict.fromkeys(UNITS, 0)
    costs: dict[str, Decimal] = {}
    saved: dict[str, Decimal] = {}
    for each in summaries:
        requests += each.requests
        errors += each.errors
        duration_ms += each.duration_ms
        for unit, amount in each.units.items():
            units[unit] += amount
        for sums, amounts in ((costs, each.costs), (saved, each.saved)):
            for currency, money in amounts.items():
                sums[currency] = sums.get(currency, Decimal(0)) + money
    return UsageSummary(
        keys=keys,
        names=names,
        requests=requests,
        errors=errors,
        units=units,
        costs=costs,
        saved=saved,
        duration_ms=duration_ms,
    )
