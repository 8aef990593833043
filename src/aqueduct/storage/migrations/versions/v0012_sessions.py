"""How people sign in to the pages: passwords, sessions, one-time links."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; nobody has a password yet."""
    op.create_table(
        "passwords",
        sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sessions",
        *secret(),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("user_agent", sa.Text),
    )
    op.create_table(
        "one_time_links",
        *secret(),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text),
    )
    for table in ("sessions", "one_time_links"):
        op.create_index(f"{table}_hash", table, ["hash"], unique=True)
        op.create_index(f"{table}_user_id", table, ["user_id"])
        op.create_index(f"{table}_expires_at", table, ["expires_at"])


def secret() -> list[sa.Column[str] | sa.Column[bytes]]:
    """Return the columns of what is found by the hash of its value, and is somebody's."""
    return [
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False),
    ]


def downgrade() -> None:
    """Take them back: everybody is signed out, and has no password."""
    for table in ("one_time_links", "sessions", "passwords"):
        op.drop_table(table)
