"""Brings the database to what a file declares: all of it in one transaction, or nothing."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aqueduct.config.declared import Declarations
from aqueduct.config.load import Source
from aqueduct.control.aggregate import Aggregate
from aqueduct.control.declared import Declared, Reading
from aqueduct.control.placing import AGGREGATES, Place, place_of
from aqueduct.control.registry import Change, Registry, new_id
from aqueduct.domain.actor import Actor
from aqueduct.domain.money import plain
from aqueduct.domain.permissions import Action
from aqueduct.domain.scopes import Kind
from aqueduct.errors import AlreadyExists, ControlError, InvalidValue
from aqueduct.storage.aggregates import USERS
from aqueduct.storage.declared import MARKS, Mark, read_marks, remove_marks

TAKEN = "Nothing was changed: a name or an e-mail address is taken, or somebody else changed something. Try again."


@dataclass
class Plan:
    """What an apply does, a line an object; `unlisted` are declared objects that the file no longer has."""

    lines: list[str] = field(default_factory=list)
    unlisted: int = 0
    has_new_webhooks: bool = False

    def add(self, verb: str, kind: Kind, label: str, details: str = "") -> None:
        """Add a line."""
        self.lines.append(f"{verb} {AGGREGATES[kind].noun} {label}{details}")


class _TakenBack(Exception):
    """Ends a transaction that is not to be committed."""


async def apply(
    registry: Registry, actor: Actor, source: Source, declarations: Declarations, *, prune: bool, is_dry_run: bool
) -> Plan:
    """Create and change what is declared; with `prune`, delete what was declared once and no longer is.

    A dry run does it all and takes it back. Raises `ConfigurationError` with the line of what cannot be.
    """
    wanted = Reading(source).read(declarations)
    plan = Plan()
    try:
        async with registry.changing(actor, taken=TAKEN) as change:
            await _Application(registry, change, source, plan).run(wanted, prune=prune)
            if is_dry_run or not plan.lines:
                raise _TakenBack
    except _TakenBack:
        return plan
    return plan


class _Application:
    """One run over a file, in one transaction."""

    def __init__(self, registry: Registry, change: Change, source: Source, plan: Plan) -> None:
        self._webhook_secrets = registry.webhook_secrets
        self._change = change
        self._source = source
        self._plan = plan
        self._aggregates = {kind: aggregate(registry) for kind, aggregate in AGGREGATES.items()}
        self._items: dict[Declared, Any] = {}

    async def run(self, wanted: Sequence[Declared], *, prune: bool) -> None:
        for declared in wanted:
            with self._pointing_at(declared):
                await self._find(declared)
        marks = await read_marks(self._change.connection)
        listed = {(declared.kind, self._id(declared.kind, item)) for declared, item in self._items.items()}
        # What goes is deleted first: its names may be wanted by what comes.
        await self._let_go([mark for key, mark in marks.items() if key not in listed], prune=prune)
        for declared in wanted:
            with self._pointing_at(declared):
                await self._bring(declared, marks)

    @contextlib.contextmanager
    def _pointing_at(self, declared: Declared) -> Iterator[None]:
        """Turn what cannot be done into an error that points at the object's line."""
        try:
            yield
        except ControlError as error:
            raise self._source.error(declared.path, str(error)) from error

    async def _find(self, declared: Declared) -> Place | None:
        """Find the object, and remember it; return where it is to be, None while what it is in does not exist."""
        parent = self._items.get(declared.parent) if declared.parent is not None else None
        if declared.parent is not None and parent is None:
            return None
        place = await place_of(self._change.connection, declared, parent)
        if place is not None:
            found = await self._aggregates[declared.kind].records.select(self._change.connection, **place.columns)
            if found:
                self._items[declared] = found[0]
        return place

    async def _bring(self, declared: Declared, marks: Mapping[tuple[Kind, str], Mark]) -> None:
        """Create the object or change it, and mark it as declared."""
        item = self._items.get(declared)
        verb = None
        if item is None:
            # Once more: what it is in may have been made a moment ago.
            place = await self._find(declared)
            if place is None:
                raise InvalidValue(f"There is no user `{declared.identity.get('user')}` in the organisation.")
            item = self._items.get(declared)
            if item is None:
                item = self._items[declared] = await self._create(declared, place)
                verb = "create"
        if verb is None and await self._change_to(declared, item):
            verb = "change"
        if verb == "create":
            self._plan.add(verb, declared.kind, declared.label)
        key = (declared.kind, self._id(declared.kind, item))
        if key in marks:
            return
        if verb is None:
            self._plan.add("adopt", declared.kind, declared.label)
        mark = Mark(object_type=key[0], object_id=key[1], label=declared.label, declared_at=self._change.now)
        await MARKS.add(self._change.connection, mark)

    async def _create(self, declared: Declared, place: Place) -> Any:
        aggregate = self._aggregates[declared.kind]
        fields = {each.name for each in msgspec.structs.fields(aggregate.records.kind)}
        values = place.values | dict(declared.fields) | {"created_at": self._change.now}
        if "id" in fields:
            values["id"] = new_id(aggregate.prefix)
        if declared.kind is Kind.USER:
            await self._require_free_address(values)
        try:
            made = msgspec.convert(values, aggregate.records.kind)
        except msgspec.ValidationError as error:
            raise InvalidValue(f"A value of the {aggregate.noun} is not possible: {error}.") from None
        made = await aggregate.add(self._change, made)
        if declared.kind is Kind.WEBHOOK:
            await self._webhook_secrets.make(self._change.connection, made.id, self._change.now)
            self._plan.has_new_webhooks = True
        return made

    async def _change_to(self, declared: Declared, before: Any) -> bool:
        """Change the object where the file wants it otherwise; whether it did."""
        aggregate = self._aggregates[declared.kind]
        after = aggregate.merge(before, declared.fields)
        if after == before:
            return False
        if declared.kind is Kind.USER and after.email != before.email:
            await self._require_free_address(msgspec.structs.asdict(after))
        await aggregate.authorise(self._change, Action.UPDATE, before)
        self._items[declared] = await aggregate.replace(self._change, before, after)
        self._plan.add("change", declared.kind, declared.label, f": {differences(before, after)}")
        return True

    async def _require_free_address(self, values: Mapping[str, Any]) -> None:
        """Raise where another user has the address: the index would end the transaction without saying which."""
        if (email := values.get("email")) is not None:
            same = {"email": email, "organisation_id": values["organisation_id"], "deleted_at": None}
            if await USERS.count(self._change.connection, **same):
                raise AlreadyExists(f"There is already a user with the e-mail address {email}.")

    async def _let_go(self, marks: Sequence[Mark], *, prune: bool) -> None:
        """Delete what is no longer declared, the innermost first; what is gone already only loses its mark."""
        order = {kind: position for position, kind in enumerate(AGGREGATES)}
        for mark in sorted(marks, key=lambda mark: (-order[mark.object_type], mark.label)):
            aggregate = self._aggregates[mark.object_type]
            item = await self._live(aggregate, mark)
            if item is not None and not prune:
                self._plan.unlisted += 1
                continue
            if item is not None:
                await aggregate.authorise(self._change, Action.DELETE, item)
                await self._change.record("delete", mark.object_type, item, None)
                await aggregate.end(self._change, item)
                self._plan.add("delete", mark.object_type, mark.label)
            await remove_marks(self._change.connection, [mark])

    async def _live(self, aggregate: Aggregate[Any], mark: Mark) -> Any:
        item = await aggregate.records.find(self._change.connection, *mark.object_id.split("/"))
        is_ended = item is not None and aggregate.ended is not None and getattr(item, aggregate.ended) is not None
        return None if is_ended else item

    def _id(self, kind: Kind, item: Any) -> str:
        return "/".join(getattr(item, column.name) for column in self._aggregates[kind].records.key)


def differences(before: msgspec.Struct, after: msgspec.Struct) -> str:
    """Say which fields become what."""
    was, becomes = msgspec.to_builtins(before), msgspec.to_builtins(after)
    changed = [name for name in becomes if was[name] != becomes[name] and name != "version"]
    return ", ".join(f"{name} {show(name, was[name])} -> {show(name, becomes[name])}" for name in changed)


def show(name: str, value: Any) -> str:
    """Write a value on one line."""
    return plain(value) if name == "amount_nano" else msgspec.json.encode(value).decode()
