"""Webhooks; a secret is only stored encrypted, under a key of the ring and with the row's id bound to it."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, versioned

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("organisation_id", sa.Text, sa.ForeignKey("organisations.id")),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret_key_id", sa.Text),
    sa.Column("secret", sa.LargeBinary),
    sa.Column("events", sa.JSON, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    *versioned(),
)
