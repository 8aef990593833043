"""What was cleared of cached answers: those that are kept from then on are known by the id."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata

cache_generations = sa.Table(
    "cache_generations",
    metadata,
    # Empty where it is the whole installation's, or every model's: a key has no NULL.
    sa.Column("organisation_id", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("cleared_at", sa.BigInteger, nullable=False),
)
