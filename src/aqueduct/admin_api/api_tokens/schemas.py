"""API tokens as they are said and shown."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from aqueduct.admin_api.budgets.schemas import BudgetValues
from aqueduct.admin_api.limits.schemas import LimitValues
from aqueduct.admin_api.schemas import (
    OMITTED,
    Body,
    CapturePolicyValues,
    Changes,
    EndedQuery,
    Instant,
    NamedQuery,
    ShownInstant,
    ShownRank,
    Text,
    Texts,
    VersionedView,
)
from aqueduct.control.owners import NewApiToken
from aqueduct.domain.scopes import SCOPES

Scope = Annotated[str, Field(json_schema_extra={"enum": sorted(SCOPES)}, max_length=50)]
MAX_GRACE_SECONDS = 365 * 86400


class ApiTokenView(VersionedView):
    """An API token; its value is never shown again.

    `narrowed_by` says who set its expiry, models or networks, where he stands above its user, who only tightens them.
    """

    id: str
    name: str
    hint: str
    organisation_id: str | None
    team_id: str | None
    user_id: str | None
    service_account_id: str | None
    expires_at: ShownInstant | None
    revoked_at: ShownInstant | None
    last_used_at: ShownInstant | None
    allowed_models: list[str] | None
    scopes: list[str]
    ip_allow_list: list[str] | None
    created_by: str | None
    capture: CapturePolicyValues | None
    narrowed_by: dict[str, ShownRank]


class ApiTokenMade(ApiTokenView):
    """An API token and its value, shown only now: null where the same request is answered again much later."""

    value: str | None


class ApiTokensMade(BaseModel):
    """The API tokens that were made, in the order of the lines."""

    data: list[ApiTokenMade]


class NewApiTokenBody(Body):
    """An API token that is to be made, of a user or of a service account (else of the installation itself).

    `team` is the one of the user's teams that pays. `limits` and `budgets` are the token's own.
    """

    name: Text
    user: Text | None = None
    service_account: Text | None = None
    team: Text | None = None
    expires_at: Instant | None = None
    allowed_models: Texts | None = None
    scopes: Annotated[list[Scope], Field(max_length=100)] = Field(default_factory=list)
    ip_allow_list: Annotated[list[Text], Field(min_length=1, max_length=100)] | None = None
    capture: CapturePolicyValues | None = None
    limits: Annotated[list[LimitValues], Field(max_length=100)] = Field(default_factory=list)
    budgets: Annotated[list[BudgetValues], Field(max_length=20)] = Field(default_factory=list)

    @property
    def wanted(self) -> NewApiToken:
        """What is said of the token itself, as use cases take it."""
        return NewApiToken(
            name=self.name,
            user=self.user,
            service_account=self.service_account,
            team=self.team,
            expires_at=None if self.expires_at is None else self.expires_at.timestamp(),
            allowed_models=None if self.allowed_models is None else tuple(self.allowed_models),
            scopes=tuple(self.scopes),
            ip_allow_list=None if self.ip_allow_list is None else tuple(self.ip_allow_list),
            capture=None if self.capture is None else self.capture.wanted,
        )


class ApiTokenChanges(Changes):
    """What of an API token can change."""

    name: Text = OMITTED
    expires_at: Instant | None = OMITTED
    allowed_models: Texts | None = OMITTED
    scopes: Annotated[list[Scope], Field(max_length=100)] = OMITTED
    ip_allow_list: Annotated[list[Text], Field(min_length=1, max_length=100)] | None = OMITTED
    capture: CapturePolicyValues | None = OMITTED

    @field_validator("scopes")
    @classmethod
    def sort_scopes(cls, scopes: list[str]) -> list[str]:
        """Return each scope once, as they are stored."""
        return sorted(set(scopes))


class Rotation(Body):
    """How long the old value of an API token works beside the new one."""

    grace_seconds: Annotated[float, Field(ge=0, le=MAX_GRACE_SECONDS)] = 0.0


class ApiTokenQuery(NamedQuery, EndedQuery):
    """Which API tokens are wanted."""

    sort: Literal[
        "created_at", "-created_at", "name", "-name", "expires_at", "-expires_at", "last_used_at", "-last_used_at"
    ] = "created_at"
    name: Text | None = None
    organisation_id: Text | None = None
    team_id: Text | None = None
    user_id: Text | None = None
    service_account_id: Text | None = None
