"""What can be done with captures: list, read and delete them; each reading and deletion is in the audit log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.control.registry import Change, Registry
from aqueduct.domain.actor import Actor
from aqueduct.domain.capture import Capture, CaptureFacts
from aqueduct.domain.permissions import Action, Resource, may, reach
from aqueduct.domain.scopes import Kind
from aqueduct.errors import NotAllowed, NotFound
from aqueduct.storage.aggregates import CAPTURE_FACTS, CAPTURES, ORGANISATIONS
from aqueduct.storage.capture_retention import remove
from aqueduct.storage.pages import Listing, Page, read_page

NEWEST_FIRST = Listing(sort="-started_at")


class Captures:
    """The use cases on captures; a capture is named by the id of its request."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def page(self, actor: Actor, listing: Listing = NEWEST_FIRST) -> Page[CaptureFacts]:
        """Read one page of the captures that the actor may see, without what was said."""
        async with self.registry.database.reading() as connection:
            return await read_page(connection, CAPTURE_FACTS, listing, reach(actor, Kind.CAPTURE), ended=None)

    async def read(self, actor: Actor, request_id: str) -> Capture:
        """Read one with what was said, which is noted; nobody learns of one that he may not see."""
        async with self._noting(actor) as change:
            facts = await self._find(change.connection, actor, request_id)
            found = await CAPTURES.find(change.connection, facts.id)
            if found is None:
                raise not_found()
            await change.record("read", Kind.CAPTURE, facts, facts)
            return found

    async def delete(self, actor: Actor, request_id: str) -> CaptureFacts:
        """Delete one, which is noted; the request's usage stays."""
        async with self._noting(actor) as change:
            facts = await self._find(change.connection, actor, request_id)
            if not may(actor, Action.DELETE, place_of(facts)):
                raise NotAllowed("You may not delete this capture.")
            await remove(change.connection, [facts.id])
            await change.record("delete", Kind.CAPTURE, facts, None)
            return facts

    async def _find(self, connection: AsyncConnection, actor: Actor, request_id: str) -> CaptureFacts:
        facts = await CAPTURE_FACTS.find(connection, request_id) if request_id.isprintable() else None
        if facts is None or not may(actor, Action.READ, place_of(facts)):
            raise not_found()
        if facts.expires_at <= self.registry.now() or await self._is_closed(connection, facts):
            raise not_found()
        return facts

    async def _is_closed(self, connection: AsyncConnection, facts: CaptureFacts) -> bool:
        """Whether its organisation is no more: its captures go with it, a moment later."""
        if facts.organisation_id is None:
            return False
        organisation = await ORGANISATIONS.find(connection, facts.organisation_id)
        return organisation is None or organisation.deleted_at is not None

    @asynccontextmanager
    async def _noting(self, actor: Actor) -> AsyncIterator[Change]:
        """Open a transaction of which the gateway need not know: nothing that it has cached changes."""
        async with self.registry.database.writing() as connection:
            yield Change(connection, actor, self.registry.now())


def place_of(facts: CaptureFacts) -> Resource:
    """Say where a capture is, for permissions."""
    return Resource(
        kind=Kind.CAPTURE,
        organisation_id=facts.organisation_id,
        team_ids=frozenset() if facts.team_id is None else frozenset({facts.team_id}),
        user_id=facts.user_id,
    )


def not_found() -> NotFound:
    """Return what is said of a capture that is not there, or not to be seen."""
    return NotFound("There is no capture of a request with this id.")
