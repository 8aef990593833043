"""How people write times: `30d` and `12h`, or a date."""

import re
from datetime import UTC, datetime, timedelta

from aqueduct.errors import InvalidValue

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def parse_duration(text: str) -> float:
    """Read `30d`, `12h` and the like as seconds. Raises `InvalidValue` for anything else."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    if match is None:
        raise InvalidValue(f"`{text}` is not a duration. Write a number and m, h, d or w, such as 12h or 30d.")
    return int(match[1]) * UNITS[match[2]].total_seconds()


def parse_expiry(text: str, now: float) -> float:
    """Read `30d`, `12h` (from now) or a date (its end, UTC) as an instant. Raises `InvalidValue` for anything else."""
    day = parse_day(text)
    return now + parse_duration(text) if day is None else (day + timedelta(days=1)).timestamp()


def parse_start(text: str, now: float) -> float:
    """Read `7d` (before now) or a date (its beginning, UTC) as an instant. Raises `InvalidValue` for anything else."""
    day = parse_day(text)
    return now - parse_duration(text) if day is None else day.timestamp()


def parse_day(text: str) -> datetime | None:
    """Read a date such as `2026-12-31` as its first moment in UTC; None when it is not one."""
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
