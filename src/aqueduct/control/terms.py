"""What can be done with terms of service: publish a version, read what is in force, accept it."""

from functools import partial

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.control.organisations import Organisations
from aqueduct.control.paging import every
from aqueduct.control.registry import Registry, new_id
from aqueduct.domain.actor import Actor
from aqueduct.domain.permissions import Action, Resource, may, reach
from aqueduct.domain.scopes import Kind
from aqueduct.domain.terms import Terms, TermsAcceptance
from aqueduct.errors import InvalidValue, NotAllowed, NotFound
from aqueduct.storage.aggregates import ORGANISATIONS, TERMS, TERMS_ACCEPTANCES
from aqueduct.storage.pages import Listing, Page, read_page

MAX_TEXT_CHARACTERS = 200_000
NEWEST_FIRST = Listing(sort="-published_at")


class TermsOfService:
    """The use cases on terms of service."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def publish(self, actor: Actor, text: str, *, organisation: str | None = None) -> Terms:
        """Put a new version in force; from now on the organisation's users must accept it."""
        if not 1 <= len(text.strip()) <= MAX_TEXT_CHARACTERS or not is_storable(text):
            raise InvalidValue(f"Terms of service have 1 to {MAX_TEXT_CHARACTERS:,} characters.")
        taken = "Somebody else has published terms at the same moment. Read them first."
        async with self.registry.changing(actor, taken=taken) as change:
            within = await Organisations(self.registry).require(change.connection, actor.unscoped, organisation)
            if not may(actor, Action.CREATE, Resource(kind=Kind.TERMS, organisation_id=within.id)):
                raise NotAllowed("You may not publish terms of service.")
            former = await newest(change.connection, within.id)
            terms = Terms(
                id=new_id("trm"),
                organisation_id=within.id,
                number=1 if former is None else former.number + 1,
                text=text,
                published_at=change.now,
            )
            await TERMS.add(change.connection, terms)
            await change.record("publish", Kind.TERMS, former, terms)
            if not within.requires_terms:
                required = msgspec.structs.replace(within, requires_terms=True, version=within.version + 1)
                await ORGANISATIONS.replace(change.connection, required, version=within.version)
                await change.record("update", Kind.ORGANISATION, within, required)
        return terms

    async def in_force(self, actor: Actor, *, organisation: str | None = None) -> Terms:
        """Read the newest version; raises `NotFound` where there never was one."""
        async with self.registry.database.reading() as connection:
            within = await Organisations(self.registry).require(connection, actor.unscoped, organisation)
            found = await newest(connection, within.id)
        if found is None or not may(actor, Action.READ, Resource(kind=Kind.TERMS, organisation_id=within.id)):
            raise NotFound("The organisation has no terms of service.")
        return found

    async def page(self, actor: Actor, listing: Listing = NEWEST_FIRST) -> Page[Terms]:
        """Read one page of the versions that the actor may see."""
        async with self.registry.database.reading() as connection:
            return await read_page(connection, TERMS, listing, reach(actor, Kind.TERMS), ended=None)

    async def everything(self, actor: Actor, listing: Listing = NEWEST_FIRST) -> list[Terms]:
        """Read all pages of a list."""
        return [terms async for terms in every(partial(self.page, actor), listing)]

    async def read(self, actor: Actor, terms_id: str) -> Terms:
        """Read one version, in force or not."""
        async with self.registry.database.reading() as connection:
            found = await TERMS.find(connection, terms_id) if terms_id.isprintable() else None
        if found is None or not may(
            actor, Action.READ, Resource(kind=Kind.TERMS, organisation_id=found.organisation_id)
        ):
            raise NotFound("There are no such terms of service.")
        return found

    async def accept(self, actor: Actor, terms_id: str) -> TermsAcceptance:
        """Accept the version in force, for oneself; nobody does it for another. Twice is as good as once."""
        async with self.registry.changing(actor, taken="You have accepted these terms already.") as change:
            terms = await TERMS.find(change.connection, terms_id) if terms_id.isprintable() else None
            own = Resource(
                kind=Kind.TERMS,
                organisation_id=None if terms is None else terms.organisation_id,
                user_id=actor.user_id,
            )
            if terms is None or actor.user_id is None or not may(actor, Action.ACCEPT, own):
                raise NotFound(f"There are no terms `{terms_id}` for you to accept.")
            if (former := await TERMS_ACCEPTANCES.find(change.connection, terms.id, actor.user_id)) is not None:
                return former
            if await newest(change.connection, terms.organisation_id) != terms:
                raise InvalidValue("There is a newer version of these terms. Read and accept that one.")
            acceptance = TermsAcceptance(
                terms_id=terms.id,
                user_id=actor.user_id,
                organisation_id=terms.organisation_id,
                accepted_at=change.now,
                address=actor.address,
            )
            await TERMS_ACCEPTANCES.add(change.connection, acceptance)
            await change.record("accept", Kind.TERMS, None, acceptance)
            return acceptance


def is_storable(text: str) -> bool:
    """Whether both engines hold the text: no NUL, and no half of a character."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


async def newest(connection: AsyncConnection, organisation_id: str) -> Terms | None:
    """Return the version in force."""
    versions = await TERMS.select(connection, organisation_id=organisation_id)
    return max(versions, key=lambda terms: terms.number, default=None)
