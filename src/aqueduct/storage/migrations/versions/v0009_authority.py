"""Who set what an API token is narrowed to, and what whoever was answered under an idempotency key was then."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NARROWED = ("expires_at", "allowed_models", "ip_allow_list")
ORGANISATION_ADMIN = 2
"""The lowest rank that makes tokens for others."""

api_tokens = sa.table(
    "api_tokens",
    sa.column("id", sa.Text),
    sa.column("user_id", sa.Text),
    sa.column("created_by", sa.Text),
    sa.column("expires_at", sa.BigInteger),
    sa.column("allowed_models", sa.JSON(none_as_null=True)),
    sa.column("ip_allow_list", sa.JSON(none_as_null=True)),
    sa.column("narrowed_by", sa.JSON),
)


def upgrade() -> None:
    """Add the columns; what a token was given by somebody else than its user is taken for an administrator's."""
    op.add_column("api_tokens", sa.Column("narrowed_by", sa.JSON, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("idempotency_keys", sa.Column("authority", sa.JSON))
    table = api_tokens.c
    is_given = sa.and_(
        table.user_id.is_not(None), sa.or_(table.created_by.is_(None), table.created_by != table.user_id)
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(api_tokens).where(is_given)).mappings().all():
        if ranks := ranks_of(row):
            connection.execute(sa.update(api_tokens).where(table.id == row["id"]).values(narrowed_by=ranks))


def ranks_of(row: Mapping[Any, Any]) -> dict[str, int]:
    """Return the rank of who set each thing that narrows a token."""
    return {name: ORGANISATION_ADMIN for name in NARROWED if row[name] is not None}


def downgrade() -> None:
    """Take the columns back; then a user lifts what others have set, as he did before."""
    op.drop_column("idempotency_keys", "authority")
    op.drop_column("api_tokens", "narrowed_by")
