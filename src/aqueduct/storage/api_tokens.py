"""Queries on API tokens."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.principal import ApiToken
from aqueduct.storage.database import Database
from aqueduct.storage.instants import to_microseconds, to_seconds
from aqueduct.storage.keys import Digest, KeyRing
from aqueduct.storage.tables import api_tokens


class ApiTokenStore:
    """API tokens as the data plane looks them up, by value."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def find(self, value: str) -> ApiToken | None:
        """Look a value up in the database, usable or not; raises SQLAlchemy's `DBAPIError` when it is out of reach."""
        async with self._database.reading() as connection:
            return await find_by_hash(connection, self._keys.candidates(value))


async def add(connection: AsyncConnection, api_token: ApiToken, digest: Digest) -> None:
    """Add a token; raises SQLAlchemy's `IntegrityError` when a live one has its name."""
    row = msgspec.to_builtins(api_token, builtin_types=(list,))
    row |= {name: to_microseconds(row[name]) for name in ("created_at", "expires_at", "revoked_at")}
    key_id, hashed = digest
    await connection.execute(insert(api_tokens).values(row | {"key_id": key_id, "hash": hashed}))


async def find_by_hash(connection: AsyncConnection, candidates: Sequence[Digest]) -> ApiToken | None:
    """Find the token whose value has one of these hashes, whether or not it is still usable.

    A value that was rotated away is found as long as it may be used, with its own expiry.
    """
    table = api_tokens.c
    current = or_(*(and_(table.hash == hashed, table.key_id == key_id) for key_id, hashed in candidates))
    previous = or_(
        *(and_(table.previous_hash == hashed, table.previous_key_id == key_id) for key_id, hashed in candidates)
    )
    statement = select(api_tokens, current.label("is_current")).where(or_(current, previous))
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    api_token = read(row)
    if row.is_current:
        return api_token
    ends = [instant for instant in (to_seconds(row.previous_expires_at), api_token.expires_at) if instant is not None]
    return msgspec.structs.replace(api_token, expires_at=min(ends, default=None))


async def find(connection: AsyncConnection, name_or_id: str) -> ApiToken | None:
    """Find a token by its id, or the live one by its name."""
    named: ColumnElement[bool] = and_(api_tokens.c.name == name_or_id, api_tokens.c.revoked_at.is_(None))
    row = (await connection.execute(select(api_tokens).where(or_(api_tokens.c.id == name_or_id, named)))).first()
    return None if row is None else read(row)


async def everything(connection: AsyncConnection) -> list[ApiToken]:
    """Return all tokens, the oldest first, revoked ones too."""
    rows = await connection.execute(select(api_tokens).order_by(api_tokens.c.created_at, api_tokens.c.id))
    return [read(row) for row in rows]


async def count(connection: AsyncConnection) -> int:
    """Return how many tokens were ever made."""
    return await connection.scalar(select(func.count()).select_from(api_tokens)) or 0


async def replace_value(
    connection: AsyncConnection, api_token: ApiToken, digest: Digest, *, rotated_at: float, previous_expires_at: float
) -> None:
    """Give a token a new value and hint; the old value works until `previous_expires_at`."""
    key_id, hashed = digest
    table = api_tokens.c
    await connection.execute(
        update(api_tokens)
        .where(table.id == api_token.id)
        .values(
            hint=api_token.hint,
            previous_key_id=table.key_id,
            previous_hash=table.hash,
            previous_expires_at=to_microseconds(previous_expires_at),
            rotated_at=to_microseconds(rotated_at),
            key_id=key_id,
            hash=hashed,
        )
    )


async def revoke(connection: AsyncConnection, api_token_id: str, revoked_at: float) -> None:
    """Close a token for good; its row stays, for the usage that names it."""
    await connection.execute(
        update(api_tokens).where(api_tokens.c.id == api_token_id).values(revoked_at=to_microseconds(revoked_at))
    )


def read(row: Row[Any]) -> ApiToken:
    """Turn a row into the domain's value."""
    return ApiToken(
        id=row.id,
        name=row.name,
        hint=row.hint,
        created_at=to_seconds(row.created_at),
        expires_at=to_seconds(row.expires_at),
        revoked_at=to_seconds(row.revoked_at),
        allowed_models=None if row.allowed_models is None else tuple(row.allowed_models),
        organisation_id=row.organisation_id,
        team_id=row.team_id,
        user_id=row.user_id,
        service_account_id=row.service_account_id,
    )
