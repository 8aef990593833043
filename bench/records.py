"""Fills a data directory's SQLite database with many requests of many people, as months of use would leave it.

Ten organisations of ten teams each; every user is in a team and has a token, two favourite models and a soft budget.
A few use much and most little. The sums are made from the records by the database itself.
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from aqueduct.storage.instants import DAY, HOUR, MICROSECONDS
from aqueduct.storage.rollups import DAY_SECONDS, HOUR_SECONDS, NARROWER
from aqueduct.storage.tables import MEASURES

ORGANISATIONS, TEAMS = 10, 100
MODELS = (
    "gpt-5",
    "gpt-5-mini",
    "sonnet",
    "haiku",
    "gemini",
    "llama",
    "qwen",
    "mistral",
    "phi",
    "command",
    "nova",
    "k2",
)
DAYS = 30
KEYS = ("organisation_id", "team_id", "user_id", "service_account_id", "api_token_id", "model", "provider", "currency")

PEOPLE = {
    "organisations": "(id, name, requires_terms, created_at) VALUES (?, ?, 0, ?)",
    "teams": "(id, organisation_id, name, created_at) VALUES (?, ?, ?, ?)",
    "users": "(id, organisation_id, name, email, role, is_active, created_at) VALUES (?, ?, ?, ?, 'member', 1, ?)",
    "memberships": "(team_id, user_id, organisation_id, role, created_at) VALUES (?, ?, ?, 'member', ?)",
    "api_tokens": "(id, name, hint, key_id, hash, created_at, organisation_id, team_id, user_id)"
    " VALUES (?, 'laptop', 'aq-…', 'k', ?, ?, ?, ?, ?)",
    "budgets": "(id, subject_type, subject_id, organisation_id, user_id, rank, created_at, amount_nano, currency,"
    " period, time_zone, is_hard, alert_thresholds)"
    " VALUES (?, 'user', ?, ?, ?, 0, ?, 50000000000, 'USD', 'month', 'UTC', 0, '[]')",
}
REQUEST = (
    "INSERT INTO usage_requests (id, started_at, operation, api_token_id, organisation_id, team_id, user_id, model,"
    " request_model, response_model, target, provider, status, ending, error_code, is_stream, is_estimated, units,"
    " cost_nano, currency, finish_reason, first_byte_ms, total_ms, end_user) VALUES (?, ?, 'chat', ?, ?, ?, ?, ?, ?, ?,"
    " ?, 'lab', ?, 'finished', ?, 1, 0, ?, ?, 'USD', 'stop', 212.25, ?, ?)"
)
ATTEMPTS = (
    "INSERT INTO usage_attempts (request_id, position, target, provider, started_at, status, response_model, units,"
    " is_estimated, cost_nano, currency, first_byte_ms, total_ms) SELECT id, 0, target, provider, started_at, status,"
    " response_model, units, is_estimated, cost_nano, currency, first_byte_ms, total_ms FROM usage_requests"
)


def organisation_of(team: int) -> str:
    """Return the organisation that a team is in."""
    return f"org_{team % ORGANISATIONS:05d}"


def fill(database: Path, *, records: int, users: int, now: float) -> None:
    """Add everything, in one transaction; the tables must be there."""
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        # Nobody else has it open, and a power cut may cost it: it is made for one measurement.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        with connection:
            add_people(connection, users, int(now) * MICROSECONDS)
            rows = requests(records, users, now)
            connection.executemany(REQUEST, rows)
            connection.execute(ATTEMPTS)
            add_sums(connection)
        connection.execute("PRAGMA journal_mode=WAL")


def add_people(connection: sqlite3.Connection, users: int, at: int) -> None:
    """Add those who ask."""
    everybody = [(f"usr_{number:05d}", number % TEAMS, number) for number in range(users)]
    rows: dict[str, list[tuple[str | int | bytes, ...]]] = {
        "organisations": [(f"org_{each:05d}", f"organisation {each}", at) for each in range(ORGANISATIONS)],
        "teams": [(f"team_{each:05d}", organisation_of(each), f"team {each}", at) for each in range(TEAMS)],
        "users": [
            (user, organisation_of(team), f"user {number}", f"user{number}@example.org", at)
            for user, team, number in everybody
        ],
        "memberships": [(f"team_{team:05d}", user, organisation_of(team), at) for user, team, _ in everybody],
        "api_tokens": [
            (f"tok_{number:05d}", number.to_bytes(32), at, organisation_of(team), f"team_{team:05d}", user)
            for user, team, number in everybody
        ],
        "budgets": [(f"bud_{number:05d}", user, organisation_of(team), user, at) for user, team, number in everybody],
    }
    for table, statement in PEOPLE.items():
        connection.executemany(f"INSERT INTO {table} {statement}", rows[table])


def requests(records: int, users: int, now: float) -> Iterator[tuple[object, ...]]:
    """Yield the rows of requests in the order of time; the same ones every time, as far as `now` is the same."""
    dice = random.Random(7)
    step = DAYS * 86_400 / records
    for number in range(records):
        at = now - (records - number) * step
        user = int(users * dice.random() ** 2)
        team = user % TEAMS
        model = MODELS[(user + (dice.random() < 0.3)) % len(MODELS)]
        failed = dice.random() < 0.02
        read, said = (0, 0) if failed else (int(50 + 8000 * dice.random()), int(5 + 900 * dice.random()))
        digits = f"{int(at * 1000):012x}"
        yield (
            f"{digits[:8]}-{digits[8:]}-7000-8000-{number:012x}",
            int(at * MICROSECONDS),
            f"tok_{user:05d}",
            organisation_of(team),
            f"team_{team:05d}",
            f"usr_{user:05d}",
            model,
            model,
            f"{model}-2026",
            f"lab/{model}",
            500 if failed else 200,
            "upstream_server_error" if failed else None,
            f'{{"input_tokens":{read},"output_tokens":{said},"cached_tokens":{read // 3}}}',
            read * 1_250 + said * 10_000,
            300 + said * 11.5,
            f"end-{user % 500}" if number % 10 == 0 else None,
        )


def add_sums(connection: sqlite3.Connection) -> None:
    """Add the rollups of everything, as the shipper would have: days are sums of hours."""
    counted = "count(*), sum(status >= 400)"
    counted += "".join(f", coalesce(sum(units ->> '{unit}'), 0)" for unit in MEASURES[2:-2])
    counted += ", sum(cost_nano), cast(round(sum(total_ms)) AS integer)"
    added = ", ".join(f"sum({measure})" for measure in MEASURES)
    for table, keys, source in (
        ("usage_rollups", [f"coalesce({key}, '')" for key in KEYS], "usage_requests"),
        ("target_rollups", ["provider", "target", "currency"], "usage_attempts"),
    ):
        columns, places = ", ".join(keys), ", ".join(str(place) for place in range(1, 3 + len(keys)))
        hour = f"SELECT {HOUR_SECONDS}, started_at / {HOUR} * {HOUR}, {columns}, {counted} FROM {source}"
        connection.execute(f"INSERT INTO {table} {hour} GROUP BY {places}")
        names = ", ".join(KEYS if table == "usage_rollups" else keys)
        day = f"SELECT {DAY_SECONDS}, start_at / {DAY} * {DAY}, {names}, {added} FROM {table}"
        connection.execute(f"INSERT INTO {table} {day} WHERE period_seconds = {HOUR_SECONDS} GROUP BY {places}")
    for narrower in NARROWER:
        names = ", ".join(column.name for column in narrower.primary_key)
        places = ", ".join(str(place) for place in range(1, 1 + len(narrower.primary_key)))
        sums = f"SELECT {names}, {added} FROM usage_rollups GROUP BY {places}"
        connection.execute(f"INSERT INTO {narrower.name} ({names}, {', '.join(MEASURES)}) {sums}")
    day = f"SELECT {DAY_SECONDS}, started_at / {DAY} * {DAY}, organisation_id, end_user, currency, {counted}"
    found = "FROM usage_requests WHERE end_user IS NOT NULL GROUP BY 1, 2, 3, 4, 5"
    connection.execute(f"INSERT INTO end_user_rollups {day} {found}")
