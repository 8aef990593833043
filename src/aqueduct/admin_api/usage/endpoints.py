"""The endpoint of usage."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, reads
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.usage.schemas import UsageQuery, UsageReport, UsageView
from aqueduct.control import usage
from aqueduct.control.usage import UsageSummary
from aqueduct.domain.permissions import reach
from aqueduct.domain.scopes import Kind
from aqueduct.errors import InvalidValue

router = new_router("usage")
Reading = Annotated[Desk, reads(Kind.USAGE)]
DEFAULT_SECONDS = 30 * 86400.0
MAX_GROUPS = 10_000


@router.get("")
async def summarise_usage(desk: Reading, query: Annotated[UsageQuery, Query()]) -> UsageReport:
    """Sum the usage that you may see, a row a group."""
    since = desk.registry.now() - DEFAULT_SECONDS if query.since is None else query.since.timestamp()
    until = None if query.until is None else query.until.timestamp()
    by = usage.parse_groupings(query.by)
    within = reach(desk.actor, Kind.USAGE)
    groups: list[UsageSummary] = []
    async for group in usage.summarise(desk.registry.database, since=since, until=until, by=by, reach=within):
        groups.append(group)
        if len(groups) > MAX_GROUPS:
            raise InvalidValue(f"There are more than {MAX_GROUPS} groups. Ask for a shorter time, or fewer groupings.")
    return UsageReport(data=[view(group, by) for group in groups], total=view(usage.total(groups), ()))


def view(group: UsageSummary, by: Sequence[str]) -> UsageView:
    """Show one group."""
    return UsageView(
        keys=dict(zip(by, group.keys, strict=True)),
        requests=group.requests,
        errors=group.errors,
        units=group.units,
        costs=group.costs,
        duration_ms=group.duration_ms,
    )
