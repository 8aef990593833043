"""Instants as the tables hold them: whole microseconds since the epoch, UTC."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import overload

MICROSECONDS = 1_000_000
HOUR = 3_600 * MICROSECONDS
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ID_MARGIN_SECONDS = 3600.0
"""How far the clock may have been set back between the making of a request's id and the note of its start."""


@overload
def to_microseconds(instant: float) -> int: ...
@overload
def to_microseconds(instant: None) -> None: ...
def to_microseconds(instant: float | None) -> int | None:
    """Return an instant as the tables hold it."""
    return None if instant is None else round(instant * MICROSECONDS)


@overload
def to_seconds(instant: int) -> float: ...
@overload
def to_seconds(instant: None) -> None: ...
def to_seconds(instant: int | None) -> float | None:
    """Return an instant as the domain holds it."""
    return None if instant is None else instant / MICROSECONDS


def to_text(instant: int) -> str:
    """Write an instant exactly, as RFC 3339 does: `2026-12-31T23:59:59.123456Z`."""
    second, rest = divmod(instant, MICROSECONDS)
    day, second = divmod(second, 86_400)
    return f"{day_text(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{rest:06d}Z"


@lru_cache(maxsize=64)
def day_text(day: int) -> str:
    """Write a day, by its number since the epoch; many records in a row are of the same one."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


def first_id(instant: float) -> str:
    """Return the least id that a request begun at `instant` may have: a UUIDv7 begins with its milliseconds."""
    milliseconds = max(0, int((instant - ID_MARGIN_SECONDS) * 1000))
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-000000000000"
