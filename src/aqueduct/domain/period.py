"""When the periods of budgets begin and end: calendar aligned, in a time zone."""

from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aqueduct.domain.budget import Period

FOREVER = float("inf")


class Span(NamedTuple):
    """One period: its first instant, and the first one after it; seconds since the epoch."""

    begins_at: float
    ends_at: float


def span_at(period: Period, time_zone: str, instant: float) -> Span:
    """Return the period that an instant is in; `total` is one that began with the epoch and never ends."""
    if period is Period.TOTAL:
        return Span(0.0, FOREVER)
    zone = ZoneInfo(time_zone)
    today = datetime.fromtimestamp(instant, zone).date()
    if period is Period.DAY:
        first, following = today, today + timedelta(days=1)
    elif period is Period.WEEK:
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    begin, end = (datetime.combine(day, time.min, zone) for day in (first, following))
    return Span(begin.timestamp(), end.timestamp())


def budget_key(budget_id: str, begins_at: float) -> str:
    """Return the name under which what is spent of a budget in a period is counted."""
    return f"{budget_id}:{int(begins_at)}"


def budget_of_key(key: str) -> str:
    """Return the id of the budget that a count is of."""
    return key.rpartition(":")[0]
