"""What people sign in with beside a password, and the ways in that were begun."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import metadata, versioned

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("given_role", sa.Text),
    sa.Column("base_role", sa.Text, nullable=False),
    sa.Column("last_used_at", sa.BigInteger),
    *versioned(),
    sa.Index("identities_subject", "issuer", "subject", unique=True),
    sa.Index("identities_user_id", "user_id"),
)

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("credential_id", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("transports", sa.JSON, nullable=False),
    sa.Column("is_synced", sa.Boolean, nullable=False),
    sa.Column("last_used_at", sa.BigInteger),
    *versioned(),
    sa.Index("passkeys_credential_id", "credential_id", unique=True),
    sa.Index("passkeys_user_id", "user_id"),
)

sign_in_flows = sa.Table(
    "sign_in_flows",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("browser", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.Text) for name in ("name", "nonce", "verifier", "return_path", "user_id")),
    sa.Index("sign_in_flows_expires_at", "expires_at"),
)

issuer_sessions = sa.Table(
    "issuer_sessions",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("identity_id", sa.Text, nullable=False),
    sa.Column("issuer_name", sa.Text, nullable=False),
    sa.Column("sid", sa.Text),
    sa.Column("hint_key_id", sa.Text),
    sa.Column("hint", sa.LargeBinary),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("issuer_sessions_identity_id", "identity_id"),
    sa.Index("issuer_sessions_expires_at", "expires_at"),
)
