"""Prompts and answers that were captured, each request's under its id."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, owners

captures = sa.Table(
    "captures",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Column("api_token_id", sa.Text, nullable=False),
    *owners(),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("ending", sa.Text, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("is_stream", sa.Boolean, nullable=False),
    sa.Column("prompt_bytes", sa.BigInteger, nullable=False),
    sa.Column("prompt_is_truncated", sa.Boolean, nullable=False),
    sa.Column("prompt_omission", sa.Text),
    sa.Column("answer_bytes", sa.BigInteger, nullable=False),
    sa.Column("answer_is_truncated", sa.Boolean, nullable=False),
    sa.Column("answer_omission", sa.Text),
    sa.Column("answer_form", sa.Text),
    # Last, so that SQLite reads a row's facts without the pages that hold what was said.
    sa.Column("prompt", sa.Text),
    sa.Column("answer", sa.Text),
    sa.Index("captures_expires_at", "expires_at"),
    sa.Index("captures_started_at", "started_at", "id"),
    sa.Index("captures_organisation", "organisation_id", "started_at", "id"),
    sa.Index("captures_api_token", "api_token_id", "started_at", "id"),
    sa.Index("captures_user", "user_id", "started_at", "id"),
    # A page of them may be large: they are copied a few at a time.
    info={"page_rows": 20},
)
