"""The list of what was administered last: written by every change in its own transaction, read by every gateway.

Numbers are in the order of the commits, without gaps: whoever has read up to one has missed none before it. A sequence
would not do, for of two transactions at once the one with the higher number may commit first. Instead the number is
given at the very end of the transaction, under a lock that PostgreSQL keeps until after the commit, and SQLite has one
writer anyway. Whoever waits for it holds up no more than commits, and as the last lock of a transaction it can be part
of no circle.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.storage.tables import changes

ADVISORY_LOCK = 0x61717566
"""A number that only this list locks in PostgreSQL."""
KEPT = 1000
"""How many are kept; to whoever has missed more, anything may have changed."""
MAX_IDS = 100
"""How many ids a change names; of one that concerns more, everybody hears."""


@dataclass(frozen=True)
class Told:
    """A change: its place in the list, its own id, and the ids of what it concerns; None is anything."""

    number: int
    id: str
    concerned: frozenset[str] | None


async def tell(connection: AsyncConnection, change_id: str, concerned: Collection[str] | None) -> None:
    """Add a change to the list, as the last statement of its transaction; the oldest makes room."""
    if connection.dialect.name == "postgresql":
        await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    table = changes.c
    # A statement of its own, so that it sees what those committed who had the lock before.
    number = (await connection.scalar(sa.select(sa.func.max(table.number))) or 0) + 1
    ids = None if concerned is None or len(concerned) > MAX_IDS else sorted(concerned)
    await connection.execute(sa.insert(changes).values(number=number, id=change_id, concerned=ids))
    await connection.execute(sa.delete(changes).where(table.number <= number - KEPT))


async def read_from(connection: AsyncConnection, number: int) -> list[Told]:
    """Read the change of a number, unless it was pruned or is another database's, and all after it."""
    statement = sa.select(changes).where(changes.c.number >= number).order_by(changes.c.number)
    return [
        Told(row.number, row.id, None if row.concerned is None else frozenset(row.concerned))
        for row in await connection.execute(statement)
    ]


async def read_newest(connection: AsyncConnection) -> Told | None:
    """Read the newest change; a database without one was tampered with."""
    found = await read_from(connection, await connection.scalar(sa.select(sa.func.max(changes.c.number))) or 0)
    return found[-1] if found else None
