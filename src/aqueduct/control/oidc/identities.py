"""The accounts at issuers that somebody signs in with: seen, and taken away, by himself."""

from collections.abc import Sequence

from aqueduct.control.oidc.people import linked
from aqueduct.control.registry import Registry
from aqueduct.control.teams import Memberships
from aqueduct.domain.actor import Actor
from aqueduct.domain.credential import Identity
from aqueduct.domain.scopes import Kind
from aqueduct.errors import NotAllowed, NotFound
from aqueduct.storage.aggregates import IDENTITIES, MEMBERSHIPS, PASSKEYS, USERS
from aqueduct.storage.sign_in import read_password


class Identities:
    """The use cases on one's own."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def own(self, actor: Actor) -> Sequence[Identity]:
        """List one's own."""
        async with self._registry.database.reading() as connection:
            return await IDENTITIES.select(connection, user_id=actor.user_id or "")

    async def unlink(self, actor: Actor, identity_id: str) -> None:
        """Take one away, with the places in teams that it gave; raises `NotAllowed` for the last way in."""
        async with self._registry.changing(actor, taken="Try again.") as change:
            connection = change.connection
            own = await IDENTITIES.select(connection, user_id=actor.user_id or "")
            found = next((each for each in own if each.id == identity_id), None)
            user = None if found is None else await USERS.find(connection, found.user_id)
            if found is None or user is None:
                raise NotFound("There is no such account.")
            others = len(own) - 1 + await PASSKEYS.count(connection, user_id=user.id)
            if not others and await read_password(connection, user.id) is None:
                raise NotAllowed("This is your only way to sign in. Add another one first.")
            await IDENTITIES.remove_where(connection, id=found.id)
            await change.record("unlink_identity", Kind.USER, linked(user, found), None)
            for membership in await MEMBERSHIPS.select(connection, user_id=user.id, given_by=found.id):
                await change.record("delete", Kind.MEMBERSHIP, membership, None)
                await Memberships(self._registry).end(change, membership)
