"""Organisations as they are said and shown."""

from typing import Literal

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
)


class OrganisationView(VersionedView):
    """An organisation."""

    id: str
    name: str
    max_api_tokens_per_user: int | None
    requires_terms: bool
    deleted_at: ShownInstant | None


class NewOrganisation(Body):
    """An organisation that is to be made."""

    name: Text
    max_api_tokens_per_user: Quota | None = None


class OrganisationChanges(Changes):
    """What of an organisation can change."""

    name: Text = OMITTED
    max_api_tokens_per_user: Quota | None = OMITTED
    requires_terms: bool = OMITTED


class OrganisationQuery(NamedQuery, EndedQuery):
    """Which organisations are wanted."""

    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"
    name: Text | None = None
