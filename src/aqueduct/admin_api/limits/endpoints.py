"""The endpoints of limits."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.limits.schemas import LimitChanges, LimitQuery, LimitView, NewLimitBody
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control.allowances import Limits
from aqueduct.domain.scopes import Kind

router = new_router("limits")
Reading = Annotated[Desk, reads(Kind.LIMIT)]
Writing = Annotated[Desk, writes(Kind.LIMIT)]


@router.get("")
async def list_limits(desk: Reading, query: Annotated[LimitQuery, Query()]) -> ListOf[LimitView]:
    """List the limits that you may see."""
    return await desk.page(Limits, query.listing(), LimitView)


@router.post("", status_code=201)
async def create_limit(desk: Writing, body: NewLimitBody) -> LimitView:
    """Limit a subject."""
    made = await Limits(desk.registry).create(desk.actor, body.subject_type, body.subject, body.wanted)
    return desk.show(made, LimitView)


@router.get("/{limit}")
async def read_limit(desk: Reading, limit: str) -> LimitView:
    """Read a limit."""
    return await desk.read(Limits, limit, LimitView)


@router.patch("/{limit}")
async def change_limit(desk: Writing, limit: str, body: LimitChanges, if_match: IfMatch = None) -> LimitView:
    """Change a limit."""
    return await desk.change(Limits, limit, body, if_match, LimitView)


@router.delete("/{limit}")
async def delete_limit(desk: Writing, limit: str, if_match: IfMatch = None) -> LimitView:
    """Delete a limit; answers what it was."""
    return await desk.delete(Limits, limit, if_match, LimitView)
