"""Teams, users, who is in which team, and service accounts."""

import sqlalchemy as sa

from aqueduct.storage.tables.base import deletable, metadata, organisation_id, unique_while, versioned

LIVE = "deleted_at IS NULL"

teams = sa.Table(
    "teams",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    organisation_id(),
    sa.Column("name", sa.Text, nullable=False),
    *versioned(),
    deletable(),
    unique_while(LIVE, "teams_name", "organisation_id", "name"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    organisation_id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("max_api_tokens", sa.Integer),
    *versioned(),
    deletable(),
    unique_while(LIVE, "users_name", "organisation_id", "name"),
    unique_while(LIVE, "users_email", "organisation_id", "email"),
)

memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("team_id", sa.Text, sa.ForeignKey("teams.id"), primary_key=True),
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.id"), primary_key=True),
    organisation_id(),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("given_by", sa.Text),
    *versioned(),
    sa.Index("memberships_user_id", "user_id"),
)

service_accounts = sa.Table(
    "service_accounts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    organisation_id(),
    sa.Column("team_id", sa.Text, sa.ForeignKey("teams.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    *versioned(),
    deletable(),
    unique_while(LIVE, "service_accounts_name", "organisation_id", "name"),
)
