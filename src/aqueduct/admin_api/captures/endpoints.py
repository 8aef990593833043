"""The endpoints of captures: what was said is shown one request at a time, and each showing is noted."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.captures.schemas import CaptureFactsView, CaptureQuery, CaptureView
from aqueduct.admin_api.desk import Desk, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control.captures import Captures
from aqueduct.domain.scopes import Kind

router = new_router("captures")
Reading = Annotated[Desk, reads(Kind.CAPTURE)]
Writing = Annotated[Desk, writes(Kind.CAPTURE)]


@router.get("")
async def list_captures(desk: Reading, query: Annotated[CaptureQuery, Query()]) -> ListOf[CaptureFactsView]:
    """List the captures that you may see, the newest first, without what was said."""
    page = await Captures(desk.registry).page(desk.actor, query.within_time())
    return ListOf(data=[CaptureFactsView.model_validate(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/{request_id}")
async def read_capture(desk: Reading, request_id: str) -> CaptureView:
    """Read what a request said and was answered; that you did is in the audit log."""
    desk.response.headers["cache-control"] = "no-store"
    return CaptureView.model_validate(await Captures(desk.registry).read(desk.actor, request_id))


@router.delete("/{request_id}")
async def delete_capture(desk: Writing, request_id: str) -> CaptureFactsView:
    """Delete what was captured of a request; its usage stays."""
    return CaptureFactsView.model_validate(await Captures(desk.registry).delete(desk.actor, request_id))
