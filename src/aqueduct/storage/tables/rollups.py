"""Sums of usage by hour and by day, which charts, budgets and reports read instead of the raw records.

A row is a combination of everything that usage is asked for by, so that any grouping is a sum over rows. Key columns
are never NULL (a primary key could not have it): an empty text stands for none.
"""

import sqlalchemy as sa

from aqueduct.domain.usage import UNITS
from aqueduct.storage.tables.base import metadata

MEASURES = ("requests", "errors", *UNITS, "cost_nano", "saved_nano", "duration_ms")
"""What is summed; all are additive. `duration_ms` over `requests` is a mean."""


def period() -> list[sa.Column[int]]:
    """Return the columns of how long a row's period is, in seconds, and when it begins (see `instants.py`)."""
    return [
        sa.Column("period_seconds", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("start_at", sa.BigInteger, primary_key=True, autoincrement=False),
    ]


def keys(*names: str) -> list[sa.Column[str]]:
    """Return text columns of the key."""
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def measures() -> list[sa.Column[int]]:
    """Return the columns of what is summed."""
    return [sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0")) for name in MEASURES]


usage_rollups = sa.Table(
    "usage_rollups",
    metadata,
    *period(),
    *keys(
        "organisation_id", "team_id", "user_id", "service_account_id", "api_token_id", "model", "provider", "currency"
    ),
    *measures(),
    sqlite_with_rowid=False,
)
"""Requests, a row an hour and a row a day for each combination."""

user_rollups = sa.Table(
    "user_rollups",
    metadata,
    *period(),
    *keys("organisation_id", "team_id", "user_id", "currency"),
    *measures(),
    sqlite_with_rowid=False,
)
team_rollups = sa.Table(
    "team_rollups",
    metadata,
    *period(),
    *keys("organisation_id", "team_id", "model", "provider", "currency"),
    *measures(),
    sqlite_with_rowid=False,
)
organisation_rollups = sa.Table(
    "organisation_rollups",
    metadata,
    *period(),
    *keys("organisation_id", "model", "provider", "currency"),
    *measures(),
    sqlite_with_rowid=False,
)
"""The same with fewer keys, and so with far fewer rows: what reports and budgets mostly ask for."""

for _table, _owner in (
    (usage_rollups, "api_token_id"),
    (usage_rollups, "service_account_id"),
    (user_rollups, "user_id"),
    (team_rollups, "team_id"),
):
    sa.Index(f"{_table.name}_{_owner}", _table.c[_owner], _table.c.period_seconds, _table.c.start_at)

target_rollups = sa.Table(
    "target_rollups", metadata, *period(), *keys("provider", "target", "currency"), *measures(), sqlite_with_rowid=False
)
"""Attempts, failed ones too: `requests` and `errors` count attempts."""

end_user_rollups = sa.Table(
    "end_user_rollups",
    metadata,
    *period(),
    *keys("organisation_id", "end_user", "currency"),
    *measures(),
    sqlite_with_rowid=False,
)
"""Requests by the `user` that clients name: days only, and kept no longer than raw records: there is no end of them."""
