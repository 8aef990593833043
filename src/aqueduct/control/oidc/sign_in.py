"""Signing in at an issuer: there and back, by the code flow with PKCE, a state and a nonce."""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from aqueduct.control.flows import FlowPlan, Flows, new_value
from aqueduct.control.oidc.assertions import NotValid
from aqueduct.control.oidc.exchange import authorization_url, complete, exchange_code
from aqueduct.control.oidc.parties import Parties, Party
from aqueduct.control.oidc.people import People
from aqueduct.control.oidc.reaching import IssuerFailed
from aqueduct.control.registry import Registry
from aqueduct.domain.claims import is_overage, lacks
from aqueduct.domain.credential import Flow
from aqueduct.domain.identity import User
from aqueduct.domain.sign_in import Issuer
from aqueduct.errors import SignInRefused

SIGN_IN = "oidc"
LINK = "oidc_link"
CANCELLED = "access_denied"

logger = structlog.get_logger(__name__)


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has come back: who he is, where he wanted to go, and what logging out at the issuer will take.

    `is_link` says that he was signed in before, and has added this way in to those that he has. `id_token` is a secret.
    """

    user: User
    identity_id: str
    issuer_name: str
    return_path: str
    is_link: bool
    sid: str | None
    id_token: str


class OidcSignIn:
    """The use cases; `origin` is where browsers find us, without a slash behind it."""

    def __init__(self, registry: Registry, parties: Parties, origin: str) -> None:
        self._registry = registry
        self._flows = Flows(registry)
        self._parties = parties
        self._origin = origin

    def redirect_uri(self, name: str) -> str:
        """Return what an issuer must know of us: where it sends browsers back to."""
        return f"{self._origin}/ui/sign-in/oidc/{name}/callback"

    async def begin(
        self, name: str, browser: str, *, return_path: str | None = None, link_to: str | None = None
    ) -> str:
        """Return where the browser goes; raises `NotFound`, `SignInRefused`.

        `browser` is the value of its cookie (see `flows.browser_value`), `link_to` the id of the user who is signed in
        already and adds a way in. `return_path` comes back as it is: where it leads, whoever leads there has to check.
        """
        party = self._parties.find(name)
        answers = {key: new_value() for key in ("state", "nonce", "verifier")}
        try:
            metadata = await party.directory.metadata()
            url = authorization_url(party.issuer, metadata, self.redirect_uri(name), answers)
        except IssuerFailed as error:
            raise _unreachable(party.issuer, error) from None
        plan = FlowPlan(
            purpose=SIGN_IN if link_to is None else LINK,
            name=name,
            nonce=answers["nonce"],
            verifier=answers["verifier"],
            return_path=return_path,
            user_id=link_to,
        )
        await self._flows.begin(answers["state"], browser, plan)
        return url

    async def finish(
        self, name: str, answer: Mapping[str, str], browser: str | None, *, address: str | None = None
    ) -> Arrival:
        """Return who has come back with this answer (the query of the address); raises `NotFound`, `SignInRefused`.

        `browser` is the value of its cookie, `address` where it is, for the audit log.
        """
        party = self._parties.find(name)
        issuer = party.issuer
        flow = await self._flows.take(answer.get("state", ""), browser, frozenset({SIGN_IN, LINK}))
        if flow.name != name:
            raise refused(issuer, "issuer_mixed_up", "the answer came to another issuer's address")
        try:
            claims, id_token = await self._ask(party, answer, flow)
        except NotValid as error:
            raise refused(issuer, "assertion_not_valid", str(error)) from None
        except IssuerFailed as error:
            if error.error is not None:
                raise refused(issuer, "code_refused", str(error)) from None
            raise _unreachable(issuer, error) from None
        try:
            user, identity = await People(self._registry, issuer, address).admit(claims, link_to=flow.user_id)
        except SignInRefused as refusal:
            logger.warning("sign-in refused", issuer=issuer.name, code=refusal.code, subject=claims["sub"])
            raise
        sid = claims.get("sid")
        return Arrival(
            user=user,
            identity_id=identity.id,
            issuer_name=name,
            return_path=flow.return_path or "/",
            is_link=flow.purpose == LINK,
            sid=sid if isinstance(sid, str) else None,
            id_token=id_token,
        )

    async def _ask(self, party: Party, answer: Mapping[str, str], flow: Flow) -> tuple[dict[str, Any], str]:
        """Return what the issuer says of whoever has come back, and the ID token."""
        issuer = party.issuer
        metadata = await party.directory.metadata()
        said = answer.get("iss")
        # RFC 9207: an answer of one issuer must not be taken to another.
        if said != issuer.url and (said is not None or metadata.authorization_response_iss_parameter_supported):
            raise refused(issuer, "issuer_mixed_up", "the answer names another issuer, or none")
        if "error" in answer or not answer.get("code"):
            raise _not_signed_in(issuer, answer.get("error", "no_code"))
        form = {
            "code": answer["code"],
            "redirect_uri": self.redirect_uri(issuer.name),
            "code_verifier": flow.verifier or "",
        }
        grant = await exchange_code(issuer, metadata, party.reach, form)
        claims = await party.assertions.read_id_token(
            grant.id_token, nonce=flow.nonce or "", access_token=grant.access_token
        )
        if lacks(claims, issuer):
            claims = await complete(claims, grant, metadata, party.reach)
        if is_overage(claims, issuer):
            # Taking them for lost would take away what he may do, and not taking them leave him what he may no longer.
            message = f"You are in more groups than {issuer.label} can say. Ask whoever runs this gateway."
            raise refused(issuer, "groups_overage", "the groups were left out for being too many", message)
        return claims, grant.id_token


def refused(issuer: Issuer, code: str, reason: str, message: str | None = None) -> SignInRefused:
    """Note in the log why somebody is refused, and return what is said to him."""
    logger.warning("sign-in refused", issuer=issuer.name, code=code, reason=reason)
    return SignInRefused(message or f"What {issuer.label} said could not be trusted. Please start again.", code=code)


def _unreachable(issuer: Issuer, error: IssuerFailed) -> SignInRefused:
    message = f"{issuer.label} cannot be asked at the moment. Please try again in a minute."
    return refused(issuer, "issuer_unreachable", str(error), message)


def _not_signed_in(issuer: Issuer, error: str) -> SignInRefused:
    shown = error if error.isascii() and error.isidentifier() and len(error) < 50 else "unknown"
    if shown == CANCELLED:
        message = f"You did not sign in at {issuer.label}, or may not use this gateway."
    else:
        message = f"{issuer.label} did not sign you in ({shown}). Please start again."
    return refused(issuer, "issuer_refused", f"the issuer answered {shown}", message)
