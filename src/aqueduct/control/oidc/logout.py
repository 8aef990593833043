"""Signing out at both: ours tells the issuer's browser page, the issuer tells us (Back-Channel Logout 1.0)."""

import structlog
from sqlalchemy.exc import IntegrityError

from aqueduct.control.flows import FlowPlan, Flows
from aqueduct.control.oidc.assertions import NotValid
from aqueduct.control.oidc.exchange import logout_url
from aqueduct.control.oidc.parties import Parties
from aqueduct.control.oidc.reaching import IssuerFailed
from aqueduct.control.oidc.sign_in import Arrival, refused
from aqueduct.control.registry import Registry
from aqueduct.control.sessions import record
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import Role
from aqueduct.errors import NotFound, SignInRefused
from aqueduct.storage.aggregates import USERS
from aqueduct.storage.issuer_sessions import IssuerSession, IssuerSessions, end, remove_expired
from aqueduct.storage.sign_in import SESSIONS
from aqueduct.storage.vault import Vault

logger = structlog.get_logger(__name__)


class OidcLogout:
    """The use cases; `origin` is where browsers find us."""

    def __init__(self, registry: Registry, vault: Vault, parties: Parties, origin: str) -> None:
        self._registry = registry
        self._sessions = IssuerSessions(vault)
        self._flows = Flows(registry)
        self._parties = parties
        self._origin = origin

    async def remember(self, session_id: str, arrival: Arrival, *, expires_at: float) -> None:
        """Note which session of ours somebody's arrival became; `expires_at` is when that is over at the latest."""
        session = IssuerSession(
            session_id=session_id,
            identity_id=arrival.identity_id,
            issuer_name=arrival.issuer_name,
            sid=arrival.sid,
            hint=arrival.id_token,
        )
        async with self._registry.database.writing() as connection:
            await remove_expired(connection, self._registry.now())
            await self._sessions.add(connection, session, expires_at=expires_at)

    async def leave(self, session_id: str) -> str | None:
        """Forget a session that has ended here; return where the browser goes to sign out there too, if it can."""
        async with self._registry.database.writing() as connection:
            session = await self._sessions.take(connection, session_id)
        if session is None:
            return None
        try:
            party = self._parties.find(session.issuer_name)
            metadata = await party.directory.metadata()
            return logout_url(party.issuer, metadata, f"{self._origin}/", session.hint)
        except (NotFound, IssuerFailed) as error:
            logger.warning("not signed out at the issuer", issuer=session.issuer_name, reason=str(error))
            return None

    async def end_for(self, name: str, logout_token: str) -> list[str]:
        """End our sessions that an issuer ends, and return their ids; raises `NotFound`, `SignInRefused`.

        The same message does nothing a second time.
        """
        party = self._parties.find(name)
        try:
            claims = await party.assertions.read_logout_token(logout_token)
        except NotValid as error:
            raise refused(party.issuer, "assertion_not_valid", str(error)) from None
        except IssuerFailed as error:
            raise refused(party.issuer, "issuer_unreachable", str(error)) from None
        try:
            await self._flows.begin(f"{party.issuer.url} {claims['jti']}", "", FlowPlan(purpose="logout", name=name))
        except IntegrityError:
            raise SignInRefused("This was said before.", code="replayed") from None
        actor = Actor(kind="issuer", name=name, role=Role.ADMIN)
        async with self._registry.changing(actor, taken="Try again.") as change:
            issuer = (name, party.issuer.url)
            ended = await end(change.connection, issuer, sid=claims.get("sid"), subject=claims.get("sub"))
            for session in await SESSIONS.select(change.connection, id=ended):
                if (user := await USERS.find(change.connection, session.user_id)) is not None:
                    await record(change, "sign_out", user, session)
            await SESSIONS.remove_where(change.connection, id=ended)
            change.concerned.update(ended)
        return ended
