"""Sums of usage with fewer keys, for reports over many people; budgets find their owner's rows by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MEASURES = (
    "requests",
    "errors",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cache_write_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "images",
    "cost_nano",
    "duration_ms",
)
ROLLUPS = {
    "user_rollups": ("organisation_id", "team_id", "user_id", "currency"),
    "team_rollups": ("organisation_id", "team_id", "model", "provider", "currency"),
    "organisation_rollups": ("organisation_id", "model", "provider", "currency"),
}
INDEXES = (
    ("usage_rollups", "api_token_id"),
    ("usage_rollups", "service_account_id"),
    ("user_rollups", "user_id"),
    ("team_rollups", "team_id"),
)


def upgrade() -> None:
    """Add the tables, sum what is there, and index the owners."""
    for name, owners in ROLLUPS.items():
        keys = ("period_seconds", "start_at", *owners)
        op.create_table(
            name,
            sa.Column("period_seconds", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("start_at", sa.BigInteger, primary_key=True, autoincrement=False),
            *(sa.Column(owner, sa.Text, primary_key=True) for owner in owners),
            *(sa.Column(measure, sa.BigInteger, nullable=False, server_default=sa.text("0")) for measure in MEASURES),
            sqlite_with_rowid=False,
        )
        sums = ", ".join(f"sum({measure})" for measure in MEASURES)
        op.execute(
            f"INSERT INTO {name} ({', '.join((*keys, *MEASURES))}) "  # noqa: S608 -- our own names
            f"SELECT {', '.join(keys)}, {sums} FROM usage_rollups GROUP BY {', '.join(keys)}"
        )
    for table, owner in INDEXES:
        op.create_index(f"{table}_{owner}", table, [owner, "period_seconds", "start_at"])


def downgrade() -> None:
    """Take them back; nothing is lost."""
    for table, owner in INDEXES:
        op.drop_index(f"{table}_{owner}", table)
    for name in ROLLUPS:
        op.drop_table(name)
