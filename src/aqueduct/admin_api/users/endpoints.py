"""The endpoints of users."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.csv_body import CSV_BODY, CsvBody
from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf, Text
from aqueduct.admin_api.users.schemas import NewUserBody, UserChanges, UserQuery, UsersMade, UserView
from aqueduct.control import bulk
from aqueduct.control.users import NewUser, Users
from aqueduct.domain.scopes import Kind

router = new_router("users")
Reading = Annotated[Desk, reads(Kind.USER)]
Writing = Annotated[Desk, writes(Kind.USER)]


@router.get("")
async def list_users(desk: Reading, query: Annotated[UserQuery, Query()]) -> ListOf[UserView]:
    """List the users whom you may see."""
    return await desk.page(Users, query.listing(), UserView)


@router.post("", status_code=201)
async def create_user(desk: Writing, body: NewUserBody) -> UserView:
    """Make a user."""
    wanted = NewUser(name=body.name, email=body.email, role=body.role, max_api_tokens=body.max_api_tokens)
    return desk.show(await Users(desk.registry).create(desk.actor, wanted, organisation=body.organisation), UserView)


@router.post("/bulk", status_code=201, openapi_extra=CSV_BODY)
async def create_users(desk: Writing, text: CsvBody, organisation: Annotated[Text | None, Query()] = None) -> UsersMade:
    """Make a user a line, all or none: `name`, and if wanted `email`, `role` and `teams` (parted by `;`)."""
    made = await bulk.create_users(desk.registry, desk.actor, text, organisation=organisation)
    return UsersMade(data=[UserView.model_validate(user) for user in made])


@router.get("/{user}")
async def read_user(desk: Reading, user: str) -> UserView:
    """Read a user by his id or name."""
    return await desk.read(Users, user, UserView)


@router.patch("/{user}")
async def change_user(desk: Writing, user: str, body: UserChanges, if_match: IfMatch = None) -> UserView:
    """Change a user."""
    return await desk.change(Users, user, body, if_match, UserView)


@router.delete("/{user}")
async def delete_user(desk: Writing, user: str, if_match: IfMatch = None) -> UserView:
    """Delete a user; his tokens end with him. Answers what he was."""
    return await desk.delete(Users, user, if_match, UserView)
