"""The endpoints of teams."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.admin_api.teams.schemas import NewTeam, TeamChanges, TeamQuery, TeamView
from aqueduct.control.teams import Teams
from aqueduct.domain.scopes import Kind

router = new_router("teams")
Reading = Annotated[Desk, reads(Kind.TEAM)]
Writing = Annotated[Desk, writes(Kind.TEAM)]


@router.get("")
async def list_teams(desk: Reading, query: Annotated[TeamQuery, Query()]) -> ListOf[TeamView]:
    """List the teams that you may see."""
    return await desk.page(Teams, query.listing(), TeamView)


@router.post("", status_code=201)
async def create_team(desk: Writing, body: NewTeam) -> TeamView:
    """Make a team, empty."""
    made = await Teams(desk.registry).create(desk.actor, body.name, organisation=body.organisation)
    return desk.show(made, TeamView)


@router.get("/{team}")
async def read_team(desk: Reading, team: str) -> TeamView:
    """Read a team by its id or name."""
    return await desk.read(Teams, team, TeamView)


@router.patch("/{team}")
async def change_team(desk: Writing, team: str, body: TeamChanges, if_match: IfMatch = None) -> TeamView:
    """Change a team."""
    return await desk.change(Teams, team, body, if_match, TeamView)


@router.delete("/{team}")
async def delete_team(desk: Writing, team: str, if_match: IfMatch = None) -> TeamView:
    """Delete a team; its service accounts and the tokens it pays for end with it. Answers what it was."""
    return await desk.delete(Teams, team, if_match, TeamView)
