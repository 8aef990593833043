"""What every table shares: the metadata, the schema's version, and columns that recur."""

import sqlalchemy as sa

SCHEMA_VERSION = "0003"
"""The newest migration; a database that says so needs none."""

metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version_num", sa.Text, primary_key=True))
"""Alembic's own note of what has run."""


def owners() -> list[sa.Column[str]]:
    """Return the columns of whom a row belongs to; all may be absent."""
    return [sa.Column(f"{owner}_id", sa.Text) for owner in ("organisation", "team", "user", "service_account")]
