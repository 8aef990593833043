"""Instants as the tables hold them: whole microseconds since the epoch, UTC."""

from typing import overload

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS


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
