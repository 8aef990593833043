"""API tokens."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, owners

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    # A rotation keeps the row, so that limits and usage stay with the token; the old value may live on for a while.
    sa.Column("previous_key_id", sa.Text),
    sa.Column("previous_hash", sa.LargeBinary, unique=True),
    sa.Column("previous_expires_at", sa.BigInteger),
    sa.Column("rotated_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("allowed_models", sa.JSON(none_as_null=True)),
    *owners(),
    sa.Index(
        "api_tokens_name",
        "name",
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    ),
)
