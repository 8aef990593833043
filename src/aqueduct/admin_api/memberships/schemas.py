"""Memberships as they are said and shown."""

from typing import Literal

from aqueduct.admin_api.schemas import OMITTED, Body, Changes, PageQuery, Text, VersionedView
from aqueduct.domain.identity import TeamRole


class MembershipView(VersionedView):
    """A user in a team; `given_by` is the account at an issuer whose claims put him there, null: a person did."""

    team_id: str
    user_id: str
    organisation_id: str
    role: TeamRole
    given_by: str | None


class NewMembership(Body):
    """A user who is to be taken into a team."""

    team: Text
    user: Text
    role: TeamRole = TeamRole.MEMBER


class MembershipChanges(Changes):
    """What of a membership can change."""

    role: TeamRole = OMITTED


class MembershipQuery(PageQuery):
    """Which memberships are wanted."""

    sort: Literal["created_at", "-created_at"] = "created_at"
    organisation_id: Text | None = None
    team_id: Text | None = None
    user_id: Text | None = None
    role: TeamRole | None = None
