"""Webhooks, the events they are told of, and each telling with its attempts.

A secret is stored only encrypted, under a key of the ring and with the row's id bound to it (see `webhook_secrets.py`).
"""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, unique_while, versioned

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("organisation_id", sa.Text, sa.ForeignKey("organisations.id")),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret_key_id", sa.Text),
    sa.Column("secret", sa.LargeBinary),
    sa.Column("events", sa.JSON, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    *versioned(),
    unique_while("organisation_id IS NULL", "webhooks_name", "name"),
    unique_while("organisation_id IS NOT NULL", "webhooks_organisation_name", "organisation_id", "name"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("happened_at", sa.BigInteger, nullable=False),
    sa.Column("organisation_id", sa.Text),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("events_happened_at", "happened_at"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("event_id", sa.Text, sa.ForeignKey("events.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    # Of a pending one when it is tried next; of any other nothing.
    sa.Column("next_attempt_at", sa.BigInteger),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Index("deliveries_next_attempt_at", "next_attempt_at"),
    sa.Index("deliveries_event_id", "event_id"),
)
