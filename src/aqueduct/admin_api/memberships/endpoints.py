"""The endpoints of who is in which team."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.memberships.schemas import MembershipChanges, MembershipQuery, MembershipView, NewMembership
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control.teams import Memberships
from aqueduct.domain.scopes import Kind

router = new_router("memberships")
Reading = Annotated[Desk, reads(Kind.MEMBERSHIP)]
Writing = Annotated[Desk, writes(Kind.MEMBERSHIP)]


@router.get("")
async def list_memberships(desk: Reading, query: Annotated[MembershipQuery, Query()]) -> ListOf[MembershipView]:
    """List who is in which team."""
    return await desk.page(Memberships, query.listing(), MembershipView)


@router.post("", status_code=201)
async def create_membership(desk: Writing, body: NewMembership) -> MembershipView:
    """Take a user of a team's organisation into the team."""
    made = await Memberships(desk.registry).create(desk.actor, body.team, body.user, role=body.role)
    return desk.show(made, MembershipView)


@router.get("/{team_id}/{user_id}")
async def read_membership(desk: Reading, team_id: str, user_id: str) -> MembershipView:
    """Read a membership."""
    return await desk.read(Memberships, f"{team_id}/{user_id}", MembershipView)


@router.patch("/{team_id}/{user_id}")
async def change_membership(
    desk: Writing, team_id: str, user_id: str, body: MembershipChanges, if_match: IfMatch = None
) -> MembershipView:
    """Change what a user is in a team."""
    return await desk.change(Memberships, f"{team_id}/{user_id}", body, if_match, MembershipView)


@router.delete("/{team_id}/{user_id}")
async def delete_membership(desk: Writing, team_id: str, user_id: str, if_match: IfMatch = None) -> MembershipView:
    """Take a user out of a team; the tokens by which he spent its money end. Answers what it was."""
    return await desk.delete(Memberships, f"{team_id}/{user_id}", if_match, MembershipView)
