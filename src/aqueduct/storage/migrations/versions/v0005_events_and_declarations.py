"""Events and their deliveries to webhooks, names of webhooks, and which objects a file declares."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and name the webhooks by their ids: no command made one before this version."""
    op.add_column("webhooks", sa.Column("name", sa.Text))
    op.execute("UPDATE webhooks SET name = id")
    with op.batch_alter_table("webhooks") as webhooks:
        webhooks.alter_column("name", nullable=False)
    make_unique("webhooks_name", "organisation_id IS NULL", ["name"])
    make_unique("webhooks_organisation_name", "organisation_id IS NOT NULL", ["organisation_id", "name"])
    op.create_table(
        "events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("happened_at", sa.BigInteger, nullable=False),
        sa.Column("organisation_id", sa.Text),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("event_id", sa.Text, sa.ForeignKey("events.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
    )
    op.create_index("events_happened_at", "events", ["happened_at"])
    op.create_index("deliveries_next_attempt_at", "deliveries", ["next_attempt_at"])
    op.create_index("deliveries_event_id", "deliveries", ["event_id"])
    op.create_table(
        "declared_objects",
        sa.Column("object_type", sa.Text, primary_key=True),
        sa.Column("object_id", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("declared_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Take everything back; what was not delivered yet is lost."""
    for table in ("declared_objects", "deliveries", "events"):
        op.drop_table(table)
    for index in ("webhooks_organisation_name", "webhooks_name"):
        op.drop_index(index, "webhooks")
    op.drop_column("webhooks", "name")


def make_unique(name: str, condition: str, columns: list[str]) -> None:
    """Keep columns of webhooks unique among the rows of which the condition holds."""
    where = sa.text(condition)
    op.create_index(name, "webhooks", columns, unique=True, sqlite_where=where, postgresql_where=where)
