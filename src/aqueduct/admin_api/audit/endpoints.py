"""The endpoints of the audit log."""

from typing import Annotated

from fastapi import Query
from fastapi.responses import StreamingResponse

from aqueduct.admin_api.audit.export import write_csv, write_json_lines
from aqueduct.admin_api.audit.schemas import AuditExport, AuditQuery, AuditView
from aqueduct.admin_api.desk import Desk, reads
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.admin_api.streaming import EXPORTED, stream
from aqueduct.control.audit import IN_ORDER, AuditLog
from aqueduct.domain.scopes import Kind
from aqueduct.storage.pages import Listing
from aqueduct.wire.lines import CSV, JSON_LINES

router = new_router("audit")
Reading = Annotated[Desk, reads(Kind.AUDIT)]


@router.get("")
async def list_audit(desk: Reading, query: Annotated[AuditQuery, Query()]) -> ListOf[AuditView]:
    """List the changes that you may see, the newest first."""
    page = await AuditLog(desk.registry).page(desk.actor, query.listing())
    return ListOf(data=[AuditView.model_validate(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/export", response_class=StreamingResponse, responses=EXPORTED)
async def export_audit(desk: Reading, query: Annotated[AuditExport, Query()]) -> StreamingResponse:
    """Stream every change that you may see, the oldest first, as JSON Lines or CSV."""
    filters = query.model_dump(exclude={"format"}, exclude_none=True)
    listing = query.within(Listing(filters=filters, sort=IN_ORDER.sort, size=IN_ORDER.size))
    entries = AuditLog(desk.registry).export(desk.actor, listing)
    if query.format == "csv":
        return await stream(write_csv(entries), CSV, "audit")
    return await stream(write_json_lines(entries), JSON_LINES, "audit")
