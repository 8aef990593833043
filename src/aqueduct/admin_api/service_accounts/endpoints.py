"""The endpoints of service accounts."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.admin_api.service_accounts.schemas import (
    NewServiceAccount,
    ServiceAccountChanges,
    ServiceAccountQuery,
    ServiceAccountView,
)
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.domain.scopes import Kind

router = new_router("service_accounts")
Reading = Annotated[Desk, reads(Kind.SERVICE_ACCOUNT)]
Writing = Annotated[Desk, writes(Kind.SERVICE_ACCOUNT)]


@router.get("")
async def list_service_accounts(
    desk: Reading, query: Annotated[ServiceAccountQuery, Query()]
) -> ListOf[ServiceAccountView]:
    """List the service accounts that you may see."""
    return await desk.page(ServiceAccounts, query.listing(), ServiceAccountView)


@router.post("", status_code=201)
async def create_service_account(desk: Writing, body: NewServiceAccount) -> ServiceAccountView:
    """Make a service account of a team."""
    made = await ServiceAccounts(desk.registry).create(desk.actor, body.name, team=body.team)
    return desk.show(made, ServiceAccountView)


@router.get("/{service_account}")
async def read_service_account(desk: Reading, service_account: str) -> ServiceAccountView:
    """Read a service account by its id or name."""
    return await desk.read(ServiceAccounts, service_account, ServiceAccountView)


@router.patch("/{service_account}")
async def change_service_account(
    desk: Writing, service_account: str, body: ServiceAccountChanges, if_match: IfMatch = None
) -> ServiceAccountView:
    """Change a service account."""
    return await desk.change(ServiceAccounts, service_account, body, if_match, ServiceAccountView)


@router.delete("/{service_account}")
async def delete_service_account(desk: Writing, service_account: str, if_match: IfMatch = None) -> ServiceAccountView:
    """Delete a service account; its tokens end with it. Answers what it was."""
    return await desk.delete(ServiceAccounts, service_account, if_match, ServiceAccountView)
