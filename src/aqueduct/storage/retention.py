"""Removes raw records that are older than the setting says, a few at a time; their sums stay in the rollups."""

import asyncio
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.storage.database import Database
from aqueduct.storage.instants import first_id, to_microseconds
from aqueduct.storage.shipper import UNAVAILABLE, describe
from aqueduct.storage.tables import end_user_rollups, usage_attempts, usage_requests

INTERVAL_SECONDS = 3600.0
STEP_ROWS = 500
"""How many requests a transaction removes: some milliseconds, which is how long a writer may have to wait for it."""
REST_FACTOR = 4.0
"""How much longer than a step took it rests after it, so that pruning never takes more than a fifth of the time."""
DAY_SECONDS = 86_400.0

logger = structlog.get_logger(__name__)


class Retention:
    """Prunes once an hour; `run` it beside the gateway. `days` is how long records are kept."""

    def __init__(self, database: Database, days: float, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._days = days
        self._now = clock

    async def run(self) -> None:
        """Prune until cancelled, whatever happens to the database."""
        while True:
            try:
                removed = await self.prune()
            except UNAVAILABLE as error:
                logger.error("records_not_pruned", reason=describe(error))
            else:
                if removed:
                    logger.info("records_pruned", requests=removed)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def prune(self) -> int:
        """Remove all that is too old, and return how many requests that were."""
        until = self._now() - self._days * DAY_SECONDS
        removed = 0
        while True:
            began = time.perf_counter()
            async with self._database.writing() as connection:
                requests = await prune_requests(connection, until, STEP_ROWS)
                end_users = 0 if requests else await prune_end_users(connection, until, STEP_ROWS)
            if not requests and not end_users:
                return removed
            removed += requests
            await asyncio.sleep((time.perf_counter() - began) * REST_FACTOR)


async def prune_requests(connection: AsyncConnection, until: float, rows: int) -> int:
    """Remove the oldest requests from before `until`, with their attempts; return how many."""
    requests = usage_requests.c
    # Ids are in the order of time, give or take the clock; the exact time decides.
    old = (requests.id < first_id(until)) & (requests.started_at < to_microseconds(until))
    ids = list(await connection.scalars(sa.select(requests.id).where(old).order_by(requests.id).limit(rows)))
    if ids:
        await connection.execute(sa.delete(usage_attempts).where(usage_attempts.c.request_id.in_(ids)))
        await connection.execute(sa.delete(usage_requests).where(requests.id.in_(ids)))
    return len(ids)


async def prune_end_users(connection: AsyncConnection, until: float, rows: int) -> int:
    """Remove the oldest sums of end users, who are too many to be kept for good; return how many."""
    table = end_user_rollups
    key = list(table.primary_key)
    old = sa.select(*key).where(table.c.start_at < to_microseconds(until - DAY_SECONDS)).order_by(*key).limit(rows)
    found = [tuple(row) for row in await connection.execute(old)]
    if found:
        await connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(found)))
    return len(found)
