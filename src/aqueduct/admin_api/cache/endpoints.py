"""The endpoint of the response cache."""

from typing import Annotated

from aqueduct.admin_api.cache.schemas import CacheClearingView, CacheToClear
from aqueduct.admin_api.desk import Desk, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.control.cache import ResponseCache
from aqueduct.domain.scopes import Kind

router = new_router("cache")
Writing = Annotated[Desk, writes(Kind.CACHE)]


@router.post("/clear")
async def clear_cache(desk: Writing, body: CacheToClear) -> CacheClearingView:
    """Let no answer be given again that is kept now: of an organisation or of all, of a model or of all."""
    clearing = await ResponseCache(desk.registry).clear(desk.actor, organisation=body.organisation, model=body.model)
    return CacheClearingView.model_validate(clearing)
