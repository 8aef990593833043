"""Queries on idempotency keys."""

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.actor import Authority
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.tables import idempotency_keys

Key = tuple[str, str]
"""The id of the API token that asked, and the key it gave."""


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked under a key, by its fingerprint, and what was answered; `status` of None: nothing yet.

    `authority` is that of whoever was answered; None where a version that did not note it has answered.
    """

    fingerprint: bytes
    status: int | None = None
    headers: dict[str, str] | None = None
    body: bytes | None = None
    authority: Authority | None = None


def is_key(key: Key) -> sa.ColumnElement[bool]:
    """Return the condition that a row is this key's."""
    return (idempotency_keys.c.api_token_id == key[0]) & (idempotency_keys.c.key == key[1])


async def find(connection: AsyncConnection, key: Key) -> KeptAnswer | None:
    """Find what is kept under a key."""
    table = idempotency_keys.c
    columns = (table.fingerprint, table.status, table.headers, table.body, table.authority)
    row = (await connection.execute(sa.select(*columns).where(is_key(key)))).mappings().first()
    if row is None:
        return None
    authority = None if row["authority"] is None else msgspec.convert(row["authority"], Authority)
    return KeptAnswer(**{**row, "authority": authority})


async def reserve(connection: AsyncConnection, key: Key, fingerprint: bytes, *, expires_at: float) -> None:
    """Take a key; raises SQLAlchemy's `IntegrityError` when another process has it already."""
    row = {"api_token_id": key[0], "key": key[1], "fingerprint": fingerprint}
    await connection.execute(sa.insert(idempotency_keys).values(row | {"expires_at": to_microseconds(expires_at)}))


async def keep(connection: AsyncConnection, key: Key, answer: KeptAnswer, *, expires_at: float) -> None:
    """Keep the answer under a key that is taken."""
    values: dict[str, Any] = {"status": answer.status, "headers": answer.headers, "body": answer.body}
    values["authority"] = None if answer.authority is None else msgspec.to_builtins(answer.authority)
    values["expires_at"] = to_microseconds(expires_at)
    await connection.execute(sa.update(idempotency_keys).where(is_key(key)).values(values))


async def release(connection: AsyncConnection, key: Key) -> None:
    """Give a key back."""
    await connection.execute(sa.delete(idempotency_keys).where(is_key(key)))


async def remove_expired(connection: AsyncConnection, now: float) -> None:
    """Delete all keys whose time is over."""
    await connection.execute(sa.delete(idempotency_keys).where(idempotency_keys.c.expires_at <= to_microseconds(now)))
