"""The endpoint of usage."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, reads
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.usage.schemas import UsageQuery, UsageReport, UsageView
from aqueduct.control import usage
from aqueduct.domain.permissions import reach
from aqueduct.domain.scopes import Kind

router = new_router("usage")
Reading = Annotated[Desk, reads(Kind.USAGE)]
DEFAULT_SECONDS = 30 * 86400.0


@router.get("")
async def summarise_usage(desk: Reading, query: Annotated[UsageQuery, Query()]) -> UsageReport:
    """Sum the usage that you may see, a row a group."""
    since = desk.registry.now() - DEFAULT_SECONDS if query.since is None else query.since.timestamp()
    until = None if query.until is None else query.until.timestamp()
    within = reach(desk.actor, Kind.USAGE)
    rows = await usage.summarise(desk.registry.database, since=since, until=until, by=query.by, within=within)
    shown = [UsageView.model_validate(row) for row in rows]
    return UsageReport(data=shown, total=UsageView.model_validate(usage.total(rows)))
