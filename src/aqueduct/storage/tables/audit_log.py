"""The audit log; triggers refuse every change and removal of its rows."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("happened_at", sa.BigInteger, nullable=False),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Text),
    sa.Column("actor_name", sa.Text, nullable=False),
    sa.Column("address", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object_type", sa.Text, nullable=False),
    sa.Column("object_id", sa.Text, nullable=False),
    sa.Column("organisation_id", sa.Text),
    sa.Column("before", sa.JSON(none_as_null=True)),
    sa.Column("after", sa.JSON(none_as_null=True)),
    sa.Index("audit_log_happened_at", "happened_at", "id"),
    sa.Index("audit_log_organisation", "organisation_id", "happened_at", "id"),
    sa.Index("audit_log_object", "object_id", "happened_at"),
)
