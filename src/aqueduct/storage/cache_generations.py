"""What was cleared of cached answers, a row an organisation and model."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.cache import CacheClearing
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.tables import cache_generations

MAX_MODELS = 100
"""How many models of one organisation are told apart: callers carry them all."""


async def add(connection: AsyncConnection, clearing: CacheClearing) -> None:
    """Put a clearing in the place of the last one of the same organisation and model.

    One of all models takes the place of those of each. So does one of too many: to clear more than was meant harms
    nobody.
    """
    table = cache_generations.c
    organisation_id, model = clearing.organisation_id or "", clearing.model or ""
    own = table.organisation_id == organisation_id
    others = await connection.scalar(
        sa.select(sa.func.count()).select_from(cache_generations).where(own, table.model.not_in(["", model]))
    )
    if (others or 0) >= MAX_MODELS:
        model = ""
    await connection.execute(sa.delete(cache_generations).where(own, table.model == model if model else sa.true()))
    await connection.execute(
        sa.insert(cache_generations).values(
            organisation_id=organisation_id,
            model=model,
            id=clearing.id,
            cleared_at=to_microseconds(clearing.cleared_at),
        )
    )
