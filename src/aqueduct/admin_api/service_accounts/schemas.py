"""Service accounts as they are said and shown."""

from typing import Literal

from aqueduct.admin_api.schemas import OMITTED, Body, Changes, EndedQuery, NamedQuery, ShownInstant, Text, VersionedView


class ServiceAccountView(VersionedView):
    """A service account."""

    id: str
    organisation_id: str
    team_id: str
    name: str
    deleted_at: ShownInstant | None


class NewServiceAccount(Body):
    """A service account of a team that is to be made."""

    name: Text
    team: Text


class ServiceAccountChanges(Changes):
    """What of a service account can change."""

    name: Text = OMITTED


class ServiceAccountQuery(NamedQuery, EndedQuery):
    """Which service accounts are wanted."""

    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"
    name: Text | None = None
    organisation_id: Text | None = None
    team_id: Text | None = None
