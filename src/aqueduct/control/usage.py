"""What a person can learn about usage: sums of it, as far as he may see."""

import enum
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from aqueduct.domain.permissions import EVERYWHERE, Reach
from aqueduct.domain.usage import UNITS
from aqueduct.errors import InvalidValue
from aqueduct.storage import usage
from aqueduct.storage.database import Database
from aqueduct.storage.usage import COLUMNS, Grouping, Selection, UsageSummary, total

__all__ = [
    "COLUMNS",
    "FILTERS",
    "UNITS",
    "Grouping",
    "Selection",
    "UsageSummary",
    "parse_groupings",
    "summarise",
    "total",
]

DAY_SECONDS = 86_400.0


class Rank(enum.StrEnum):
    """What groups are ranked by; amounts in several currencies count as if they were of one."""

    REQUESTS = "requests"
    COST = "cost"


CLOCKS_DIFFER_SECONDS = 3600.0
"""How far in the future a record may be, by another machine's clock, and still be part of "until now"."""

FILTERS = (
    "organisation_id",
    "team_id",
    "user_id",
    "service_account_id",
    "api_token_id",
    "model",
    "provider",
    "target",
    "end_user",
)
"""By which columns usage can be narrowed; sums only by those that are kept with the groupings."""


def parse_groupings(text: str, filters: Mapping[str, str] | None = None) -> tuple[Grouping, ...]:
    """Read `team,model`. Raises `InvalidValue` for unknown ones and for those that are not kept together."""
    known: dict[str, Grouping] = {name: name for name in COLUMNS}
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidValue(f"Usage cannot be summed by `{unknown[0]}`. Known: {', '.join(known)}.")
    by = tuple(dict.fromkeys(known[name] for name in names))
    if usage.rollup_for(by, filters or ()) is None:
        raise InvalidValue(
            f"Usage is not kept by {' and '.join((*by, *(filters or ())))} together. A target goes with provider, "
            "hour and day, an end user with organisation and day, and all others with each other."
        )
    return by


def select(
    *,
    since: float,
    until: float | None = None,
    reach: Reach = EVERYWHERE,
    filters: Mapping[str, str] | None = None,
) -> Selection:
    """Return which usage is meant; an end of None is now. Raises `InvalidValue` for a filter that there is not."""
    require_filters(filters or {})
    # To the end of a day, for which there is one row and not one an hour.
    end = end_of_day(time.time() + CLOCKS_DIFFER_SECONDS) if until is None else until
    return Selection(since=since, until=end, reach=reach, filters=filters or {})


def require_filters(names: Iterable[str]) -> None:
    """Raise `InvalidValue` for a filter that there is not."""
    for name in names:
        if name not in FILTERS:
            raise InvalidValue(f"Usage cannot be narrowed by `{name}`. Known: {', '.join(FILTERS)}.")


def require_reach(by: Sequence[Grouping], selection: Selection) -> None:
    """Raise `InvalidValue` unless an actor's part can be told apart."""
    if not usage.can_reach(by, selection):
        raise InvalidValue(f"Usage by {' and '.join(by)} is shown to administrators of the installation only.")


async def summarise(
    database: Database, *, since: float, by: Sequence[Grouping], until: float | None = None, reach: Reach = EVERYWHERE
) -> AsyncIterator[UsageSummary]:
    """Sum usage of whole hours from `since` on, as far as it is within reach, group by group, in constant memory."""
    async for summary in summarise_selection(database, select(since=since, until=until, reach=reach), by):
        yield summary


async def summarise_selection(
    database: Database, selection: Selection, by: Sequence[Grouping]
) -> AsyncIterator[UsageSummary]:
    """Sum the selected usage, group by group, in constant memory."""
    require_reach(by, selection)
    async with database.reporting() as connection:
        async for summary in usage.summarise(connection, selection, by):
            yield summary


async def summarise_top(
    database: Database, selection: Selection, by: Sequence[Grouping], count: int, rank_by: Rank
) -> tuple[list[UsageSummary], UsageSummary]:
    """Return the groups of one grouping that have the most, the highest first, and all groups together.

    Raises `InvalidValue` for more than one grouping and for one of time.
    """
    if len(by) != 1 or by[0] in ("hour", "day"):
        raise InvalidValue("The highest are found of one grouping, which is not a time.")
    require_reach(by, selection)
    async with database.reporting() as connection:
        measure = "cost_nano" if rank_by is Rank.COST else "requests"
        groups = await usage.read_top(connection, selection, by[0], measure, count)
        return groups, await usage.read_total(connection, selection, by)


def end_of_day(instant: float) -> float:
    """Return the end of the day (UTC) of an instant."""
    return (instant // DAY_SECONDS + 1) * DAY_SECONDS
