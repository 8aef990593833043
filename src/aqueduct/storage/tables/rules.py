"""What is allowed to whom: models, limits and budgets, each of one subject."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, subjected

model_rules = sa.Table(
    "model_rules",
    metadata,
    *subjected(),
    sa.Column("allow", sa.JSON(none_as_null=True)),
    sa.Column("deny", sa.JSON, nullable=False),
    sa.Column("inherits", sa.Boolean, nullable=False),
    sa.Index("model_rules_subject", "subject_id", "subject_type", unique=True),
    sa.Index("model_rules_organisation_id", "organisation_id"),
)

limits = sa.Table(
    "limits",
    metadata,
    *subjected(),
    sa.Column("dimension", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("model_pattern", sa.Text),
    sa.Column("multipliers", sa.JSON, nullable=False),
    sa.Index("limits_subject", "subject_id", "subject_type"),
    sa.Index("limits_organisation_id", "organisation_id"),
)

budgets = sa.Table(
    "budgets",
    metadata,
    *subjected(),
    sa.Column("amount_nano", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("time_zone", sa.Text, nullable=False),
    sa.Column("is_hard", sa.Boolean, nullable=False),
    sa.Column("alert_thresholds", sa.JSON, nullable=False),
    sa.Index("budgets_subject", "subject_id", "subject_type"),
    sa.Index("budgets_organisation_id", "organisation_id"),
)
