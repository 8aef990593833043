"""The sections of `aqueduct.yaml` that declare what is administered: people, rules, limits, budgets, webhooks.

The gateway passes them over; `aqueduct apply` brings the database to what they say. A key that is left out leaves the
object's value alone.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from aqueduct.config.load import Source, read_source
from aqueduct.config.schema import DECLARED_SECTIONS, Document, Name
from aqueduct.domain.budget import Period
from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.domain.limit import Dimension


class _Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file."""


class ModelRuleNode(_Node, frozen=True):
    """Which models a subject may use."""

    allow: list[str] | UnsetType | None = UNSET
    deny: list[str] | UnsetType = UNSET
    inherits: bool | UnsetType = UNSET


class LimitNode(_Node, frozen=True):
    """A limit; it is found again by its dimension and pattern."""

    dimension: Dimension
    amount: int
    model_pattern: str | None = None
    multipliers: dict[str, float] | UnsetType = UNSET


class BudgetNode(_Node, frozen=True):
    """A budget; it is found again by its period and currency."""

    amount: int | float | str
    period: Period
    currency: str = "USD"
    time_zone: str | UnsetType = UNSET
    is_hard: bool | UnsetType = UNSET
    alert_thresholds: list[int] | UnsetType = UNSET


class EndUserNode(_Node, frozen=True):
    """Somebody whom only clients know, by the `user` of their requests; `*` is each of them by himself."""

    name: Name
    limits: list[LimitNode] = []


class SubjectNode(_Node, frozen=True):
    """What a model rule, limits and budgets can be of."""

    name: Name
    models: ModelRuleNode | None = None
    limits: list[LimitNode] = []
    budgets: list[BudgetNode] = []


class ServiceAccountNode(SubjectNode, frozen=True):
    """A program that calls in the name of a team."""


class MemberNode(_Node, frozen=True):
    """A user of the organisation, in a team."""

    user: Name
    role: TeamRole | UnsetType = UNSET


class TeamNode(SubjectNode, frozen=True):
    """A team of an organisation."""

    members: list[MemberNode] = []
    service_accounts: list[ServiceAccountNode] = []


class UserNode(SubjectNode, frozen=True):
    """A person in an organisation."""

    email: str | UnsetType | None = UNSET
    role: Role | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    max_api_tokens: int | UnsetType | None = UNSET


class WebhookNode(_Node, frozen=True):
    """Who is told of events."""

    name: Name
    url: str
    events: list[str] | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class OrganisationNode(SubjectNode, frozen=True):
    """A tenant, with all that is in it."""

    max_api_tokens_per_user: int | UnsetType | None = UNSET
    requires_terms: bool | UnsetType = UNSET
    capture: CapturePolicy | UnsetType | None = UNSET
    users: list[UserNode] = []
    teams: list[TeamNode] = []
    end_users: list[EndUserNode] = []
    webhooks: list[WebhookNode] = []


class Declarations(_Node, frozen=True):
    """All that a file declares."""

    organisations: list[OrganisationNode] | None = None
    webhooks: list[WebhookNode] | None = None


def read_declarations(path: Path, environment: Mapping[str, str]) -> tuple[Source, Declarations]:
    """Read what a file declares, whatever else it says; raise `ConfigurationError` with the line at fault."""
    others = {field.name for field in msgspec.structs.fields(Document)} - set(DECLARED_SECTIONS)
    source = read_source(path, environment, others)
    if isinstance(source.value, dict):
        source.value = {name: value for name, value in source.value.items() if name not in others}
    return source, source.convert(Declarations)
