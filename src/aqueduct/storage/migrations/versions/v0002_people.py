"""Organisations, teams, users, service accounts; rules, limits, budgets, terms, the audit log and webhooks."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LIVE = "deleted_at IS NULL"
UNREVOKED = "revoked_at IS NULL"
UNOWNED = f"{UNREVOKED} AND user_id IS NULL AND service_account_id IS NULL"
NEW_TABLES = (
    "webhooks",
    "audit_log",
    "budgets",
    "limits",
    "model_rules",
    "terms_acceptances",
    "terms_of_service",
    "service_accounts",
    "memberships",
    "users",
    "teams",
    "organisations",
)


def upgrade() -> None:
    """Make the tables, and give API tokens the columns that owned ones need."""
    make_organisations()
    make_people()
    make_terms()
    make_rules()
    make_audit_log()
    make_webhooks()
    extend_api_tokens()


def downgrade() -> None:
    """Take everything back; who owned what is lost.

    Names that several owners had given to their tokens are made different by the token's id.
    """
    for name in ("api_tokens_organisation_id", "api_tokens_service_account_name", "api_tokens_user_name"):
        op.drop_index(name, "api_tokens")
    op.drop_index("api_tokens_name", "api_tokens")
    owned = "user_id IS NOT NULL OR service_account_id IS NOT NULL"
    op.execute(f"UPDATE api_tokens SET name = name || ' (' || id || ')' WHERE {owned}")  # noqa: S608 - no input
    for column in ("version", "created_by", "last_used_at", "ip_allow_list", "scopes"):
        op.drop_column("api_tokens", column)
    make_unique("api_tokens_name", "api_tokens", ["name"], UNREVOKED)
    for table in NEW_TABLES:
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_log_is_append_only()")


def make_organisations() -> None:
    """Make the table of tenants."""
    op.create_table(
        "organisations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("max_api_tokens_per_user", sa.Integer),
        sa.Column("requires_terms", sa.Boolean, nullable=False),
        *versioned(),
        sa.Column("deleted_at", sa.BigInteger),
    )
    make_unique("organisations_name", "organisations", ["name"], LIVE)


def make_people() -> None:
    """Make the tables of those who are in an organisation."""
    op.create_table(
        "teams",
        sa.Column("id", sa.Text, primary_key=True),
        organisation_id(),
        sa.Column("name", sa.Text, nullable=False),
        *versioned(),
        sa.Column("deleted_at", sa.BigInteger),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text, primary_key=True),
        organisation_id(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("max_api_tokens", sa.Integer),
        *versioned(),
        sa.Column("deleted_at", sa.BigInteger),
    )
    op.create_table(
        "memberships",
        sa.Column("team_id", sa.Text, sa.ForeignKey("teams.id"), primary_key=True),
        sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), primary_key=True),
        organisation_id(),
        sa.Column("role", sa.Text, nullable=False),
        *versioned(),
    )
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.Text, primary_key=True),
        organisation_id(),
        sa.Column("team_id", sa.Text, sa.ForeignKey("teams.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *versioned(),
        sa.Column("deleted_at", sa.BigInteger),
    )
    make_unique("teams_name", "teams", ["organisation_id", "name"], LIVE)
    make_unique("users_name", "users", ["organisation_id", "name"], LIVE)
    make_unique("users_email", "users", ["organisation_id", "email"], LIVE)
    make_unique("service_accounts_name", "service_accounts", ["organisation_id", "name"], LIVE)
    op.create_index("memberships_user_id", "memberships", ["user_id"])


def make_terms() -> None:
    """Make the tables of texts and of who accepted them."""
    op.create_table(
        "terms_of_service",
        sa.Column("id", sa.Text, primary_key=True),
        organisation_id(),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("published_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "terms_acceptances",
        sa.Column("terms_id", sa.Text, sa.ForeignKey("terms_of_service.id"), primary_key=True),
        sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), primary_key=True),
        organisation_id(),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text),
    )
    op.create_index("terms_of_service_number", "terms_of_service", ["organisation_id", "number"], unique=True)


def make_rules() -> None:
    """Make the tables of what is allowed to whom."""
    op.create_table(
        "model_rules",
        *subjected(),
        sa.Column("allow", sa.JSON),
        sa.Column("deny", sa.JSON, nullable=False),
        sa.Column("inherits", sa.Boolean, nullable=False),
    )
    op.create_table(
        "limits",
        *subjected(),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("model_pattern", sa.Text),
        sa.Column("multipliers", sa.JSON, nullable=False),
    )
    op.create_table(
        "budgets",
        *subjected(),
        sa.Column("amount_nano", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("is_hard", sa.Boolean, nullable=False),
        sa.Column("alert_thresholds", sa.JSON, nullable=False),
    )
    op.create_index("model_rules_subject", "model_rules", ["subject_id", "subject_type"], unique=True)
    op.create_index("limits_subject", "limits", ["subject_id", "subject_type"])
    op.create_index("budgets_subject", "budgets", ["subject_id", "subject_type"])
    for table in ("model_rules", "limits", "budgets"):
        op.create_index(f"{table}_organisation_id", table, ["organisation_id"])


def make_audit_log() -> None:
    """Make the table of changes, and the triggers that keep what is in it."""
    op.create_table(
        "audit_log",
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
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
    )
    op.create_index("audit_log_happened_at", "audit_log", ["happened_at", "id"])
    op.create_index("audit_log_organisation", "audit_log", ["organisation_id", "happened_at", "id"])
    op.create_index("audit_log_object", "audit_log", ["object_id", "happened_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_log_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_log_keeps_{change.lower()} BEFORE {change} ON audit_log "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )


def make_webhooks() -> None:
    """Make the table of who is told of events."""
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organisation_id", sa.Text, sa.ForeignKey("organisations.id")),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret_key_id", sa.Text),
        sa.Column("secret", sa.LargeBinary),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        *versioned(),
    )


def extend_api_tokens() -> None:
    """Give API tokens scopes, networks and a version, and make names unique by owner."""
    for column in (
        sa.Column("scopes", sa.JSON, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("ip_allow_list", sa.JSON),
        sa.Column("last_used_at", sa.BigInteger),
        sa.Column("created_by", sa.Text),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    ):
        op.add_column("api_tokens", column)
    op.drop_index("api_tokens_name", "api_tokens")
    make_unique("api_tokens_name", "api_tokens", ["name"], UNOWNED)
    make_unique("api_tokens_user_name", "api_tokens", ["user_id", "name"], UNREVOKED)
    make_unique("api_tokens_service_account_name", "api_tokens", ["service_account_id", "name"], UNREVOKED)
    op.create_index("api_tokens_organisation_id", "api_tokens", ["organisation_id"])


def make_unique(name: str, table: str, columns: list[str], condition: str) -> None:
    """Keep columns unique among the rows of which the condition holds."""
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=True, sqlite_where=where, postgresql_where=where)


def versioned() -> list[sa.Column[int]]:
    """Return the columns of what is administered."""
    return [
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("1")),
    ]


def organisation_id() -> sa.Column[str]:
    """Return the column of the tenant that a row is in."""
    return sa.Column("organisation_id", sa.Text, sa.ForeignKey("organisations.id"), nullable=False)


def subjected() -> list[sa.Column[Any]]:
    """Return the columns of a rule, limit or budget."""
    return [
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("subject_type", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        *(sa.Column(f"{place}_id", sa.Text) for place in ("organisation", "team", "user")),
        sa.Column("rank", sa.Integer, nullable=False),
        *versioned(),
    ]
