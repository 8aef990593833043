"""The tables, for queries; the migrations make them.

Instants are integers (see `instants.py`): one representation that both engines compare, index and divide alike.
"""

import sqlalchemy as sa

SCHEMA_VERSION = "0001"
"""The newest migration; a database that says so needs none."""

metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version_num", sa.Text, primary_key=True))
"""Alembic's own note of what has run."""


def owners() -> list[sa.Column[str]]:
    """Return the columns of whom a row belongs to; all may be absent."""
    return [sa.Column(f"{owner}_id", sa.Text) for owner in ("organisation", "team", "user", "service_account")]


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

usage_requests = sa.Table(
    "usage_requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("api_token_id", sa.Text, nullable=False),
    *owners(),
    sa.Column("request_model", sa.Text),
    sa.Column("response_model", sa.Text),
    sa.Column("target", sa.Text),
    sa.Column("provider", sa.Text),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("ending", sa.Text, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("is_stream", sa.Boolean, nullable=False),
    sa.Column("is_estimated", sa.Boolean, nullable=False),
    sa.Column("delivered", sa.Boolean, nullable=False, server_default=sa.text("true")),
    sa.Column("units", sa.JSON, nullable=False),
    sa.Column("finish_reason", sa.Text),
    sa.Column("first_byte_ms", sa.Float),
    sa.Column("total_ms", sa.Float, nullable=False),
    sa.Column("end_user", sa.Text),
    sa.Column("client_request_id", sa.Text),
    sa.Index("usage_requests_started_at", "started_at"),
    # The rows are found by their key alone: a hidden row number would be a second tree to keep.
    sqlite_with_rowid=False,
)

usage_attempts = sa.Table(
    "usage_attempts",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Column("response_model", sa.Text),
    sa.Column("upstream_request_id", sa.Text),
    sa.Column("units", sa.JSON, nullable=False),
    sa.Column("is_estimated", sa.Boolean, nullable=False),
    sa.Column("first_byte_ms", sa.Float),
    sa.Column("total_ms", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)
