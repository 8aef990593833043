"""What a person can learn about usage: summaries and the raw records."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from aqueduct.domain.permissions import EVERYWHERE, Reach
from aqueduct.storage import usage
from aqueduct.storage.database import Database
from aqueduct.storage.usage import UNITS, Grouping, UsageSummary

__all__ = ["UNITS", "Grouping", "UsageSummary", "export", "summarise", "total"]

PAGE = 1000


async def summarise(
    database: Database, *, since: float, until: float | None = None, by: Grouping, within: Reach = EVERYWHERE
) -> list[UsageSummary]:
    """Sum usage from `since` on (and before `until`), as far as it is within reach, a row a group."""
    async with database.reading() as connection:
        return await usage.summarise(connection, since=since, until=until, by=by, within=within)


async def export(database: Database, *, since: float) -> AsyncIterator[dict[str, Any]]:
    """Yield every request from `since` on, in the order of their ids, each with its `attempts`."""
    last: str | None = None
    while True:
        # A transaction a page: a long export must not keep SQLite's log from being cut.
        async with database.reading() as connection:
            records = await usage.read_page(connection, since=since, after=last, size=PAGE)
        for record in records:
            yield record
        if len(records) < PAGE:
            return
        last = records[-1]["id"]


def total(summaries: Sequence[UsageSummary]) -> UsageSummary:
    """Add the groups up."""
    return UsageSummary(
        key=None,
        requests=sum(each.requests for each in summaries),
        errors=sum(each.errors for each in summaries),
        input_tokens=sum(each.input_tokens for each in summaries),
        output_tokens=sum(each.output_tokens for each in summaries),
        cached_tokens=sum(each.cached_tokens for each in summaries),
        reasoning_tokens=sum(each.reasoning_tokens for each in summaries),
    )
