"""One-time links: how somebody gets in who has no password yet, or no longer; and what stands between two factors."""

from collections.abc import Sequence

import msgspec

from aqueduct.control.flows import new_value
from aqueduct.control.registry import Change, Registry, new_id
from aqueduct.control.users import Users
from aqueduct.domain.actor import SYSTEM, Actor
from aqueduct.domain.identity import User
from aqueduct.domain.permissions import Action, reach
from aqueduct.domain.scopes import Kind
from aqueduct.domain.session import OneTimeLink, Purpose
from aqueduct.errors import SignInRefused
from aqueduct.storage import sign_in
from aqueduct.storage.pages import Listing, read_page

PREFIX = "aql-"
LIFETIMES_SECONDS = {Purpose.SIGN_IN: 3_600.0, Purpose.INVITATION: 7 * 86_400.0, Purpose.SECOND_FACTOR: 300.0}
FIRST_LIFETIME_SECONDS = 7 * 86_400.0
"""How long the link works that the very first start shows: somebody may install today and look tomorrow."""
LINKS = (Purpose.SIGN_IN, Purpose.INVITATION)
USED_UP = "This link was used already, or its time is over. Ask for another one."
PATH = "/ui/sign-in/link"


class LinkMade(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log keeps of a link: for whom, and what it is for."""

    id: str
    organisation_id: str
    purpose: str
    expires_at: float


class OneTimeLinks:
    """The use cases on one-time links; of each user and purpose only the newest works."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def create(self, actor: Actor, reference: str, purpose: Purpose = Purpose.SIGN_IN) -> str:
        """Make a link for a user whom the actor may change, and return its value: see `link_of`."""
        users = Users(self._registry)
        async with self._registry.changing(actor, taken="Try again.") as change:
            user = await self._find(change, reference)
            await users.authorise(change, Action.UPDATE, user)
            return await self.add_new(change, user, purpose, LIFETIMES_SECONDS[purpose])

    async def add_new(self, change: Change, user: User, purpose: Purpose, lifetime_seconds: float) -> str:
        """Add a link to a transaction, and return its value."""
        value = PREFIX + new_value()
        link = self._new(change.now, user, purpose, lifetime_seconds, change.actor.id)
        await sign_in.add_link(change.connection, link, self._registry.keys.digest(value))
        note = LinkMade(
            id=user.id, organisation_id=user.organisation_id, purpose=purpose.value, expires_at=link.expires_at
        )
        await change.record("create_link", Kind.USER, None, note)
        return value

    async def take(self, value: str) -> User:
        """Use a link up and return whom it lets in; raises `SignInRefused` where it is used up already."""
        return await self._take(value, LINKS)

    async def begin_second_factor(self, user: User) -> str:
        """Return what stands for somebody who gave the right password, until he shows the second factor."""
        value = PREFIX + new_value()
        now = self._registry.now()
        purpose = Purpose.SECOND_FACTOR
        async with self._registry.database.writing() as connection:
            link = self._new(now, user, purpose, LIFETIMES_SECONDS[purpose], user.id)
            await sign_in.add_link(connection, link, self._registry.keys.digest(value))
        return value

    async def who_awaits_second_factor(self, value: str) -> User | None:
        """Return who gave the right password and is yet to show the second factor."""
        async with self._registry.database.reading() as connection:
            candidates = self._registry.keys.candidates(value)
            link = await sign_in.find_link(connection, candidates, (Purpose.SECOND_FACTOR,), self._registry.now())
            return None if link is None else await sign_in.find_user(connection, link.user_id)

    async def end_second_factor(self, value: str) -> User:
        """Return who has shown the second factor too; raises `SignInRefused` where it took too long."""
        return await self._take(value, (Purpose.SECOND_FACTOR,))

    async def _find(self, change: Change, reference: str) -> User:
        """Find a user by id, name or e-mail address, among those whom the actor may see."""
        users = Users(self._registry)
        if "@" in reference:
            listing = Listing(filters={"email": reference}, size=2)
            found = (
                await read_page(change.connection, users.records, listing, reach(change.actor, Kind.USER), users.ended)
            ).items
            if len(found) == 1:
                return found[0]
        return await users.find(change.connection, change.actor, reference)

    def _new(
        self, now: float, user: User, purpose: Purpose, lifetime_seconds: float, created_by: str | None
    ) -> OneTimeLink:
        return OneTimeLink(
            id=new_id("lnk"),
            user_id=user.id,
            purpose=purpose,
            created_at=now,
            expires_at=now + lifetime_seconds,
            created_by=created_by,
        )

    async def _take(self, value: str, purposes: Sequence[Purpose]) -> User:
        if not value.isascii() or not value.isprintable():
            raise SignInRefused(USED_UP)
        async with self._registry.changing(SYSTEM, taken="Try again.") as change:
            candidates = self._registry.keys.candidates(value)
            link = await sign_in.find_link(change.connection, candidates, purposes, change.now)
            if link is None or not await sign_in.take_link(change.connection, link.id):
                raise SignInRefused(USED_UP)
            user = await sign_in.find_user(change.connection, link.user_id)
            change.concerned.add(link.user_id)
        if user is None:
            raise SignInRefused("This link is of somebody who may no longer sign in.")
        return user


def link_of(url: str, value: str) -> str:
    """Return the link for a value; behind the `#`, so that no server and no proxy writes it into its log."""
    return f"{url.rstrip('/')}{PATH}#{value}"
