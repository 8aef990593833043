"""Sums of usage: gathered in memory from the records of one transaction, then added to the tables in it.

So a request costs an addition, and the database a few statements a second, however many requests there are.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.dialects import postgresql, sqlite

from aqueduct.domain.usage import Units, UsageRecord
from aqueduct.storage.api_tokens import mark_used
from aqueduct.storage.database import DRIVERS
from aqueduct.storage.instants import MICROSECONDS
from aqueduct.storage.tables import (
    MEASURES,
    end_user_rollups,
    metadata,
    organisation_rollups,
    target_rollups,
    team_rollups,
    usage_rollups,
    user_rollups,
)

HOUR_SECONDS, DAY_SECONDS = 3_600, 86_400
REQUESTS, ERRORS, COST, SAVED, DURATION = (
    MEASURES.index(name) for name in ("requests", "errors", "cost_nano", "saved_nano", "duration_ms")
)
POSITIONS = {name: position for position, name in enumerate(MEASURES) if ERRORS < position < COST}
"""Where each unit is in the sums."""
BLANK = [0] * len(MEASURES)
KEYS = tuple(column.name for column in usage_rollups.primary_key)[2:]
NARROWER = (user_rollups, team_rollups, organisation_rollups)
"""The usage rollup with fewer keys."""

Key = tuple[Any, ...]
"""The number of the hour since the epoch, then the texts of the key in the table's order; None is none."""
Sums = dict[Key, list[Any]]


class Rollups:
    """What one transaction adds to the rollups; `write` it at the transaction's end."""

    def __init__(self) -> None:
        self.last_used_at: dict[str, float] = {}
        """When each API token was last used, in seconds since the epoch."""
        self._usage: Sums = {}
        self._targets: Sums = {}
        self._end_users: Sums = {}

    def add(self, record: UsageRecord) -> None:
        """Count a record, once, when it has become a row that was not there before."""
        hour = int(record.started_at) // HOUR_SECONDS
        # A name that led nowhere is the client's own invention: there would be no end of rows.
        model = record.model or (record.request_model if record.attempts else None)
        key: Key = (
            hour,
            record.organisation_id,
            record.team_id,
            record.user_id,
            record.service_account_id,
            record.api_token_id,
            model,
            record.provider,
            record.currency,
        )
        sums = self._usage.get(key) or self._usage.setdefault(key, BLANK.copy())
        failed = record.status >= 400 or record.error_code is not None
        count(sums, failed, record.units, record.cost_nano, record.total_ms)
        if record.saved_nano:
            sums[SAVED] += record.saved_nano
        if record.end_user is not None:
            key = (hour // 24 * 24, record.organisation_id, record.end_user, record.currency)
            sums = self._end_users.setdefault(key, BLANK.copy())
            count(sums, failed, record.units, record.cost_nano, record.total_ms)
            if record.saved_nano:
                sums[SAVED] += record.saved_nano
        if record.attempts:
            self._add_attempts(record)
        if record.started_at > self.last_used_at.get(record.api_token_id, 0.0):
            self.last_used_at[record.api_token_id] = record.started_at

    def _add_attempts(self, record: UsageRecord) -> None:
        for attempt in record.attempts:
            key = (int(attempt.started_at) // HOUR_SECONDS, attempt.provider, attempt.target, attempt.currency)
            sums = self._targets.get(key) or self._targets.setdefault(key, BLANK.copy())
            count(sums, attempt.error is not None, attempt.units, attempt.cost_nano, attempt.total_ms)
        if record.cost_nano is None:
            self._add_mixed_costs(record)

    def _add_mixed_costs(self, record: UsageRecord) -> None:
        """Add the costs of attempts that one amount could not hold, each to the row of its currency."""
        hour = int(record.started_at) // HOUR_SECONDS
        for attempt in record.attempts:
            if attempt.cost_nano is None:
                continue
            owners: Key = (record.organisation_id, record.team_id, record.user_id, record.service_account_id)
            model = record.model or record.request_model
            key: Key = (hour, *owners, record.api_token_id, model, record.provider, attempt.currency)
            self._usage.setdefault(key, BLANK.copy())[COST] += attempt.cost_nano
            if record.end_user is not None:
                key = (hour // 24 * 24, record.organisation_id, record.end_user, attempt.currency)
                self._end_users.setdefault(key, BLANK.copy())[COST] += attempt.cost_nano

    def write(self, connection: sa.Connection) -> None:
        """Add the sums to the tables: by the hour and by the day, end users by the day alone."""
        narrower = [(table, without(self._usage, table)) for table in NARROWER]
        for table, sums in ((usage_rollups, self._usage), *narrower, (target_rollups, self._targets)):
            merge(connection, table, HOUR_SECONDS, sums)
            merge(connection, table, DAY_SECONDS, by_day(sums))
        merge(connection, end_user_rollups, DAY_SECONDS, self._end_users)
        mark_used(connection, self.last_used_at)


def count(sums: list[Any], failed: bool, units: Units, cost_nano: int | None, duration_ms: float) -> None:
    """Add one request or attempt to a row."""
    sums[REQUESTS] += 1
    if failed:
        sums[ERRORS] += 1
    for unit, amount in units.items():
        if amount and (position := POSITIONS.get(unit)) is not None:
            sums[position] += amount
    if cost_nano:
        sums[COST] += cost_nano
    sums[DURATION] += duration_ms


def by_day(hours: Sums) -> Sums:
    """Sum hours to days, each under its first hour."""
    return regrouped(hours, lambda key: (key[0] // 24 * 24, *key[1:]))


def without(usage: Sums, table: sa.Table) -> Sums:
    """Sum usage to the keys that a narrower table has."""
    kept = [1 + at for at, name in enumerate(KEYS) if name in table.c]
    return regrouped(usage, lambda key: (key[0], *(key[at] for at in kept)))


def regrouped(rows: Sums, regroup: Callable[[Key], Key]) -> Sums:
    """Sum rows to fewer, by another key."""
    groups: Sums = {}
    for key, sums in rows.items():
        group = regroup(key)
        known = groups.get(group)
        groups[group] = list(sums) if known is None else [one + other for one, other in zip(known, sums, strict=True)]
    return groups


def merge(connection: sa.Connection, table: sa.Table, period_seconds: int, sums: Sums) -> None:
    """Add sums to a table's rows, in the order of their keys, so that two writers cannot wait for each other."""
    if not sums:
        return
    rows = sorted(
        (
            period_seconds,
            key[0] * HOUR_SECONDS * MICROSECONDS,
            *(text or "" for text in key[1:]),
            *amounts[:DURATION],
            round(amounts[DURATION]),
        )
        for key, amounts in sums.items()
    )
    connection.exec_driver_sql(merge_statement(table.name, connection.dialect.name), rows)


@cache
def merge_statement(table_name: str, dialect_name: str) -> str:
    """Return the driver's text of the statement that adds a row to the one with its key, or makes it."""
    table = metadata.tables[table_name]
    dialect = make_url(DRIVERS[dialect_name] + "://").get_dialect()()
    insert = sqlite.insert if dialect_name == "sqlite" else postgresql.insert
    statement = insert(table).values({column.name: sa.bindparam(column.name) for column in table.c})
    added = {name: table.c[name] + statement.excluded[name] for name in MEASURES}
    merge = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=added)
    return str(merge.compile(dialect=dialect))
