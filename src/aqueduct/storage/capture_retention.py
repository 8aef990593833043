"""Removes captures whose time is over, a few at a time.

It is over at the instant that a capture was given, earlier where its policy was shortened since, and when its
organisation is no more.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.capture import DAY_SECONDS, CapturePolicy
from aqueduct.storage.database import Database
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.shipper import UNAVAILABLE
from aqueduct.storage.tables import api_tokens, captures, organisations

INTERVAL_SECONDS = 900.0
STEP_ROWS = 50
"""How many captures a transaction removes: each may be many pages, which SQLite overwrites."""
REST_FACTOR = 4.0
SECURE_DELETE = {0: "OFF", 1: "ON", 2: "FAST"}
"""What SQLite calls the values of the pragma."""

logger = structlog.get_logger(__name__)


class CaptureRetention:
    """Prunes every quarter of an hour; `run` it beside the gateway."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = clock

    async def run(self) -> None:
        """Prune until cancelled, whatever happens to the database."""
        while True:
            try:
                removed = await self.prune()
            except UNAVAILABLE as error:
                logger.error("captures not pruned", reason=type(error).__name__)
            else:
                if removed:
                    logger.info("captures pruned", captures=removed)
            await asyncio.sleep(INTERVAL_SECONDS)

    async def prune(self) -> int:
        """Remove all that is over, and return how many that were."""
        removed = 0
        async for is_over in self._reasons():
            while True:
                began = time.perf_counter()
                async with self._database.writing() as connection:
                    oldest = sa.select(captures.c.id).where(is_over).order_by(captures.c.started_at).limit(STEP_ROWS)
                    found = list(await connection.scalars(oldest))
                    await remove(connection, found)
                removed += len(found)
                if len(found) < STEP_ROWS:
                    break
                await asyncio.sleep((time.perf_counter() - began) * REST_FACTOR)
        return removed

    async def _reasons(self) -> AsyncIterator[sa.ColumnElement[bool]]:
        """Yield the conditions under which a capture is over."""
        table, now = captures.c, self._now()
        yield table.expires_at <= to_microseconds(now)
        async with self._database.reading() as connection:
            tenants = await read_policies(connection, organisations)
            tokens = await read_policies(connection, api_tokens)
            gone = list(
                await connection.scalars(sa.select(organisations.c.id).where(organisations.c.deleted_at.is_not(None)))
            )
        for organisation_id in gone:
            yield table.organisation_id == organisation_id
        own = sa.select(api_tokens.c.id).where(is_set(api_tokens))
        for organisation_id, policy in tenants:
            of_it = (table.organisation_id == organisation_id) & table.api_token_id.not_in(own)
            yield of_it & is_older(policy, now)
        for api_token_id, policy in tokens:
            yield (table.api_token_id == api_token_id) & is_older(policy, now)


async def read_policies(connection: AsyncConnection, table: sa.Table) -> list[tuple[str, CapturePolicy]]:
    """Return the policies that organisations, or tokens, have."""
    rows = await connection.execute(sa.select(table.c.id, table.c.capture).where(is_set(table)))
    return [(owner_id, msgspec.convert(policy, CapturePolicy)) for owner_id, policy in rows]


def is_set(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a row has a policy."""
    return table.c.capture.is_not(sa.null())


def is_older(policy: CapturePolicy, now: float) -> sa.ColumnElement[Any]:
    """Return the condition that a capture is older than a policy lets it become."""
    return captures.c.started_at <= to_microseconds(now - policy.retention_days * DAY_SECONDS)


async def remove(connection: AsyncConnection, request_ids: list[str]) -> None:
    """Delete captures; SQLite overwrites what they said, instead of only forgetting where it is."""
    if not request_ids:
        return
    statement = sa.delete(captures).where(captures.c.id.in_(request_ids))
    if connection.dialect.name != "sqlite":
        await connection.execute(statement)
        return
    before = (await connection.exec_driver_sql("PRAGMA secure_delete")).scalar_one()
    await connection.exec_driver_sql("PRAGMA secure_delete = ON")
    await connection.execute(statement)
    # The connection goes back into the pool, and whoever has it next deletes what is no secret.
    await connection.exec_driver_sql(f"PRAGMA secure_delete = {SECURE_DELETE[before]}")
