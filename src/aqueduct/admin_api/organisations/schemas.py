"""Organisations as they are said and shown."""

from typing import Literal

from aqueduct.admin_api.schemas import (
    OMITTED,
    Body,
    CapturePolicyValues,
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
    capture: CapturePolicyValues | None
    deleted_at: ShownInstant | None


class NewOrganisation(Body):
    """An organisation that is to be made."""

    name: Text
    max_api_tokens_per_user: Quota | None = None
    capture: CapturePolicyValues | None = None


class OrganisationChanges(Changes):
    """What of an organisation can change."""

    name: Text = OMITTED
    max_api_tokens_per_user: Quota | None = OMITTED
    requires_terms: bool = OMITTED
    capture: CapturePolicyValues | None = OMITTED


class OrganisationQuery(NamedQuery, EndedQuery):
    """Which organisations are wanted."""

    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"
    name: Text | None = None
