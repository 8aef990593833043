"""API tokens, and usage: a row a request and a row an attempt."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def owners() -> list[sa.Column[str]]:
    """Return the columns of whom a row belongs to."""
    return [sa.Column(f"{owner}_id", sa.Text) for owner in ("organisation", "team", "user", "service_account")]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("previous_key_id", sa.Text),
        sa.Column("previous_hash", sa.LargeBinary, unique=True),
        sa.Column("previous_expires_at", sa.BigInteger),
        sa.Column("rotated_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("allowed_models", sa.JSON),
        *owners(),
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index("api_tokens_name", "api_tokens", ["name"], unique=True, sqlite_where=live, postgresql_where=live)
    op.create_table(
        "usage_requests",
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
        sqlite_with_rowid=False,
    )
    op.create_index("usage_requests_started_at", "usage_requests", ["started_at"])
    op.create_table(
        "usage_attempts",
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


def downgrade() -> None:
    """Drop the tables."""
    for table in ("usage_attempts", "usage_requests", "api_tokens"):
        op.drop_table(table)
