"""What every table shares: the metadata, the schema's version, and columns that recur."""

from typing import Any

import sqlalchemy as sa

SCHEMA_VERSION = "0013"
"""The newest migration; a database that says so needs none."""

metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version_num", sa.Text, primary_key=True))
"""Alembic's own note of what has run."""


def owners() -> list[sa.Column[str]]:
    """Return the columns of whom a row belongs to; all may be absent."""
    return [sa.Column(f"{owner}_id", sa.Text) for owner in ("organisation", "team", "user", "service_account")]


def versioned() -> list[sa.Column[int]]:
    """Return the columns of what is administered: when it was made, and the version that a lost update is seen by."""
    return [
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    ]


def deletable() -> sa.Column[int]:
    """Return the column of what keeps its row after it was deleted, for the usage that names it."""
    return sa.Column("deleted_at", sa.BigInteger)


def organisation_id() -> sa.Column[str]:
    """Return the column of the tenant that a row is in."""
    return sa.Column("organisation_id", sa.Text, sa.ForeignKey("organisations.id"), nullable=False)


def subjected() -> list[sa.Column[Any]]:
    """Return the columns of a rule, limit or budget: what it is about, where that is, and the rank of who set it."""
    return [
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("subject_type", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        *(sa.Column(f"{place}_id", sa.Text) for place in ("organisation", "team", "user")),
        sa.Column("rank", sa.Integer, nullable=False),
        *versioned(),
    ]


def unique_while(condition: str, name: str, *columns: str) -> sa.Index:
    """Return an index that keeps columns unique among the rows of which the condition holds."""
    where = sa.text(condition)
    return sa.Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)
