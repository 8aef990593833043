"""Idempotency keys: what was answered to a request that may be sent again, until it expires; never a secret in it."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("api_token_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("headers", sa.JSON),
    sa.Column("body", sa.LargeBinary),
    sa.Column("authority", sa.JSON(none_as_null=True)),
    sa.Index("idempotency_keys_expires_at", "expires_at"),
)
