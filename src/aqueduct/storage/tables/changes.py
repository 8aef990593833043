"""What was administered last, for gateways that share the database but no data directory."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata

changes = sa.Table(
    "changes",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("concerned", sa.JSON(none_as_null=True)),
    # Each database's own: the first row tells it from one that was restored over it.
    info={"is_copied": False},
)
