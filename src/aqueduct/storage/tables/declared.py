"""Which objects a file declares, so that what the file no longer has can be told from what was never in it."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata

declared_objects = sa.Table(
    "declared_objects",
    metadata,
    sa.Column("object_type", sa.Text, primary_key=True),
    sa.Column("object_id", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("declared_at", sa.BigInteger, nullable=False),
)
