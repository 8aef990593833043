"""The endpoints of usage."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from aqueduct.admin_api.desk import Desk, reads
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.streaming import EXPORTED, stream
from aqueduct.admin_api.usage.schemas import (
    RequestsExportQuery,
    UsageExportQuery,
    UsageFilter,
    UsageReport,
    UsageReportQuery,
)
from aqueduct.control import usage, usage_export
from aqueduct.control.usage import Selection, UsageSummary
from aqueduct.domain.permissions import reach
from aqueduct.domain.scopes import Kind
from aqueduct.errors import InvalidValue

router = new_router("usage")
Reading = Annotated[Desk, reads(Kind.USAGE)]
DEFAULT_SECONDS = 30 * 86400.0
MAX_GROUPS = 10_000


@router.get("", response_model=UsageReport)
async def summarise_usage(desk: Reading, query: Annotated[UsageReportQuery, Query()]) -> Response:
    """Sum the usage that you may see, a row a group."""
    selection = select(desk, query)
    by = usage.parse_groupings(query.by, selection.filters)
    if query.top is not None:
        ranked, whole = await usage.summarise_top(desk.registry.database, selection, by, query.top, query.rank_by)
        return report([view(group, by) for group in ranked], view(whole, ()))
    groups: list[UsageSummary] = []
    async for group in usage.summarise_selection(desk.registry.database, selection, by):
        groups.append(group)
        if len(groups) > MAX_GROUPS:
            raise InvalidValue(f"There are more than {MAX_GROUPS} groups. Ask for a shorter time, or fewer groupings.")
    return report([view(group, by) for group in groups], view(usage.total(groups), ()))


def report(data: Sequence[dict[str, object]], total: dict[str, object]) -> Response:
    """Answer with a report; thousands of groups are no work for the framework's validation of what it sends."""
    return Response(msgspec.json.encode({"data": data, "total": total}), media_type="application/json")


@router.get("/export", response_class=StreamingResponse, responses=EXPORTED)
async def export_usage(desk: Reading, query: Annotated[UsageExportQuery, Query()]) -> StreamingResponse:
    """Stream the usage that you may see, a line a group and currency, as CSV or JSON Lines."""
    selection = select(desk, query)
    by = usage.parse_groupings(query.by, selection.filters)
    chunks = usage_export.export_sums(desk.registry.database, selection, by, query.format)
    return await stream(chunks, usage_export.MEDIA_TYPES[query.format], "usage")


@router.get("/requests/export", response_class=StreamingResponse, responses=EXPORTED)
async def export_requests(desk: Reading, query: Annotated[RequestsExportQuery, Query()]) -> StreamingResponse:
    """Stream the requests that you may see with their attempts, a line each, as JSON Lines or CSV."""
    chunks = usage_export.export_records(desk.registry.database, select(desk, query), query.format)
    return await stream(chunks, usage_export.MEDIA_TYPES[query.format], "requests")


def select(desk: Desk, query: UsageFilter) -> Selection:
    """Return which usage a query is about, as far as whoever asks may see."""
    return usage.select(
        since=default_start(desk.registry.now()) if query.since is None else query.since.timestamp(),
        until=None if query.until is None else query.until.timestamp(),
        reach=reach(desk.actor, Kind.USAGE),
        filters=query.filters(),
    )


def default_start(now: float) -> float:
    """Return the beginning of the day 30 days ago: of whole days there are fewer rows than of hours."""
    return (now - DEFAULT_SECONDS) // usage.DAY_SECONDS * usage.DAY_SECONDS


def view(group: UsageSummary, by: Sequence[str]) -> dict[str, object]:
    """Show one group as a `UsageView`."""
    return {
        "keys": dict(zip(by, group.keys, strict=True)),
        "names": dict(zip(by, group.names, strict=True)),
        "requests": group.requests,
        "errors": group.errors,
        "units": group.units,
        "costs": {currency: f"{cost:f}" for currency, cost in group.costs.items()},
        "saved": {currency: f"{amount:f}" for currency, amount in group.saved.items()},
        "duration_ms": group.duration_ms,
    }
