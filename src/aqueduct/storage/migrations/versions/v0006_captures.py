"""Captured prompts and answers, and the policies of organisations and API tokens that ask for them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the two columns; nothing is captured until somebody says so."""
    for table in ("organisations", "api_tokens"):
        op.add_column(table, sa.Column("capture", sa.JSON))
    op.create_table(
        "captures",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("api_token_id", sa.Text, nullable=False),
        *(sa.Column(f"{owner}_id", sa.Text) for owner in ("organisation", "team", "user", "service_account")),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("ending", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("is_stream", sa.Boolean, nullable=False),
        sa.Column("prompt_bytes", sa.BigInteger, nullable=False),
        sa.Column("prompt_is_truncated", sa.Boolean, nullable=False),
        sa.Column("prompt_omission", sa.Text),
        sa.Column("answer_bytes", sa.BigInteger, nullable=False),
        sa.Column("answer_is_truncated", sa.Boolean, nullable=False),
        sa.Column("answer_omission", sa.Text),
        sa.Column("answer_form", sa.Text),
        sa.Column("prompt", sa.Text),
        sa.Column("answer", sa.Text),
    )
    op.create_index("captures_expires_at", "captures", ["expires_at"])
    op.create_index("captures_started_at", "captures", ["started_at", "id"])
    for name, column in (("organisation", "organisation_id"), ("api_token", "api_token_id"), ("user", "user_id")):
        op.create_index(f"captures_{name}", "captures", [column, "started_at", "id"])


def downgrade() -> None:
    """Take everything back; what was captured is lost."""
    op.drop_table("captures")
    for table in ("organisations", "api_tokens"):
        op.drop_column(table, "capture")
