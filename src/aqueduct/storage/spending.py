"""What was spent: of a budget, read from the rollups, and by single requests."""

import math
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.budget import Budget
from aqueduct.domain.subject import SubjectType
from aqueduct.storage.instants import ID_MARGIN_SECONDS, MICROSECONDS, first_id, to_microseconds
from aqueduct.storage.rollups import DAY_SECONDS, HOUR_SECONDS
from aqueduct.storage.tables import (
    budgets,
    organisation_rollups,
    team_rollups,
    usage_attempts,
    usage_requests,
    usage_rollups,
    user_rollups,
)

ROLLUPS: Mapping[SubjectType, sa.Table] = {
    SubjectType.ORGANISATION: organisation_rollups,
    SubjectType.TEAM: team_rollups,
    SubjectType.USER: user_rollups,
    SubjectType.SERVICE_ACCOUNT: usage_rollups,
    SubjectType.API_TOKEN: usage_rollups,
}
"""Where the sums of a budget's subject are, in the fewest rows."""


async def read_spending(connection: AsyncConnection, budget: Budget, begins_at: float) -> int:
    """Sum in nano-units what a budget's subject spent in its currency since an instant.

    Whole days by their rows, the hours before the first of them by theirs. Of an hour that began before the instant (in
    zones that are not whole hours from UTC) the raw records from before it are taken off, as far as they are still
    there: a budget is never thought fuller than it is.
    """
    table = ROLLUPS[budget.subject_type].c
    first_hour = math.floor(begins_at / HOUR_SECONDS) * HOUR_SECONDS
    first_day = math.ceil(first_hour / DAY_SECONDS) * DAY_SECONDS
    period: sa.ColumnElement[int] = table.period_seconds
    if budget.subject_type is not SubjectType.ORGANISATION:
        # As a sum it matches no key that begins with it: SQLite would read everybody's rows of the time by that key,
        # where the owner's index has some dozens.
        period = period + 0
    days = sa.and_(period == DAY_SECONDS, table.start_at >= first_day * MICROSECONDS)
    hours = sa.and_(
        period == HOUR_SECONDS,
        table.start_at.between(first_hour * MICROSECONDS, first_day * MICROSECONDS - 1),
    )
    statement = sa.select(sa.func.coalesce(sa.func.sum(table.cost_nano), 0)).where(
        sa.or_(days, hours),
        table[f"{budget.subject_type}_id"] == budget.subject_id,
        table.currency == budget.currency,
    )
    spent = int(await connection.scalar(statement) or 0)
    if begins_at > first_hour:
        spent -= await read_costs_between(connection, budget, first_hour, begins_at)
    return spent


async def read_costs_between(connection: AsyncConnection, budget: Budget, since: float, until: float) -> int:
    """Sum in nano-units what the raw records of a time say that a budget's subject spent in its currency."""
    requests, attempts = usage_requests.c, usage_attempts.c
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(attempts.cost_nano), 0))
        .select_from(usage_requests.join(usage_attempts, attempts.request_id == requests.id))
        .where(
            requests.id.between(first_id(since), first_id(until + 2 * ID_MARGIN_SECONDS)),
            requests.started_at.between(to_microseconds(since), to_microseconds(until) - 1),
            requests[f"{budget.subject_type}_id"] == budget.subject_id,
            attempts.currency == budget.currency,
        )
    )
    return int(await connection.scalar(statement) or 0)


async def read_spenders(connection: AsyncConnection, since: float) -> set[tuple[SubjectType, str]]:
    """Return everybody who used something since the hour before an instant."""
    at = (math.floor(since / HOUR_SECONDS) - 1) * HOUR_SECONDS * MICROSECONDS
    spenders: set[tuple[SubjectType, str]] = set()
    for subject_type, rollup in ROLLUPS.items():
        owner = rollup.c[f"{subject_type}_id"]
        recent = sa.and_(rollup.c.period_seconds == HOUR_SECONDS, rollup.c.start_at >= at)
        statement = sa.select(owner).distinct().where(recent, owner != "")
        spenders |= {(subject_type, owner_id) for owner_id in await connection.scalars(statement)}
    return spenders


async def read_costs(connection: AsyncConnection, request_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return what requests cost in nano-units by currency; those of which there is no record do not appear."""
    found: dict[str, dict[str, int]] = {}
    for request_id in await connection.scalars(
        sa.select(usage_requests.c.id).where(usage_requests.c.id.in_(request_ids))
    ):
        found[request_id] = {}
    table = usage_attempts.c
    statement = (
        sa.select(table.request_id, table.currency, sa.func.sum(table.cost_nano))
        .where(table.request_id.in_(list(found)), table.cost_nano.is_not(None))
        .group_by(table.request_id, table.currency)
    )
    for request_id, currency, nano in await connection.execute(statement):
        found[request_id][currency] = int(nano)
    return found


async def read_currencies(connection: AsyncConnection, budget_ids: Sequence[str]) -> dict[str, str]:
    """Return the currencies of budgets by their ids; those that were deleted do not appear."""
    statement = sa.select(budgets.c.id, budgets.c.currency).where(budgets.c.id.in_(budget_ids))
    return dict((await connection.execute(statement)).tuples().all())
