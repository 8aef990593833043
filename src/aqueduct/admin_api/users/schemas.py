"""Users as they are said and shown."""

from typing import Annotated, Literal

from pydantic import Field

from aqueduct.admin_api.schemas import (
    OMITTED,
    Body,
    Changes,
    EndedQuery,
    NamedQuery,
    Quota,
    ShownInstant,
    Text,
    VersionedView,
    View,
)
from aqueduct.domain.identity import Role

Email = Annotated[str, Field(min_length=3, max_length=254)]


class UserView(VersionedView):
    """A user."""

    id: str
    organisation_id: str
    name: str
    email: str | None
    role: Role
    is_active: bool
    max_api_tokens: int | None
    deleted_at: ShownInstant | None


class UsersMade(View):
    """The users that were made, in the order of the lines."""

    data: list[UserView]


class NewUserBody(Body):
    """A user who is to be made; without an organisation in your own, or in the only one there is."""

    name: Text
    email: Email | None = None
    role: Role = Role.MEMBER
    max_api_tokens: Quota | None = None
    organisation: Text | None = None


class UserChanges(Changes):
    """What of a user can change; one who is not active is shut out with all his API tokens."""

    name: Text = OMITTED
    email: Email | None = OMITTED
    role: Role = OMITTED
    is_active: bool = OMITTED
    max_api_tokens: Quota | None = OMITTED


class UserQuery(NamedQuery, EndedQuery):
    """Which users are wanted."""

    sort: Literal["created_at", "-created_at", "name", "-name", "email", "-email"] = "created_at"
    name: Text | None = None
    email: Text | None = None
    organisation_id: Text | None = None
    role: Role | None = None
    is_active: bool | None = None
