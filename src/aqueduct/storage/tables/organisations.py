"""Organisations, and the terms of service that they ask their users to accept."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import deletable, metadata, organisation_id, unique_while, versioned

organisations = sa.Table(
    "organisations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("max_api_tokens_per_user", sa.Integer),
    sa.Column("requires_terms", sa.Boolean, nullable=False),
    sa.Column("capture", sa.JSON(none_as_null=True)),
    *versioned(),
    deletable(),
    unique_while("deleted_at IS NULL", "organisations_name", "name"),
)

terms_of_service = sa.Table(
    "terms_of_service",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    organisation_id(),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("published_at", sa.BigInteger, nullable=False),
    sa.Index("terms_of_service_number", "organisation_id", "number", unique=True),
)

terms_acceptances = sa.Table(
    "terms_acceptances",
    metadata,
    sa.Column("terms_id", sa.Text, sa.ForeignKey("terms_of_service.id"), primary_key=True),
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), primary_key=True),
    organisation_id(),
    sa.Column("accepted_at", sa.BigInteger, nullable=False),
    sa.Column("address", sa.Text),
)
