"""Usage as it is recorded: a row a request, a row an attempt."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, owners

usage_requests = sa.Table(
    "usage_requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("api_token_id", sa.Text, nullable=False),
    *owners(),
    sa.Column("model", sa.Text),
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
    sa.Column("cost_nano", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("finish_reason", sa.Text),
    sa.Column("first_byte_ms", sa.Float),
    sa.Column("total_ms", sa.Float, nullable=False),
    sa.Column("end_user", sa.Text),
    sa.Column("client_request_id", sa.Text),
    sa.Column("cache", sa.Text),
    sa.Column("saved_nano", sa.BigInteger),
    # No index on the time: ids are UUIDv7, so that a range of time is a range of keys (`instants.first_id`).
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
    sa.Column("cost_nano", sa.BigInteger),
    sa.Column("currency", sa.Text),
    sa.Column("first_byte_ms", sa.Float),
    sa.Column("total_ms", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)
