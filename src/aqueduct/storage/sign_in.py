"""Queries on passwords, sessions and one-time links."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.identity import User
from aqueduct.domain.session import MAX_IDLE_SECONDS, OneTimeLink, Purpose, Session
from aqueduct.storage.aggregates import USERS
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.keys import Digest
from aqueduct.storage.records import Records
from aqueduct.storage.tables import one_time_links, organisations, passwords, sessions, users

SESSIONS = Records(sessions, Session)
LINKS = Records(one_time_links, OneTimeLink)
OWNER = "owner__"
"""What sets the columns of a session's user apart from its own."""
MAX_NAMESAKES = 3
"""How many of one name or address are asked for their passwords: each takes a tenth of a second."""


def has_digest(table: sa.Table, candidates: Sequence[Digest]) -> sa.ColumnElement[bool]:
    """Return the condition that a row is of a value with one of these hashes."""
    return sa.or_(*(sa.and_(table.c.hash == hashed, table.c.key_id == key_id) for key_id, hashed in candidates))


async def add_session(connection: AsyncConnection, session: Session, digest: Digest) -> None:
    """Add a session."""
    key_id, hashed = digest
    await connection.execute(sa.insert(sessions).values(SESSIONS.to_row(session) | {"key_id": key_id, "hash": hashed}))


async def find_session(
    connection: AsyncConnection, candidates: Sequence[Digest], now: float
) -> tuple[Session, User] | None:
    """Find the session whose value has one of these hashes, and whose it is, as long as both may be used."""
    statement = (
        sa.select(*SESSIONS.columns, *(column.label(f"{OWNER}{column.name}") for column in USERS.columns))
        .join_from(sessions, users, users.c.id == sessions.c.user_id)
        .join(organisations, organisations.c.id == users.c.organisation_id)
        .where(has_digest(sessions, candidates), sessions.c.expires_at > to_microseconds(now), *may_enter())
    )
    row = (await connection.execute(statement)).mappings().first()
    if row is None:
        return None
    user: dict[str, Any] = {column.name: row[f"{OWNER}{column.name}"] for column in USERS.columns}
    return SESSIONS.read(row), USERS.read(user)


def may_enter() -> list[sa.ColumnElement[bool]]:
    """Return the conditions that somebody is there, and not shut out."""
    return [users.c.deleted_at.is_(None), users.c.is_active.is_(sa.true()), organisations.c.deleted_at.is_(None)]


async def note_seen(connection: AsyncConnection, session_id: str, now: float, address: str | None) -> None:
    """Note that a session was used."""
    statement = sa.update(sessions).where(sessions.c.id == session_id)
    await connection.execute(statement.values(last_seen_at=to_microseconds(now), address=address))


async def end_sessions(connection: AsyncConnection, user_id: str, *, but: str | None = None) -> int:
    """End all sessions of somebody, but one; return how many they were."""
    statement = sa.delete(sessions).where(sessions.c.user_id == user_id, sessions.c.id != (but or ""))
    return (await connection.execute(statement)).rowcount


async def end_session(connection: AsyncConnection, candidates: Sequence[Digest]) -> None:
    """End the session whose value has one of these hashes, if there is one."""
    await connection.execute(sa.delete(sessions).where(has_digest(sessions, candidates)))


async def remove_expired(connection: AsyncConnection, now: float) -> None:
    """Delete the sessions and links whose time is over."""
    at = to_microseconds(now)
    is_over = sa.or_(sessions.c.expires_at <= at, sessions.c.last_seen_at < to_microseconds(now - MAX_IDLE_SECONDS))
    await connection.execute(sa.delete(sessions).where(is_over))
    await connection.execute(sa.delete(one_time_links).where(one_time_links.c.expires_at <= at))


async def find_users(connection: AsyncConnection, name: str, organisation: str | None) -> list[tuple[User, str | None]]:
    """Find who may be meant by a name or an e-mail address, in one organisation or any, with the hashes of passwords.

    Several organisations may each have somebody of the name; at most `MAX_NAMESAKES` are returned.
    """
    is_named = sa.or_(users.c.name == name, sa.func.lower(users.c.email) == name.lower())
    statement = (
        sa.select(*USERS.columns, passwords.c.hash.label("password_hash"))
        .join_from(users, organisations, organisations.c.id == users.c.organisation_id)
        .outerjoin(passwords, passwords.c.user_id == users.c.id)
        .where(is_named, *may_enter())
        .order_by(users.c.created_at, users.c.id)
        .limit(MAX_NAMESAKES)
    )
    if organisation is not None:
        statement = statement.where(organisations.c.name == organisation)
    return [(USERS.read(row), row["password_hash"]) for row in (await connection.execute(statement)).mappings()]


async def find_user(connection: AsyncConnection, user_id: str) -> User | None:
    """Find somebody by id, if he may enter."""
    statement = (
        sa.select(*USERS.columns)
        .join_from(users, organisations, organisations.c.id == users.c.organisation_id)
        .where(users.c.id == user_id, *may_enter())
    )
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else USERS.read(row)


async def read_password(connection: AsyncConnection, user_id: str) -> str | None:
    """Return the hash of somebody's password; None where there is none."""
    found: str | None = await connection.scalar(sa.select(passwords.c.hash).where(passwords.c.user_id == user_id))
    return found


async def set_password(connection: AsyncConnection, user_id: str, hashed: str, now: float) -> None:
    """Put the hash of a password in the place of the one before, if there was one."""
    await connection.execute(sa.delete(passwords).where(passwords.c.user_id == user_id))
    row = {"user_id": user_id, "hash": hashed, "changed_at": to_microseconds(now)}
    await connection.execute(sa.insert(passwords).values(row))


async def add_link(connection: AsyncConnection, link: OneTimeLink, digest: Digest) -> None:
    """Add a link; those of the same user and purpose end."""
    table = one_time_links.c
    same = sa.and_(table.user_id == link.user_id, table.purpose == link.purpose.value)
    await connection.execute(sa.delete(one_time_links).where(same))
    key_id, hashed = digest
    await connection.execute(sa.insert(one_time_links).values(LINKS.to_row(link) | {"key_id": key_id, "hash": hashed}))


async def find_link(
    connection: AsyncConnection, candidates: Sequence[Digest], purposes: Sequence[Purpose], now: float
) -> OneTimeLink | None:
    """Find the link whose value has one of these hashes, if it is of a purpose and may still be used."""
    statement = sa.select(*LINKS.columns).where(
        has_digest(one_time_links, candidates),
        one_time_links.c.purpose.in_([purpose.value for purpose in purposes]),
        one_time_links.c.expires_at > to_microseconds(now),
    )
    row = (await connection.execute(statement)).mappings().first()
    return None if row is None else LINKS.read(row)


async def take_link(connection: AsyncConnection, link_id: str) -> bool:
    """Use a link up; False where somebody else just did."""
    done = await connection.execute(sa.delete(one_time_links).where(one_time_links.c.id == link_id))
    return done.rowcount == 1


async def remove_all_of(connection: AsyncConnection, user_id: str) -> None:
    """Delete all that lets somebody in: for one who is deleted."""
    for table in (sessions, one_time_links, passwords):
        await connection.execute(sa.delete(table).where(table.c.user_id == user_id))
