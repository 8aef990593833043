"""Which of our sessions came from which session at an issuer, for logging out at both.

An issuer wants to be shown the ID token again when somebody logs out. It says who that is, so it is kept encrypted.
"""

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.tables import identities, issuer_sessions
from aqueduct.storage.vault import CannotOpen, Sealed, Vault


class IssuerSession(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session of ours came from; `sid` is the issuer's name for his, `hint` the ID token."""

    session_id: str
    identity_id: str
    issuer_name: str
    sid: str | None
    hint: str | None


class IssuerSessions:
    """The sessions, as far as the vault opens them."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def add(self, connection: AsyncConnection, session: IssuerSession, *, expires_at: float) -> None:
        """Note where a session came from; `expires_at` is when it is over at the latest."""
        row = {name: getattr(session, name) for name in ("session_id", "identity_id", "issuer_name", "sid")}
        row["expires_at"] = to_microseconds(expires_at)
        if session.hint is not None:
            sealed = self._vault.seal(session.hint.encode(), session.session_id)
            row |= {"hint_key_id": sealed.key_id, "hint": sealed.content}
        await connection.execute(sa.insert(issuer_sessions).values(row))

    async def take(self, connection: AsyncConnection, session_id: str) -> IssuerSession | None:
        """Forget where a session came from, and return it."""
        table = issuer_sessions
        statement = sa.delete(table).where(table.c.session_id == session_id).returning(*table.c)
        row = (await connection.execute(statement)).mappings().first()
        if row is None:
            return None
        hint = None if row["hint"] is None else self._open(Sealed(row["hint_key_id"], row["hint"]), session_id)
        known = {name: row[name] for name in ("session_id", "identity_id", "issuer_name", "sid")}
        return IssuerSession(**known, hint=hint)

    def _open(self, sealed: Sealed, session_id: str) -> str | None:
        try:
            return self._vault.open(sealed, session_id).decode()
        except CannotOpen:
            return None  # the key was changed: logging out goes on without it


async def end(
    connection: AsyncConnection, issuer: tuple[str, str], *, sid: str | None, subject: str | None
) -> list[str]:
    """Forget all that an issuer ends, and return their ids: those of one of his sessions, or of a person.

    `issuer` is his name and URL.
    """
    name, url = issuer
    table = issuer_sessions
    condition = table.c.issuer_name == name
    if sid is not None:
        condition &= table.c.sid == sid
    if subject is not None:
        known = sa.select(identities.c.id).where(identities.c.issuer == url, identities.c.subject == subject)
        condition &= table.c.identity_id.in_(known)
    return list(await connection.scalars(sa.delete(table).where(condition).returning(table.c.session_id)))


async def remove_expired(connection: AsyncConnection, now: float) -> None:
    """Delete all whose session is over anyway."""
    await connection.execute(sa.delete(issuer_sessions).where(issuer_sessions.c.expires_at <= to_microseconds(now)))
