"""Queries on usage: sums out of the rollups, and the raw records page by page."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.permissions import EVERYWHERE, Reach
from aqueduct.domain.usage import UNITS
from aqueduct.storage.instants import DAY, HOUR, first_id, to_microseconds, to_seconds
from aqueduct.storage.pages import is_within
from aqueduct.storage.rollups import DAY_SECONDS, HOUR_SECONDS
from aqueduct.storage.tables import (
    MEASURES,
    api_tokens,
    end_user_rollups,
    target_rollups,
    usage_attempts,
    usage_requests,
    usage_rollups,
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
TABLES = (usage_rollups, target_rollups, end_user_rollups)
NANO = Decimal(10) ** -9


class UsageSummary(msgspec.Struct, kw_only=True, frozen=True):
    """What one group used; `requests` are attempts where a group is a target.

    `keys` are in the order of the groupings, None where there was none. `costs` are exact amounts by currency.
    """

    keys: tuple[str | None, ...]
    requests: int
    errors: int
    units: dict[str, int]
    costs: dict[str, Decimal]
    duration_ms: int


def rollup_for(by: Sequence[Grouping]) -> sa.Table | None:
    """Return the rollup that has all of the groupings; None where no rollup has them together."""
    days_only = "hour" in by
    for table in TABLES:
        if table is end_user_rollups and days_only:
            continue
        if all(COLUMNS[grouping] in table.c for grouping in by):
            return table
    return None


async def summarise(
    connection: AsyncConnection, *, since: float, until: float, by: Sequence[Grouping], reach: Reach = EVERYWHERE
) -> AsyncIterator[UsageSummary]:
    """Sum usage of whole hours from `since` to `until` (whole days where it is by end user), in the groups' order.

    Rows are read as they come, so that any number of groups takes constant memory. Raises `ValueError` for groupings
    that no rollup has together.
    """
    table = rollup_for(by)
    if table is None:
        raise ValueError(f"usage is not kept by {' and '.join(by)} together")
    keys: list[sa.ColumnElement[Any]] = [table.c[COLUMNS[grouping]] for grouping in by]
    if "day" in by:
        day = table.c.start_at // DAY * DAY
        keys = [day if grouping == "day" else key for grouping, key in zip(by, keys, strict=True)]
    names = [key.label(f"key_{number}") for number, key in enumerate(keys)]
    statement = (
        sa.select(*names, table.c.currency, *(sa.func.sum(table.c[name]).label(name) for name in MEASURES))
        .where(within(table, since, until, hourly="hour" in by), is_reached(table, reach))
        .group_by(*keys, table.c.currency)
        .order_by(*keys, table.c.currency)
    )
    token_names = await read_token_names(connection) if "token" in by else {}
    pending: UsageSummary | None = None
    async with connection.stream(statement) as rows:
        async for row in rows:
            summary = read_summary(row, len(by))
            if pending is not None and pending.keys == summary.keys:
                pending = total((pending, summary), pending.keys)
                continue
            if pending is not None:
                yield readable_keys(pending, by, token_names)
            pending = summary
    if pending is not None:
        yield readable_keys(pending, by, token_names)


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
    return sa.or_(
        days & (at >= first_day) & (at < last_day),
        hours & (at >= start) & (at < first_day),
        hours & (at >= last_day) & (at < end),
    )


def is_reached(table: sa.Table, reach: Reach) -> sa.ColumnElement[bool]:
    """Return the condition for the rows that an actor may see; see `can_reach`."""
    if table is usage_rollups or reach.everything:
        return is_within(table, reach)
    return table.c.organisation_id == reach.organisation_id


def can_reach(by: Sequence[Grouping], reach: Reach) -> bool:
    """Whether an actor's part can be told apart: targets belong to nobody, end users to organisations alone."""
    table = rollup_for(by)
    if table is usage_rollups or reach.everything:
        return True
    return table is end_user_rollups and reach.organisation_id is not None


async def read_token_names(connection: AsyncConnection) -> dict[str, str]:
    """Return the names of API tokens by their ids."""
    rows = await connection.execute(sa.select(api_tokens.c.id, api_tokens.c.name))
    return {row.id: row.name for row in rows}


def read_summary(row: Sequence[Any], groups: int) -> UsageSummary:
    """Turn a row into the summary of a group in one currency."""
    numbers = dict(zip(MEASURES, map(int, row[groups + 1 :]), strict=True))
    currency = row[groups]
    return UsageSummary(
        keys=tuple(row[:groups]),
        requests=numbers["requests"],
        errors=numbers["errors"],
        units={unit: numbers[unit] for unit in UNITS},
        costs={currency: numbers["cost_nano"] * NANO} if currency else {},
        duration_ms=numbers["duration_ms"],
    )


def total(summaries: Iterable[UsageSummary], keys: tuple[str | None, ...] = ()) -> UsageSummary:
    """Add groups up."""
    requests = errors = duration_ms = 0
    units = dict.fromkeys(UNITS, 0)
    costs: dict[str, Decimal] = {}
    for each in summaries:
        requests += each.requests
        errors += each.errors
        duration_ms += each.duration_ms
        for unit, amount in each.units.items():
            units[unit] += amount
        for currency, cost in each.costs.items():
            costs[currency] = costs.get(currency, Decimal(0)) + cost
    return UsageSummary(keys=keys, requests=requests, errors=errors, units=units, costs=costs, duration_ms=duration_ms)


def readable_keys(summary: UsageSummary, by: Sequence[Grouping], token_names: Mapping[str, str]) -> UsageSummary:
    """Return the summary with its keys as people know them; times in UTC."""
    keys = tuple(readable_key(key, grouping, token_names) for key, grouping in zip(summary.keys, by, strict=True))
    return msgspec.structs.replace(summary, keys=keys)


def readable_key(key: Any, grouping: Grouping, token_names: Mapping[str, str]) -> str | None:
    """Write a key: `2026-12-31` for a day, `2026-12-31T23:00Z` for an hour, a token's name."""
    match grouping:
        case "day":
            return f"{datetime.fromtimestamp(to_seconds(key), UTC):%Y-%m-%d}"
        case "hour":
            return f"{datetime.fromtimestamp(to_seconds(key), UTC):%Y-%m-%dT%H:%MZ}"
        case "token":
            return token_names.get(key, key) or None
        case _:
            return key or None


async def read_page(
    connection: AsyncConnection, *, since: float, until: float, after: str | None, size: int
) -> list[dict[str, Any]]:
    """Read up to `size` requests with ids after `after`, in the order of their ids, each with its attempts.

    `started_at` is in seconds since the epoch, as in the journal.
    """
    requests = usage_requests.c
    wanted = (requests.started_at >= to_microseconds(since)) & (requests.started_at < to_microseconds(until))
    # The time alone would read every row there is; ids are in its order.
    wanted &= requests.id >= first_id(since) if after is None else requests.id > after
    page = sa.select(usage_requests).where(wanted).order_by(requests.id).limit(size)
    records = {row["id"]: readable(row) | {"attempts": []} for row in (await connection.execute(page)).mappings()}
    if records:
        ends = usage_attempts.c.request_id.between(min(records), max(records))
        attempts = sa.select(usage_attempts).where(ends).order_by(*usage_attempts.primary_key)
        for row in (await connection.execute(attempts)).mappings():
            if (record := records.get(row["request_id"])) is not None:
                attempt = readable(row)
                del attempt["request_id"], attempt["position"]
                record["attempts"].append(attempt)
    return list(records.values())


def readable(row: sa.RowMapping) -> dict[str, Any]:
    """Return a row as the domain would say it, with `cost` in its currency instead of billionths of it."""
    values = dict(row) | {"started_at": to_seconds(row["started_at"])}
    nano = values.pop("cost_nano")
    return values | {"cost": None if nano is None else nano * NANO}
