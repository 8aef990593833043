"""What the response cache answered and saved, and what was cleared of it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROLLUPS = (
    "usage_rollups",
    "user_rollups",
    "team_rollups",
    "organisation_rollups",
    "target_rollups",
    "end_user_rollups",
)
MEASURES = ("cache_hits", "saved_input_tokens", "saved_output_tokens", "saved_nano")


def upgrade() -> None:
    """Add the columns and the table; nothing was cached before."""
    op.add_column("usage_requests", sa.Column("cache", sa.Text))
    op.add_column("usage_requests", sa.Column("saved_nano", sa.BigInteger))
    for table in ROLLUPS:
        for measure in MEASURES:
            op.add_column(table, sa.Column(measure, sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.create_table(
        "cache_generations",
        sa.Column("organisation_id", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("cleared_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Take them back; what was saved is no longer known."""
    op.drop_table("cache_generations")
    for table in reversed(ROLLUPS):
        for measure in reversed(MEASURES):
            op.drop_column(table, measure)
    op.drop_column("usage_requests", "saved_nano")
    op.drop_column("usage_requests", "cache")
