"""What was spent of a budget, read from the rollups."""

import math

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.budget import Budget
from aqueduct.storage.instants import MICROSECONDS
from aqueduct.storage.rollups import DAY_SECONDS, HOUR_SECONDS
from aqueduct.storage.tables import usage_rollups


async def read_spending(connection: AsyncConnection, budget: Budget, begins_at: float) -> int:
    """Sum in nano-units what a budget's subject spent in its currency since an instant.

    Whole days by their rows, the hours before the first of them by theirs; an hour that began before the instant (in
    zones that are not whole hours from UTC) counts, so that a budget is never thought fuller than it is.
    """
    table = usage_rollups.c
    first_hour = math.floor(begins_at / HOUR_SECONDS) * HOUR_SECONDS
    first_day = math.ceil(first_hour / DAY_SECONDS) * DAY_SECONDS
    days = sa.and_(table.period_seconds == DAY_SECONDS, table.start_at >= first_day * MICROSECONDS)
    hours = sa.and_(
        table.period_seconds == HOUR_SECONDS,
        table.start_at.between(first_hour * MICROSECONDS, first_day * MICROSECONDS - 1),
    )
    statement = sa.select(sa.func.coalesce(sa.func.sum(table.cost_nano), 0)).where(
        sa.or_(days, hours),
        table[f"{budget.subject_type}_id"] == budget.subject_id,
        table.currency == budget.currency,
    )
    return int(await connection.scalar(statement) or 0)
