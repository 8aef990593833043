"""What a person can learn about usage: summaries and the raw records."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aqueduct.domain.permissions import EVERYWHERE, Reach
from aqueduct.domain.usage import UNITS
from aqueduct.errors import InvalidValue
from aqueduct.storage import usage
from aqueduct.storage.database import Database
from aqueduct.storage.usage import COLUMNS, Grouping, UsageSummary, total

__all__ = ["UNITS", "Grouping", "UsageSummary", "export", "parse_groupings", "summarise", "total"]

PAGE = 1000
CLOCKS_DIFFER_SECONDS = 3600.0
"""How far in the future a record may be, by another machine's clock, and still be part of "until now"."""


def parse_groupings(text: str) -> tuple[Grouping, ...]:
    """Read `team,model`. Raises `InvalidValue` for unknown ones and for those that are not kept together."""
    known: dict[str, Grouping] = {name: name for name in COLUMNS}
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidValue(f"Usage cannot be summed by `{unknown[0]}`. Known: {', '.join(known)}.")
    by = tuple(dict.fromkeys(known[name] for name in names))
    if usage.rollup_for(by) is None:
        raise InvalidValue(
            f"Usage is not kept by {' and '.join(by)} together. A target goes with provider, hour and day, "
            "an end user with organisation and day, and all others with each other."
        )
    return by


async def summarise(
    database: Database, *, since: float, by: Sequence[Grouping], until: float | None = None, reach: Reach = EVERYWHERE
) -> AsyncIterator[UsageSummary]:
    """Sum usage of whole hours from `since` on, as far as it is within reach, group by group, in constant memory."""
    if not usage.can_reach(by, reach):
        raise InvalidValue(f"Usage by {' and '.join(by)} is shown to administrators of the installation only.")
    async with database.reading() as connection:
        async for summary in usage.summarise(connection, since=since, until=until or latest(), by=by, reach=reach):
            yield summary


async def export(database: Database, *, since: float, until: float | None = None) -> AsyncIterator[dict[str, Any]]:
    """Yield every request from `since` on, in the order of their ids, each with its `attempts`."""
    last: str | None = None
    end = until or latest()
    while True:
        # A transaction a page: a long export must not keep SQLite's log from being cut.
        async with database.reading() as connection:
            records = await usage.read_page(connection, since=since, until=end, after=last, size=PAGE)
        for record in records:
            yield record
        if len(records) < PAGE:
            return
        last = records[-1]["id"]


def latest() -> float:
    """Return an instant that no record is after."""
    return time.time() + CLOCKS_DIFFER_SECONDS
