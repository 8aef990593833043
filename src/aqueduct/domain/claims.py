"""What an issuer says of a person, looked up, and what the rules make of it: arithmetic, no I/O."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.domain.identity import RANK_OF_ROLE, Role, TeamRole
from aqueduct.domain.sign_in import ClaimRule, ClaimTest, Issuer

MISSING = object()
OVERAGE = ("_claim_names", "hasgroups")
"""What stands for groups that are too many to be said (Entra ID; OpenID Connect Core 5.6.2)."""


class Entitlement(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules give somebody: the places in teams by the teams' names; `rules` are those that hold."""

    organisation: str | None = None
    role: Role | None = None
    teams: Mapping[str, TeamRole] = {}
    rules: tuple[str, ...] = ()


class Email(msgspec.Struct, frozen=True, kw_only=True):
    """An e-mail address, as far as the issuer vouches for it."""

    address: str
    is_verified: bool

    @property
    def domain(self) -> str:
        """What is behind the @, in lower case."""
        return self.address.rpartition("@")[2].lower()


def look_up(claims: Mapping[str, Any], path: str) -> object:
    """Return the claim at a dotted path, or `MISSING`; a name may have dots of its own, as those that are URLs."""
    if path in claims:
        return claims[path]
    for dot in re.finditer(r"\.", path):
        inner = claims.get(path[: dot.start()])
        if isinstance(inner, Mapping) and (found := look_up(inner, path[dot.end() :])) is not MISSING:
            return found
    return MISSING


def texts(claim: object) -> tuple[str, ...]:
    """Return a claim's values as texts: of a list each, of a text itself, of a yes or no `true` or `false`."""
    match claim:
        case str():
            return (claim,)
        case bool():
            return (str(claim).lower(),)
        case int() | float():
            return (str(claim),)
        case list():
            return tuple(text for each in claim if not isinstance(each, list) for text in texts(each))
        case _:
            return ()


def text_of(claims: Mapping[str, Any], path: str) -> str | None:
    """Return a claim that is one text and not empty."""
    found = look_up(claims, path)
    return found.strip() or None if isinstance(found, str) else None


def email_of(claims: Mapping[str, Any], issuer: Issuer) -> Email | None:
    """Return the e-mail address; it is verified where the claim says so, or the operator does of the whole issuer."""
    address = text_of(claims, issuer.email_claim)
    if address is None or "@" not in address:
        return None
    said = claims.get("email_verified")
    # Some issuers write the yes as a text.
    is_verified = said in (True, "true") or (said is None and issuer.is_email_verified)
    return Email(address=address, is_verified=is_verified)


def lacks(claims: Mapping[str, Any], issuer: Issuer) -> bool:
    """Whether something that the rules or the account need is not among the claims."""
    needed = {*issuer.claims_of_rules, issuer.email_claim}
    has_name = any(text_of(claims, path) for path in issuer.name_claims)
    return not has_name or any(look_up(claims, path) is MISSING for path in needed)


def is_overage(claims: Mapping[str, Any], issuer: Issuer) -> bool:
    """Whether the rules go by groups that the issuer left out for being too many."""
    groups = issuer.groups_claim
    if groups not in issuer.claims_of_rules or look_up(claims, groups) is not MISSING:
        return False
    names, flag = (claims.get(claim) for claim in OVERAGE)
    return (isinstance(names, Mapping) and groups in names) or flag in (True, "true")


def entitle(claims: Mapping[str, Any], issuer: Issuer) -> Entitlement:
    """Apply every rule: the first organisation holds, the highest role, and of each team the highest place in it.

    What a rule gives inside another organisation than the one that holds is not given; one that names none is of the
    issuer's.
    """
    email = email_of(claims, issuer)
    holding = [rule for rule in issuer.rules if _holds(rule, claims, email)]
    organisation = next((rule.organisation for rule in holding if rule.organisation is not None), issuer.organisation)
    holding = [rule for rule in holding if (rule.organisation or issuer.organisation) in (None, organisation)]
    roles = [rule.role for rule in holding if rule.role is not None]
    teams: dict[str, TeamRole] = {}
    for grant in (grant for rule in holding for grant in rule.teams):
        if teams.get(grant.name) is not TeamRole.ADMIN:
            teams[grant.name] = grant.role
    return Entitlement(
        organisation=organisation,
        role=max(roles, key=lambda role: RANK_OF_ROLE[role], default=None),
        teams=teams,
        rules=tuple(rule.name for rule in holding),
    )


def _holds(rule: ClaimRule, claims: Mapping[str, Any], email: Email | None) -> bool:
    if rule.email_domains and (email is None or not email.is_verified or email.domain not in rule.email_domains):
        return False
    return all(_passes(test, claims) for test in rule.tests)


def _passes(test: ClaimTest, claims: Mapping[str, Any]) -> bool:
    found = look_up(claims, test.path)
    if test.pattern is not None:
        pattern = re.compile(test.pattern)
        return any(pattern.fullmatch(text) for text in texts(found))
    if test.values:
        return not test.values.isdisjoint(texts(found))
    return (found is not MISSING) == test.is_present
