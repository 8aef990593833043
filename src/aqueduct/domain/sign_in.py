"""How people may sign in: with a password, a passkey, or at an issuer of OpenID Connect, and what its claims give."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

import msgspec
from typing_extensions import override

from aqueduct.domain.identity import Role, TeamRole

SUBJECT = "sub"
DEFAULT_SCOPES = ("openid", "profile", "email")
DEFAULT_NAME_CLAIMS = ("preferred_username", "email", "name")


class ClaimTest(msgspec.Struct, frozen=True, kw_only=True):
    """A condition on one claim: it has one of the values, or one that the whole pattern fits, or it is there at all."""

    path: str
    values: frozenset[str] = frozenset()
    pattern: str | None = None
    is_present: bool = True


class TeamGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a team."""

    name: str
    role: TeamRole = TeamRole.MEMBER


class ClaimRule(msgspec.Struct, frozen=True, kw_only=True):
    """What people get whose claims pass every test; without a test everybody gets it."""

    name: str
    tests: tuple[ClaimTest, ...] = ()
    email_domains: frozenset[str] = frozenset()
    organisation: str | None = None
    role: Role | None = None
    teams: tuple[TeamGrant, ...] = ()


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who says who people are, and what we make of what he says.

    `url` is the issuer identifier, character for character. `networks` are the private networks that it may be in.
    `client_auth` is how the secret is shown, where discovery does not say it right. `name_claims` are tried in order.
    With `is_email_verified` an address counts as verified although no claim says so.
    """

    name: str
    label: str
    url: str
    client_id: str
    client_secret: str | None = None
    client_auth: str | None = None
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    parameters: Mapping[str, str] = {}
    name_claims: tuple[str, ...] = DEFAULT_NAME_CLAIMS
    email_claim: str = "email"
    groups_claim: str = "groups"
    is_email_verified: bool = False
    allowed_domains: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    organisation: str | None = None
    creates_users: bool = True
    links_by_email: bool = False
    requires_rule: bool = False
    rules: tuple[ClaimRule, ...] = ()

    @override
    def __repr__(self) -> str:
        return f"Issuer(name={self.name!r}, url={self.url!r}, client_id={self.client_id!r})"

    @property
    def claims_of_rules(self) -> frozenset[str]:
        """The claims that decide what people get."""
        return frozenset(test.path for rule in self.rules for test in rule.tests)


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """Every way in that is offered."""

    passwords: bool = True
    passkeys: bool = True
    issuers: tuple[Issuer, ...] = ()

    def find(self, name: str) -> Issuer | None:
        """Return the issuer of a name."""
        return next((issuer for issuer in self.issuers if issuer.name == name), None)
