"""Queries on usage: summaries, and the raw records page by page."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.permissions import EVERYWHERE, Reach
from aqueduct.storage.instants import DAY, to_microseconds, to_seconds
from aqueduct.storage.pages import is_within
from aqueduct.storage.tables import api_tokens, usage_attempts, usage_requests

EPOCH = date(1970, 1, 1)
Grouping = Literal["model", "token", "day", "target"]
UNITS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class UsageSummary(msgspec.Struct, kw_only=True, frozen=True):
    """What one group used; `requests` are attempts where the group is a target. `key` is None where there was none."""

    key: str | None
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int


async def summarise(
    connection: AsyncConnection, *, since: float, until: float | None = None, by: Grouping, within: Reach = EVERYWHERE
) -> list[UsageSummary]:
    """Sum usage within reach from `since` on and before `until`, a row a group.

    Days are in order, everything else by the number of requests.
    """
    table = usage_attempts if by == "target" else usage_requests
    failed = table.c.error.is_not(None) if by == "target" else failed_request()
    key, group, source = grouping(by)
    wanted = table.c.started_at >= to_microseconds(since)
    if until is not None:
        wanted &= table.c.started_at < to_microseconds(until)
    if not within.everything:
        # Attempts have no owners of their own.
        source = (
            source
            if table is usage_requests
            else source.join(usage_requests, usage_requests.c.id == usage_attempts.c.request_id)
        )
        wanted &= is_within(usage_requests, within)
    requests = sa.func.count()
    statement = (
        sa.select(
            key.label("key"),
            requests.label("requests"),
            sa.func.sum(sa.case((failed, 1), else_=0)).label("errors"),
            *(total(table, unit).label(unit) for unit in UNITS),
        )
        .select_from(source)
        .where(wanted)
        .group_by(*group)
        .order_by(key if by == "day" else requests.desc())
    )
    rows = (await connection.execute(statement)).mappings()
    return [read_summary(dict(row), by) for row in rows]


def failed_request() -> sa.ColumnElement[bool]:
    """Return the condition that a request ended in an error, before or after its first byte."""
    return sa.or_(usage_requests.c.status >= 400, usage_requests.c.error_code.is_not(None))


def total(table: sa.Table, unit: str) -> sa.ColumnElement[int]:
    """Return the sum of one unit over a group."""
    return sa.func.coalesce(sa.func.sum(sa.cast(table.c.units[unit].as_string(), sa.BigInteger)), 0)


def grouping(by: Grouping) -> tuple[sa.ColumnElement[Any], Sequence[sa.ColumnElement[Any]], sa.FromClause]:
    """Return what a group is called, what makes it one, and the tables both come from."""
    requests = usage_requests.c
    match by:
        case "target":
            return usage_attempts.c.target, [usage_attempts.c.target], usage_attempts
        case "model":
            return requests.request_model, [requests.request_model], usage_requests
        case "day":
            day = requests.started_at // DAY
            return day, [day], usage_requests
        case "token":
            name = sa.func.coalesce(api_tokens.c.name, requests.api_token_id)
            owned = usage_requests.outerjoin(api_tokens, api_tokens.c.id == requests.api_token_id)
            # By id: a name may be given again after its token was revoked.
            return name, [requests.api_token_id, name], owned


def read_summary(row: dict[str, Any], by: Grouping) -> UsageSummary:
    """Turn a row into the summary of its group; a day is written `2026-12-31`, in UTC."""
    if by == "day":
        row["key"] = (EPOCH + timedelta(days=row["key"])).isoformat()
    units = {unit: int(row[unit]) for unit in UNITS}
    return UsageSummary(key=row["key"], requests=row["requests"], errors=int(row["errors"] or 0), **units)


async def read_page(connection: AsyncConnection, *, since: float, after: str | None, size: int) -> list[dict[str, Any]]:
    """Read up to `size` requests with ids after `after`, in the order of their ids, each with its attempts.

    `started_at` is in seconds since the epoch, as in the journal.
    """
    wanted = usage_requests.c.started_at >= to_microseconds(since)
    if after is not None:
        wanted &= usage_requests.c.id > after
    page = sa.select(usage_requests).where(wanted).order_by(usage_requests.c.id).limit(size)
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
    """Return a row as the domain would say it."""
    return dict(row) | {"started_at": to_seconds(row["started_at"])}
