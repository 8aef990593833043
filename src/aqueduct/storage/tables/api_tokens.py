"""API tokens."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, owners, unique_while

LIVE = "revoked_at IS NULL"

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
    # A rotation keeps the row, so that limits and usage stay with the token; the old value may live on for a while.
    sa.Column("previous_key_id", sa.Text),
    sa.Column("previous_hash", sa.LargeBinary, unique=True),
    sa.Column("previous_expires_at", sa.BigInteger),
    sa.Column("rotated_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
    sa.Column("allowed_models", sa.JSON(none_as_null=True)),
    *owners(),
    sa.Column("scopes", sa.JSON, nullable=False, server_default=sa.text("'[]'")),
    sa.Column("ip_allow_list", sa.JSON(none_as_null=True)),
    sa.Column("last_used_at", sa.BigInteger),
    sa.Column("created_by", sa.Text),
    sa.Column("capture", sa.JSON(none_as_null=True)),
    sa.Column("narrowed_by", sa.JSON, nullable=False, server_default=sa.text("'{}'")),
    sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    # A name tells the tokens of one owner apart; nobody learns from a refusal how a colleague has called his.
    unique_while(f"{LIVE} AND user_id IS NULL AND service_account_id IS NULL", "api_tokens_name", "name"),
    unique_while(LIVE, "api_tokens_user_name", "user_id", "name"),
    unique_while(LIVE, "api_tokens_service_account_name", "service_account_id", "name"),
    sa.Index("api_tokens_organisation_id", "organisation_id"),
)
