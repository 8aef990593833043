"""What was used this month, as far as somebody may see it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from aqueduct.control import usage
from aqueduct.control.usage import Grouping, UsageSummary, total
from aqueduct.domain.budget import Period
from aqueduct.domain.period import span_at
from aqueduct.domain.permissions import reach
from aqueduct.domain.scopes import Kind
from aqueduct.web.visit import Visit

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Day:
    """A day in a chart: its label and what was used; `height` is in per cent of the highest."""

    label: str
    requests: int
    height: int


@dataclass(frozen=True)
class Month:
    """The present month (UTC): all of it, and day by day up to now."""

    total: UsageSummary
    days: list[Day]


def began_at() -> float:
    """Return when the present month began, in UTC."""
    return span_at(Period.MONTH, "UTC", time.time()).begins_at


async def read_month(visit: Visit, filters: Mapping[str, str]) -> Month:
    """Sum the present month of whoever the filters say."""
    since, now = began_at(), time.time()
    selection = usage.select(since=since, reach=reach(visit.actor, Kind.USAGE), filters=filters)
    summaries = [each async for each in usage.summarise_selection(visit.registry.database, selection, ("day",))]
    by_day = {each.keys[0]: each for each in summaries}
    labels = [time.strftime("%Y-%m-%d", time.gmtime(at)) for at in range(int(since), int(now) + 1, DAY_SECONDS)]
    counts = [by_day[label].requests if label in by_day else 0 for label in labels]
    highest = max(counts, default=0) or 1
    days = [
        Day(label, count, max(2, round(count * 100 / highest)) if count else 0)
        for label, count in zip(labels, counts, strict=True)
    ]
    return Month(total(summaries), days)


async def read_by(visit: Visit, by: Grouping, filters: Mapping[str, str]) -> dict[str, UsageSummary]:
    """Sum the present month group by group, by the groups' keys."""
    selection = usage.select(since=began_at(), reach=reach(visit.actor, Kind.USAGE), filters=filters)
    found = usage.summarise_selection(visit.registry.database, selection, (by,))
    return {each.keys[0]: each async for each in found if each.keys[0] is not None}
