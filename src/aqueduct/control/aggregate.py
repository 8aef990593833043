"""What can be done with every kind of object: list, read, change, delete; each kind adds how it is made."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.control.paging import every
from aqueduct.control.registry import Change, Registry
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import Rank
from aqueduct.domain.permissions import Action, Resource, may, reach
from aqueduct.domain.scopes import Kind
from aqueduct.domain.versioned import Versioned
from aqueduct.errors import InvalidValue, NotAllowed, NotFound, Stale
from aqueduct.storage.pages import EVERYTHING, Listing, Page, read_page
from aqueduct.storage.records import Records

Item = TypeVar("Item", bound=Versioned)
MAX_NAME_CHARACTERS = 100


class Aggregate(Generic[Item]):
    """The use cases on one kind of object; a reference is an id, or the name of one that is not deleted.

    Raised are `NotFound` for what is not there or not to be seen, `NotAllowed` for what may be seen but not changed,
    `Stale` when the version given is no longer the newest, `AlreadyExists` for a name that is taken, `InvalidValue`.
    """

    records: Records[Item]
    kind: Kind
    noun: str
    prefix: str
    changeable: frozenset[str]
    ended: str | None = "deleted_at"

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def page(self, actor: Actor, listing: Listing = EVERYTHING) -> Page[Item]:
        """Read one page of what the actor may see."""
        async with self.registry.database.reading() as connection:
            return await read_page(connection, self.records, listing, reach(actor, self.kind), self.ended)

    async def everything(self, actor: Actor, listing: Listing = EVERYTHING) -> list[Item]:
        """Read all pages of a list."""
        return [item async for item in every(partial(self.page, actor), listing)]

    async def read(self, actor: Actor, reference: str, *, organisation_id: str | None = None) -> Item:
        """Read one; `organisation_id` says where a name is looked for, when several organisations may have it."""
        async with self.registry.database.reading() as connection:
            return await self.find(connection, actor, reference, organisation_id=organisation_id)

    async def change(
        self, actor: Actor, reference: str, changes: Mapping[str, object], *, version: int | None = None
    ) -> Item:
        """Change some of its fields; with a `version`, only if that is still the newest."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            before = await self.find(change.connection, actor, reference)
            await self.authorise(change, Action.UPDATE, before)
            return await self.replace(change, before, self.merge(before, changes), version)

    async def delete(self, actor: Actor, reference: str, *, version: int | None = None) -> Item:
        """Delete it; returns what it was."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            found = await self.find(change.connection, actor, reference)
            await self.authorise(change, Action.DELETE, found)
            self.require_version(found, version)
            await change.record("delete", self.kind, found, None)
            await self.end(change, found)
            return found

    async def add(self, change: Change, item: Item) -> Item:
        """Add a new one to the transaction, if the actor may and it is sound."""
        await self.check(change.connection, item)
        await self.authorise(change, Action.CREATE, item)
        await self.store(change, item)
        await change.record("create", self.kind, None, item)
        return item

    async def store(self, change: Change, item: Item) -> None:
        """Insert the row."""
        await self.records.add(change.connection, item)

    async def replace(self, change: Change, before: Item, after: Item, version: int | None = None) -> Item:
        """Put a sound, changed value in the place of another, whose change is authorised."""
        self.require_version(before, version)
        after = msgspec.structs.replace(after, version=before.version + 1)
        await self.check(change.connection, after)
        # What it becomes must be within the actor's rights too: nobody lifts another above himself.
        await self.authorise(change, Action.UPDATE, after)
        if not await self.records.replace(change.connection, after, version=before.version):
            raise Stale(self.stale)
        await change.record("update", self.kind, before, after)
        return after

    async def find(
        self, connection: AsyncConnection, actor: Actor, reference: str, *, organisation_id: str | None = None
    ) -> Item:
        """Find what is meant by a reference, among what the actor may see."""
        if not reference.isprintable():
            raise NotFound(f"There is no such {self.noun}.")
        parts = reference.split("/")
        found = await self.records.find(connection, *parts) if len(parts) == len(self.records.key) else None
        if found is not None and may(actor, Action.READ, await self.resource(connection, found)):
            if self.ended is not None and getattr(found, self.ended) is not None:
                raise NotFound(f"The {self.noun} `{reference}` is {self.ended.removesuffix('_at')}.")
            return found
        named = await self.find_named(connection, actor, reference, organisation_id)
        if len(named) > 1:
            raise InvalidValue(f"There is more than one {self.noun} `{reference}`. Give its id.")
        if not named:
            raise NotFound(f"There is no {self.noun} `{reference}`.")
        return named[0]

    async def find_named(
        self, connection: AsyncConnection, actor: Actor, name: str, organisation_id: str | None
    ) -> list[Item]:
        """Return up to two of that name."""
        if "name" not in self.records.table.c:
            return []
        filters = {"name": name} | ({} if organisation_id is None else {"organisation_id": organisation_id})
        listing = Listing(filters=filters, size=2)
        page = await read_page(connection, self.records, listing, reach(actor, self.kind), self.ended)
        return list(page.items)

    async def authorise(self, change: Change, action: Action, item: Item) -> None:
        """Raise unless the actor may; what he may not even see does not exist for him."""
        self.authorise_on(change, action, await self.resource(change.connection, item))

    def authorise_on(self, change: Change, action: Action, resource: Resource) -> None:
        """Raise unless the actor may, on an object of which it is known where it is."""
        if may(change.actor, action, resource):
            return
        if action is not Action.CREATE and not may(change.actor, Action.READ, resource):
            raise NotFound(f"There is no such {self.noun}.")
        raise NotAllowed(f"You may not {action.name.lower()} this {self.noun}.")

    async def resource(self, _connection: AsyncConnection, item: Item) -> Resource:
        """Say where the object is, for permissions."""
        team_id = getattr(item, "team_id", None)
        return Resource(
            kind=self.kind,
            organisation_id=getattr(item, "organisation_id", None),
            team_ids=frozenset() if team_id is None else frozenset({team_id}),
            user_id=getattr(item, "user_id", None),
            rank=getattr(item, "rank", Rank.MEMBER),
        )

    async def check(self, _connection: AsyncConnection, item: Item) -> None:
        """Raise `InvalidValue` unless the values can be."""
        if hasattr(item, "name"):
            check_name(item.name, self.noun, self.prefix)

    async def end(self, change: Change, item: Item) -> None:
        """Make it gone: its row stays only where usage may name it.

        Raises `Stale` where somebody has changed it since it was read, as a change does.
        """
        if self.ended is None:
            is_gone = await self.records.remove(change.connection, item, version=item.version)
        else:
            same = {**self.key(item), "version": item.version}
            is_gone = await self.records.close(change.connection, self.ended, change.now, **same) == 1
        if not is_gone:
            raise Stale(self.stale)

    def key(self, item: Item) -> dict[str, Any]:
        """Return the columns that name the item."""
        return {column.name: getattr(item, column.name) for column in self.records.key}

    def merge(self, before: Item, changes: Mapping[str, object]) -> Item:
        """Return the item with other values in some of its fields, of the right types."""
        unknown = set(changes) - self.changeable
        if unknown:
            raise InvalidValue(f"`{min(unknown)}` of a {self.noun} cannot be changed.")
        try:
            merged: Item = msgspec.convert(msgspec.to_builtins(before) | dict(changes), type(before))
        except msgspec.ValidationError as error:
            raise InvalidValue(f"A value of the {self.noun} is not possible: {error}.") from None
        return merged

    def require_version(self, item: Item, version: int | None) -> None:
        """Raise `Stale` unless the version, where one is given, is the newest."""
        if version is not None and version != item.version:
            raise Stale(self.stale)

    @property
    def taken(self) -> str:
        """What is said of a name that is given already."""
        return f"There is already a {self.noun} of this name. Choose another one."

    @property
    def stale(self) -> str:
        """What is said of a change that comes too late."""
        return f"The {self.noun} was changed by somebody else. Read it again, and decide anew."


def check_name(name: str, noun: str, prefix: str) -> None:
    """Raise `InvalidValue` unless the name can be shown on a line and told from an id."""
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or not name.isprintable() or name != name.strip():
        raise InvalidValue(
            f"A {noun}'s name is 1 to {MAX_NAME_CHARACTERS} printable characters, without blanks around it."
        )
    if name.startswith(f"{prefix}_"):
        raise InvalidValue(f"A {noun}'s name cannot begin with `{prefix}_`, as ids do.")
