"""Queries on API tokens."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.principal import Principal
from aqueduct.storage import principals
from aqueduct.storage.database import Database
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.keys import Digest, KeyRing
from aqueduct.storage.records import Records
from aqueduct.storage.tables import api_tokens

API_TOKENS = Records(api_tokens, ApiToken)


class ApiTokenStore:
    """API tokens as the data plane looks them up, by value."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def find(self, value: str) -> Principal | None:
        """Look a value up in the database, usable or not; raises SQLAlchemy's `DBAPIError` when it is out of reach."""
        async with self._database.reading() as connection:
            return await principals.load(connection, self._keys.candidates(value))


async def add(connection: AsyncConnection, new: Sequence[tuple[ApiToken, Digest]]) -> None:
    """Add tokens; raises SQLAlchemy's `IntegrityError` when a live one of the same owner has a name."""
    rows = [API_TOKENS.to_row(api_token) | {"key_id": key_id, "hash": hashed} for api_token, (key_id, hashed) in new]
    if rows:
        await connection.execute(sa.insert(api_tokens), rows)


async def find_live(connection: AsyncConnection, name: str) -> list[ApiToken]:
    """Find the live tokens of a name, whosever they are."""
    return await API_TOKENS.select(connection, name=name, revoked_at=None)


async def count(connection: AsyncConnection) -> int:
    """Return how many tokens were ever made."""
    return await API_TOKENS.count(connection)


async def live_key_ids(connection: AsyncConnection, now: float) -> set[str]:
    """Return the ids of the keys that live tokens are hashed with."""
    table = api_tokens.c
    is_live = sa.and_(
        table.revoked_at.is_(None), sa.or_(table.expires_at.is_(None), table.expires_at > to_microseconds(now))
    )
    return set(await connection.scalars(sa.select(table.key_id).where(is_live).distinct()))


async def replace_value(
    connection: AsyncConnection, api_token: ApiToken, digest: Digest, *, rotated_at: float, previous_expires_at: float
) -> bool:
    """Give a token a new value, hint and version; the old value works until `previous_expires_at`.

    False when it is no longer of the version before: it was changed, revoked or given another value meanwhile.
    """
    key_id, hashed = digest
    table = api_tokens.c
    done = await connection.execute(
        sa.update(api_tokens)
        .where(table.id == api_token.id, table.version == api_token.version - 1, table.revoked_at.is_(None))
        .values(
            hint=api_token.hint,
            version=api_token.version,
            previous_key_id=table.key_id,
            previous_hash=table.hash,
            previous_expires_at=to_microseconds(previous_expires_at),
            rotated_at=to_microseconds(rotated_at),
            key_id=key_id,
            hash=hashed,
        )
    )
    return done.rowcount == 1


def mark_used(connection: sa.Connection, used: Mapping[str, float]) -> None:
    """Note when tokens, by their ids, were last used; an earlier instant than the one noted changes nothing.

    For whoever stores usage, in its transaction: the version stays, for nothing that is administered has changed.
    """
    table = api_tokens.c
    instant = sa.bindparam("instant", type_=sa.BigInteger)
    statement = sa.update(api_tokens).where(
        table.id == sa.bindparam("used_id"), sa.or_(table.last_used_at.is_(None), table.last_used_at < instant)
    )
    if used:
        rows = [{"used_id": each, "instant": to_microseconds(at)} for each, at in sorted(used.items())]
        connection.execute(statement.values(last_used_at=instant), rows)
