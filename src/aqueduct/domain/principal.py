"""Who is calling: what the data plane knows of an API token and of those behind it, compiled once per look-up."""

import enum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from aqueduct.domain.budget import Budget
from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.identity import Role
from aqueduct.domain.limit import Limit
from aqueduct.domain.model_rules import UNFILTERED, ModelFilter

Networks = tuple[IPv4Network | IPv6Network, ...]


class TermsState(enum.Enum):
    """Whether terms of service stand between the caller and the models."""

    NONE = "none"
    ACCEPTED = "accepted"
    DUE = "due"


class Principal(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The caller of a request; `id` is the API token's.

    `team_id` is the team that pays (one at most, and one if its user is in any), `team_ids` those its user is in,
    `led_team_ids` those he administers. `limits` and `budgets` are all that apply, those of end users too. `capture` of
    None keeps nothing. `is_suspended` says that an owner was deleted or deactivated. `cache_generations` are of what
    was cleared of cached answers: a model's name (empty: all) and what to know those by that were kept since. `name` is
    the user's or service account's, else the token's; the others are for rules that name them. Instants are in seconds
    since the epoch.
    """

    id: str
    name: str = ""
    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    service_account_id: str | None = None
    team_ids: frozenset[str] = frozenset()
    led_team_ids: frozenset[str] = frozenset()
    role: Role | None = None
    scopes: frozenset[str] = frozenset()
    expires_at: float | None = None
    revoked_at: float | None = None
    is_suspended: bool = False
    organisation_name: str | None = None
    team_name: str | None = None
    token_name: str | None = None
    models: ModelFilter = UNFILTERED
    limits: tuple[Limit, ...] = ()
    budgets: tuple[Budget, ...] = ()
    ip_allow_list: Networks | None = None
    terms: TermsState = TermsState.NONE
    capture: CapturePolicy | None = None
    cache_generations: tuple[tuple[str, str], ...] = ()

    def subject_ids(self) -> frozenset[str]:
        """Return the ids of all whose change may concern this caller."""
        one = (self.id, self.organisation_id, self.team_id, self.user_id, self.service_account_id)
        return self.team_ids.union(self.led_team_ids, [each for each in one if each is not None])

    def is_usable(self, now: float) -> bool:
        """Whether the token still opens the door at `now`."""
        return self.revoked_at is None and not self.is_suspended and (self.expires_at is None or now < self.expires_at)

    def may_use(self, asked: str, model: str | None = None) -> bool:
        """Whether a model may be used by the name that was asked for; `model` is its own, where that is another."""
        return self.models.allows(asked, asked if model is None else model)

    def may_come_from(self, address: str | None) -> bool:
        """Whether a caller at this address may use the token; an address that is not known only where any may."""
        return self.ip_allow_list is None or is_among(address, self.ip_allow_list)


def is_among(address: str | None, networks: Networks) -> bool:
    """Whether an address is in one of the networks; one that is not known, or is none, never is."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    # A listener for both families sees IPv4 clients as ::ffff:192.0.2.1.
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


def compile_networks(texts: tuple[str, ...] | None) -> Networks | None:
    """Read networks such as `192.0.2.0/24`; raises `ValueError` for a text that is none."""
    return None if texts is None else tuple(ip_network(text) for text in texts)
