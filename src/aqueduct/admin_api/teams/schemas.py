"""Teams as they are said and shown."""

from typing import Literal

from aqueduct.admin_api.schemas import OMITTED, Body, Changes, EndedQuery, NamedQuery, ShownInstant, Text, VersionedView


class TeamView(VersionedView):
    """A team."""

    id: str
    organisation_id: str
    name: str
    deleted_at: ShownInstant | None


class NewTeam(Body):
    """A team that is to be made; without an organisation in your own, or in the only one there is."""

    name: Text
    organisation: Text | None = None


class TeamChanges(Changes):
    """What of a team can change."""

    name: Text = OMITTED


class TeamQuery(NamedQuery, EndedQuery):
    """Which teams are wanted."""

    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"
    name: Text | None = None
    organisation_id: Text | None = None
