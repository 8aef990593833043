"""The endpoint of targets."""

from collections.abc import Callable, Iterable
from typing import Annotated

from fastapi import Request

from aqueduct.admin_api.desk import Desk, reads
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.admin_api.targets.schemas import TargetView
from aqueduct.domain.health import TargetHealth
from aqueduct.domain.permissions import Action, Resource, may
from aqueduct.domain.scopes import Kind
from aqueduct.errors import PermissionDenied

router = new_router("targets")
Reading = Annotated[Desk, reads(Kind.TARGET)]
ListHealth = Callable[[], Iterable[TargetHealth]]


@router.get("")
async def list_targets(desk: Reading, request: Request) -> ListOf[TargetView]:
    """List the targets that this gateway serves, each with its state, for administrators of the installation."""
    if not may(desk.actor, Action.READ, Resource(kind=Kind.TARGET)):
        raise PermissionDenied("Only an administrator of the installation may see how the targets are.")
    list_health: ListHealth = request.app.state.list_health
    return ListOf(data=[TargetView.model_validate(each) for each in list_health()], next_cursor=None)
