"""Sessions: however somebody shows who he is, it ends in `start_session`; each page begins with `resume`.

Another way of signing in (an issuer of OpenID Connect, a passkey) finds out which `User` it is, and calls
`start_session` with its own word for `method`.
"""

from dataclasses import dataclass, field

import msgspec

from aqueduct.control.flows import new_value
from aqueduct.control.registry import Change, Registry, new_id
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import User
from aqueduct.domain.scopes import Kind
from aqueduct.domain.session import PREFIX, Client, Session, csrf_of
from aqueduct.domain.text import printable
from aqueduct.errors import NotFound, SignInRefused
from aqueduct.storage import sign_in
from aqueduct.storage.principals import TeamsOf, load_teams_of_user
from aqueduct.storage.sign_in import SESSIONS

MAX_AGE_SECONDS = 14 * 86_400.0
"""How long a session lasts at most."""
NOTED_EVERY_SECONDS = 60.0
"""How exactly it is known when a session was last used: every page would be a write otherwise."""
MAX_USER_AGENT_CHARACTERS = 300


@dataclass(frozen=True)
class StartedSession:
    """A session and its value, which is for the cookie alone."""

    session: Session
    value: str = field(repr=False)


@dataclass(frozen=True)
class SignedIn:
    """Somebody who is signed in: the session, who he is, and what he may."""

    session: Session
    user: User
    actor: Actor
    value: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """What a request that changes something brings along."""
        return csrf_of(self.value)


class SignInNote(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log keeps of somebody's signing in or out."""

    id: str
    organisation_id: str
    session_id: str
    method: str


class Sessions:
    """The use cases on sessions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def start_session(
        self, user: User, method: str, client: Client, *, replaces: str | None = None
    ) -> StartedSession:
        """Sign somebody in who has shown who he is; `replaces` is the value of the session his browser had before."""
        agent = client.user_agent
        value = PREFIX + new_value()
        async with self._registry.changing(actor_of_user(user, None, client.address), taken="Try again.") as change:
            await sign_in.remove_expired(change.connection, change.now)
            if replaces is not None:
                await sign_in.end_session(change.connection, self._registry.keys.candidates(replaces))
            session = Session(
                id=new_id("ses"),
                user_id=user.id,
                method=method,
                created_at=change.now,
                last_seen_at=change.now,
                expires_at=change.now + MAX_AGE_SECONDS,
                address=client.address,
                user_agent=None if agent is None else printable(agent[:MAX_USER_AGENT_CHARACTERS]),
            )
            await sign_in.add_session(change.connection, session, self._registry.keys.digest(value))
            await record(change, "sign_in", user, session)
        return StartedSession(session, value)

    async def resume(self, value: str, client: Client) -> SignedIn | None:
        """Return who is signed in with a session's value; None for a value that is unknown or over."""
        if not value.startswith(PREFIX) or not value.isascii():
            return None
        now = self._registry.now()
        async with self._registry.database.reading() as connection:
            found = await sign_in.find_session(connection, self._registry.keys.candidates(value), now)
            if found is None:
                return None
            session, user = found
            if session.is_over(now):
                return None
            teams = await load_teams_of_user(connection, user.id)
        if now - session.last_seen_at > NOTED_EVERY_SECONDS:
            async with self._registry.database.writing() as connection:
                await sign_in.note_seen(connection, session.id, now, client.address)
        return SignedIn(session, user, actor_of_user(user, teams, client.address), value)

    async def list_own(self, signed_in: SignedIn) -> list[Session]:
        """Return one's own sessions, the one last used first."""
        async with self._registry.database.reading() as connection:
            found = await SESSIONS.select(connection, user_id=signed_in.user.id)
        now = self._registry.now()
        live = [each for each in found if not each.is_over(now)]
        return sorted(live, key=lambda each: each.last_seen_at, reverse=True)

    async def end_own(self, signed_in: SignedIn, session_id: str) -> None:
        """End one of one's own sessions; raises `NotFound` for another's."""
        async with self._registry.changing(signed_in.actor, taken="Try again.") as change:
            session = await SESSIONS.find(change.connection, session_id)
            if session is None or session.user_id != signed_in.user.id:
                raise NotFound("There is no such session. It may have ended already.")
            await SESSIONS.remove_where(change.connection, id=session.id)
            await record(change, "sign_out", signed_in.user, session)

    async def end_others(self, signed_in: SignedIn) -> int:
        """End all of one's own sessions but this one; return how many they were."""
        async with self._registry.changing(signed_in.actor, taken="Try again.") as change:
            ended = await sign_in.end_sessions(change.connection, signed_in.user.id, but=signed_in.session.id)
            await record(change, "sign_out_others", signed_in.user, signed_in.session)
            return ended


def require_active(user: User) -> None:
    """Raise `SignInRefused` for somebody who was shut out."""
    if not user.is_active:
        raise SignInRefused("Your account is switched off. Ask an administrator.", code="user_inactive")


async def record(change: Change, action: str, user: User, session: Session) -> None:
    """Write into the audit log that somebody signed in or out; his principal is forgotten with it."""
    note = SignInNote(id=user.id, organisation_id=user.organisation_id, session_id=session.id, method=session.method)
    is_in = action == "sign_in"
    await change.record(action, Kind.USER, None if is_in else note, note if is_in else None)


def actor_of_user(user: User, teams: TeamsOf | None, address: str | None) -> Actor:
    """Return somebody as who asks: all that his role and his teams let him do."""
    return Actor(
        kind="user",
        name=user.name,
        id=user.id,
        role=user.role,
        organisation_id=user.organisation_id,
        user_id=user.id,
        team_ids=frozenset() if teams is None else teams.ids,
        led_team_ids=frozenset() if teams is None else teams.led_ids,
        address=address,
    )
