"""How people sign in: passwords, sessions and one-time links; of each secret only a hash."""

from typing import Any

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata


def secret_of_user() -> list[sa.Column[Any]]:
    """Return the columns of a value that lets a user in: its hash, under which key it was made, and whose it is."""
    return [
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False),
    ]


passwords = sa.Table(
    "passwords",
    metadata,
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    *secret_of_user(),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("last_seen_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("user_agent", sa.Text),
    sa.Index("sessions_hash", "hash", unique=True),
    sa.Index("sessions_user_id", "user_id"),
    sa.Index("sessions_expires_at", "expires_at"),
)

one_time_links = sa.Table(
    "one_time_links",
    metadata,
    *secret_of_user(),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.Text),
    sa.Index("one_time_links_hash", "hash", unique=True),
    sa.Index("one_time_links_user_id", "user_id"),
    sa.Index("one_time_links_expires_at", "expires_at"),
)
