"""What was administered last, with the ids that it concerns, for gateways with data directories of their own."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, with a first row whose id no other database has, so that a gateway sees when it was replaced."""
    changes = op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("concerned", sa.JSON),
    )
    op.bulk_insert(changes, [{"number": 0, "id": f"chg_{secrets.token_hex(8)}", "concerned": []}])


def downgrade() -> None:
    """Take it back; what is in it was heard long ago."""
    op.drop_table("changes")
