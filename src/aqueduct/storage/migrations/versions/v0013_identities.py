"""Accounts at issuers, passkeys, the ways in that were begun, and who gave a membership."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def versioned() -> list[sa.Column[int]]:
    """Return the columns of what is administered."""
    return [
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    ]


def upgrade() -> None:
    """Add the tables and the column; every membership that there is was given by hand."""
    op.add_column("memberships", sa.Column("given_by", sa.Text))
    op.create_table(
        "identities",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("given_role", sa.Text),
        sa.Column("base_role", sa.Text, nullable=False),
        sa.Column("last_used_at", sa.BigInteger),
        *versioned(),
    )
    op.create_index("identities_subject", "identities", ["issuer", "subject"], unique=True)
    op.create_index("identities_user_id", "identities", ["user_id"])
    op.create_table(
        "passkeys",
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
    )
    op.create_index("passkeys_credential_id", "passkeys", ["credential_id"], unique=True)
    op.create_index("passkeys_user_id", "passkeys", ["user_id"])
    op.create_table(
        "sign_in_flows",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("browser", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text) for name in ("name", "nonce", "verifier", "return_path", "user_id")),
    )
    op.create_index("sign_in_flows_expires_at", "sign_in_flows", ["expires_at"])
    op.create_table(
        "issuer_sessions",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("identity_id", sa.Text, nullable=False),
        sa.Column("issuer_name", sa.Text, nullable=False),
        sa.Column("sid", sa.Text),
        sa.Column("hint_key_id", sa.Text),
        sa.Column("hint", sa.LargeBinary),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("issuer_sessions_identity_id", "issuer_sessions", ["identity_id"])
    op.create_index("issuer_sessions_expires_at", "issuer_sessions", ["expires_at"])


def downgrade() -> None:
    """Take them back: what rules gave is then as if it were given by hand."""
    for table in ("issuer_sessions", "sign_in_flows", "passkeys", "identities"):
        op.drop_table(table)
    op.drop_column("memberships", "given_by")
