"""Queries on the ways in that were begun: each is taken once."""

import hashlib

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.credential import Flow
from aqueduct.storage.aggregates import FLOWS
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.tables import sign_in_flows


def digest(value: str) -> str:
    """Return what is stored of a random value: whoever reads the table cannot go on with what somebody else began."""
    return hashlib.sha256(value.encode()).hexdigest()


async def take(connection: AsyncConnection, flow_id: str, now: float) -> Flow | None:
    """Take a flow away and return it; None where there is none (any more), or its time is over."""
    row = sign_in_flows.c
    statement = sa.delete(sign_in_flows).where(row.id == flow_id).returning(*FLOWS.columns)
    found = (await connection.execute(statement)).mappings().first()
    flow = None if found is None else FLOWS.read(found)
    return flow if flow is not None and flow.expires_at > now else None


async def remove_expired(connection: AsyncConnection, now: float) -> None:
    """Delete all whose time is over."""
    await connection.execute(sa.delete(sign_in_flows).where(sign_in_flows.c.expires_at <= to_microseconds(now)))
