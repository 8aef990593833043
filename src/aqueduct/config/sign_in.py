"""The section `sign_in` of `aqueduct.yaml`: its shape, and its compilation into the domain's words."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from aqueduct.config.load import Source
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.domain.sign_in import (
    DEFAULT_NAME_CLAIMS,
    DEFAULT_SCOPES,
    SUBJECT,
    ClaimRule,
    ClaimTest,
    Issuer,
    SignIn,
    TeamGrant,
)

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
IssuerName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]
Domain = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{1,253}$")]
OPENID = "openid"
_OWN_PARAMETERS = frozenset(
    {
        "client_id",
        "client_secret",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)
"""What the flow itself says: another value would undo what it checks."""


class _Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file."""


class ClaimMatchesNode(_Node, frozen=True):
    """A regular expression that a whole value fits."""

    matches: Text


ClaimTestNode = bool | Text | list[Text] | ClaimMatchesNode


class ClaimWhenNode(_Node, frozen=True):
    """Whose claims a rule is about; all that is said has to hold."""

    groups: ClaimTestNode | None = None
    claims: dict[Text, ClaimTestNode] = {}
    email_domains: list[Domain] = []


class TeamGrantNode(_Node, frozen=True):
    """A place in a team."""

    name: Text
    role: TeamRole = TeamRole.MEMBER


class ClaimRuleNode(_Node, frozen=True):
    """What people get of whom the conditions hold."""

    name: Text | None = None
    when: ClaimWhenNode = ClaimWhenNode()
    organisation: Text | None = None
    role: Role | None = None
    teams: list[Text | TeamGrantNode] = []


class ClaimNamesNode(_Node, frozen=True):
    """Where an issuer says what."""

    name: Text | list[Text] = msgspec.field(default_factory=lambda: list(DEFAULT_NAME_CLAIMS))
    email: Text = "email"
    groups: Text = "groups"


class IssuerNode(_Node, frozen=True):
    """An issuer of OpenID Connect."""

    name: IssuerName
    issuer: Text
    client_id: Text
    label: Text | None = None
    client_secret: str | None = None
    client_secret_file: str | None = None
    client_auth: Literal["client_secret_basic", "client_secret_post"] | None = None
    scopes: list[Text] = msgspec.field(default_factory=lambda: list(DEFAULT_SCOPES))
    parameters: dict[Text, str] = {}
    claims: ClaimNamesNode = ClaimNamesNode()
    email_verified: bool = False
    allowed_domains: list[Domain] = []
    networks: list[str] = []
    organisation: Text | None = None
    create_users: bool = True
    link_by_email: bool = False
    require_rule: bool = False
    rules: list[ClaimRuleNode] = []


class SignInNode(_Node, frozen=True):
    """The ways in that are offered."""

    passwords: bool = True
    passkeys: bool = True
    issuers: list[IssuerNode] = []


def compile_sign_in(node: SignInNode, source: Source) -> SignIn:
    """Compile the section; raise `ConfigurationError` with the line at fault."""
    path = "$.sign_in"
    names: set[str] = set()
    urls: set[tuple[str, str]] = set()
    for index, issuer in enumerate(node.issuers):
        if issuer.name in names:
            raise source.error(f"{path}.issuers[{index}].name", f"the issuer name '{issuer.name}' is taken")
        if (issuer.issuer, issuer.client_id) in urls:
            raise source.error(f"{path}.issuers[{index}].issuer", "this issuer is listed twice with this client_id")
        names.add(issuer.name)
        urls.add((issuer.issuer, issuer.client_id))
    if not (node.passwords or node.passkeys or node.issuers):
        raise source.error(path, "nobody could sign in: offer passwords, passkeys or an issuer")
    compiled = (_IssuerCompiler(each, source, f"{path}.issuers[{index}]") for index, each in enumerate(node.issuers))
    return SignIn(
        passwords=node.passwords, passkeys=node.passkeys, issuers=tuple(issuer.compile() for issuer in compiled)
    )


class _IssuerCompiler:
    """Compiles one issuer."""

    def __init__(self, node: IssuerNode, source: Source, path: str) -> None:
        self._node = node
        self._source = source
        self._path = path

    def compile(self) -> Issuer:
        node = self._node
        networks = tuple(self._networks())
        self._check_url(node.issuer, is_private=bool(networks))
        self._check_words()
        names = node.claims.name
        return Issuer(
            name=node.name,
            label=node.label or node.name,
            url=node.issuer,
            client_id=node.client_id,
            client_secret=self._secret(),
            client_auth=node.client_auth,
            scopes=tuple(dict.fromkeys(node.scopes)),
            parameters=node.parameters,
            name_claims=(names,) if isinstance(names, str) else tuple(names),
            email_claim=node.claims.email,
            groups_claim=node.claims.groups,
            is_email_verified=node.email_verified,
            allowed_domains=_domains(node.allowed_domains),
            networks=networks,
            organisation=node.organisation,
            creates_users=node.create_users,
            links_by_email=node.link_by_email,
            requires_rule=node.require_rule,
            rules=tuple(self._rules()),
        )

    def _check_url(self, url: str, *, is_private: bool) -> None:
        where = f"{self._path}.issuer"
        try:
            parts = urlsplit(url)
            has_port = parts.port is None or parts.port > 0
        except ValueError as error:
            raise self._source.error(where, f"the issuer is not a URL: {error}") from error
        if parts.scheme not in {"https", "http"} or not parts.hostname or not has_port:
            raise self._source.error(where, "the issuer must begin with https:// and a host")
        if parts.scheme == "http" and not is_private:
            raise self._source.error(
                where, "an issuer over http:// could be anybody: use https://, or name its private network in networks"
            )
        if "@" in parts.netloc or "?" in url or "#" in url or not all("!" <= each <= "~" for each in url):
            raise self._source.error(where, "the issuer may hold no credential, query, fragment or blank")
        if url.endswith("/.well-known/openid-configuration"):
            raise self._source.error(where, "leave out /.well-known/openid-configuration: it is added")

    def _check_words(self) -> None:
        node = self._node
        if OPENID not in node.scopes:
            raise self._source.error(f"{self._path}.scopes", f"the scopes must have '{OPENID}' among them")
        for index, scope in enumerate(node.scopes):
            if not re.fullmatch(r"[!#-\[\]-~]+", scope):
                raise self._source.error(f"{self._path}.scopes[{index}]", f"'{scope}' is not a scope")
        for name in node.parameters:
            if name in _OWN_PARAMETERS:
                raise self._source.error(f"{self._path}.parameters.{name}", f"'{name}' cannot be set here")
        if node.link_by_email and not (node.allowed_domains or node.email_verified):
            # Whoever may register at the issuer with any address could take over any account here.
            message = "link_by_email needs allowed_domains: name the domains whose addresses this issuer vouches for"
            raise self._source.error(f"{self._path}.link_by_email", message)

    def _secret(self) -> str | None:
        node = self._node
        if node.client_secret is not None and node.client_secret_file is not None:
            where = f"{self._path}.client_secret_file"
            raise self._source.error(where, "an issuer has either a client_secret or a client_secret_file")
        if node.client_secret is not None and not node.client_secret:
            message = "the client_secret is empty: leave it out for a public client"
            raise self._source.error(f"{self._path}.client_secret", message)
        if node.client_secret_file is None:
            return node.client_secret
        where = f"{self._path}.client_secret_file"
        # Beside the config file, wherever the gateway was started.
        path = Path(self._source.name).parent / node.client_secret_file
        try:
            secret = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise self._source.error(where, f"cannot read {path}: {reason}") from error
        if not secret:
            raise self._source.error(where, f"{path} is empty")
        return secret

    def _networks(self) -> Iterator[IPv4Network | IPv6Network]:
        for index, text in enumerate(self._node.networks):
            try:
                yield ip_network(text)
            except ValueError as error:
                raise self._source.error(
                    f"{self._path}.networks[{index}]", f"'{text}' is not a network such as 10.0.0.0/8"
                ) from error

    def _rules(self) -> Iterator[ClaimRule]:
        names: set[str] = set()
        for index, node in enumerate(self._node.rules):
            path = f"{self._path}.rules[{index}]"
            name = node.name or f"rule {index + 1}"
            if name in names:
                raise self._source.error(f"{path}.name", f"the name '{name}' is taken by another rule of this issuer")
            if not (node.organisation or node.role or node.teams or self._node.require_rule):
                raise self._source.error(path, "gives nothing: name an organisation, a role or teams")
            if node.when == ClaimWhenNode() and node.role not in (None, Role.MEMBER):
                message = "would make everybody an administrator who has an account at this issuer: say when"
                raise self._source.error(f"{path}.role", message)
            names.add(name)
            yield ClaimRule(
                name=name,
                tests=tuple(self._tests(node.when, f"{path}.when")),
                email_domains=_domains(node.when.email_domains),
                organisation=node.organisation,
                role=node.role,
                teams=tuple(
                    TeamGrant(name=each) if isinstance(each, str) else TeamGrant(name=each.name, role=each.role)
                    for each in node.teams
                ),
            )

    def _tests(self, node: ClaimWhenNode, path: str) -> Iterator[ClaimTest]:
        if node.groups is not None:
            yield self._test(self._node.claims.groups, node.groups, f"{path}.groups")
        for claim, test in node.claims.items():
            where = f"{path}.claims.{claim}"
            if claim == SUBJECT and isinstance(test, bool):
                raise self._source.error(where, "everybody has a sub")
            yield self._test(claim, test, where)

    def _test(self, claim: str, test: ClaimTestNode, path: str) -> ClaimTest:
        if isinstance(test, bool):
            return ClaimTest(path=claim, is_present=test)
        if isinstance(test, ClaimMatchesNode):
            try:
                re.compile(test.matches)
            except re.error as error:
                raise self._source.error(f"{path}.matches", f"is not a regular expression: {error}") from error
            return ClaimTest(path=claim, pattern=test.matches)
        values = frozenset([test] if isinstance(test, str) else test)
        if not values:
            raise self._source.error(path, "an empty list never holds")
        return ClaimTest(path=claim, values=values)


def _domains(names: list[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)
