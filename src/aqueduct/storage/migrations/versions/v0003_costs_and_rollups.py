"""What usage cost, its sums by hour and day, and one index less."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UNITS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cache_write_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "images",
)
MEASURES = ("requests", "errors", *UNITS, "cost_nano", "duration_ms")
ROLLUPS = {
    "usage_rollups": (
        "organisation_id",
        "team_id",
        "user_id",
        "service_account_id",
        "api_token_id",
        "model",
        "provider",
        "currency",
    ),
    "target_rollups": ("provider", "target", "currency"),
    "end_user_rollups": ("organisation_id", "end_user", "currency"),
}
HOUR, DAY = 3_600, 86_400
FAILED = "status >= 400 OR error_code IS NOT NULL"


def upgrade() -> None:
    """Add the columns and tables, and sum what is there."""
    op.drop_index("usage_requests_started_at", "usage_requests")
    op.add_column("usage_requests", sa.Column("model", sa.Text))
    for table in ("usage_requests", "usage_attempts"):
        op.add_column(table, sa.Column("cost_nano", sa.BigInteger))
        op.add_column(table, sa.Column("currency", sa.Text))
    for name, keys in ROLLUPS.items():
        op.create_table(
            name,
            sa.Column("period_seconds", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("start_at", sa.BigInteger, primary_key=True, autoincrement=False),
            *(sa.Column(key, sa.Text, primary_key=True) for key in keys),
            *(sa.Column(measure, sa.BigInteger, nullable=False, server_default=sa.text("0")) for measure in MEASURES),
            sqlite_with_rowid=False,
        )
    for period_seconds in (HOUR, DAY):
        sum_usage(period_seconds)


def sum_usage(period_seconds: int) -> None:
    """Fill the rollups of one period from the raw records, as `storage/rollups.py` does from then on."""
    routed = "EXISTS (SELECT 1 FROM usage_attempts a WHERE a.request_id = usage_requests.id)"
    none = {"currency": "''"}
    fill(
        "usage_rollups",
        "usage_requests",
        period_seconds,
        none | {"model": f"CASE WHEN {routed} THEN coalesce(request_model, '') ELSE '' END"},
        FAILED,
    )
    fill("target_rollups", "usage_attempts", period_seconds, none, "error IS NOT NULL")
    if period_seconds == DAY:
        fill("end_user_rollups", "usage_requests", period_seconds, none, FAILED, "WHERE end_user IS NOT NULL")


def fill(name: str, source: str, period_seconds: int, given: dict[str, str], failed: str, where: str = "") -> None:
    """Sum one table into a rollup; `given` are keys that are not simply a column."""
    width = period_seconds * 1_000_000
    keys = [f"started_at / {width} * {width}", *(given.get(key, f"coalesce({key}, '')") for key in ROLLUPS[name])]
    sums = ["count(*)", f"sum(CASE WHEN {failed} THEN 1 ELSE 0 END)"]
    value = "units ->> '{}'" if op.get_bind().dialect.name == "postgresql" else "json_extract(units, '$.{}')"
    sums += [f"coalesce(sum(CAST({value.format(unit)} AS BIGINT)), 0)" for unit in UNITS]
    sums += ["0", "CAST(round(CAST(sum(total_ms) AS NUMERIC)) AS BIGINT)"]
    columns = ", ".join(("period_seconds", "start_at", *ROLLUPS[name], *MEASURES))
    numbers = ", ".join(str(number + 2) for number in range(len(keys)))
    op.execute(
        f"INSERT INTO {name} ({columns}) SELECT {period_seconds}, {', '.join((*keys, *sums))} "  # noqa: S608 - our own
        f"FROM {source} {where} GROUP BY {numbers}"
    )


def downgrade() -> None:
    """Take it all back; costs and the sums of pruned records are lost."""
    for name in ROLLUPS:
        op.drop_table(name)
    for table in ("usage_requests", "usage_attempts"):
        op.drop_column(table, "currency")
        op.drop_column(table, "cost_nano")
    op.drop_column("usage_requests", "model")
    op.create_index("usage_requests_started_at", "usage_requests", ["started_at"])
