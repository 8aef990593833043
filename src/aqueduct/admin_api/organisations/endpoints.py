"""The endpoints of organisations."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.organisations.schemas import (
    NewOrganisation,
    OrganisationChanges,
    OrganisationQuery,
    OrganisationView,
)
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control.organisations import Organisations
from aqueduct.domain.scopes import Kind

router = new_router("organisations")
Reading = Annotated[Desk, reads(Kind.ORGANISATION)]
Writing = Annotated[Desk, writes(Kind.ORGANISATION)]


@router.get("")
async def list_organisations(desk: Reading, query: Annotated[OrganisationQuery, Query()]) -> ListOf[OrganisationView]:
    """List the organisations that you may see."""
    return await desk.page(Organisations, query.listing(), OrganisationView)


@router.post("", status_code=201)
async def create_organisation(desk: Writing, body: NewOrganisation) -> OrganisationView:
    """Make an organisation, empty."""
    made = await Organisations(desk.registry).create(
        desk.actor,
        body.name,
        max_api_tokens_per_user=body.max_api_tokens_per_user,
        capture=None if body.capture is None else body.capture.wanted,
    )
    return desk.show(made, OrganisationView)


@router.get("/{organisation}")
async def read_organisation(desk: Reading, organisation: str) -> OrganisationView:
    """Read an organisation by its id or name."""
    return await desk.read(Organisations, organisation, OrganisationView)


@router.patch("/{organisation}")
async def change_organisation(
    desk: Writing, organisation: str, body: OrganisationChanges, if_match: IfMatch = None
) -> OrganisationView:
    """Change an organisation."""
    return await desk.change(Organisations, organisation, body, if_match, OrganisationView)


@router.delete("/{organisation}")
async def delete_organisation(desk: Writing, organisation: str, if_match: IfMatch = None) -> OrganisationView:
    """Delete an organisation with everything in it; answers what it was."""
    return await desk.delete(Organisations, organisation, if_match, OrganisationView)
