"""What can be learned of the audit log; nothing in it can be changed.

What was before and after is stored as the domain has it, and shown as the admin API shows the object.
"""

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from aqueduct.control.paging import every
from aqueduct.control.registry import Registry
from aqueduct.domain.actor import Actor
from aqueduct.domain.audit import AuditEntry
from aqueduct.domain.identity import Rank
from aqueduct.domain.money import plain
from aqueduct.domain.permissions import reach
from aqueduct.domain.scopes import Kind
from aqueduct.storage.aggregates import AUDIT_LOG
from aqueduct.storage.pages import Listing, Page, read_page

NEWEST_FIRST = Listing(sort="-happened_at")
IN_ORDER = Listing(sort="happened_at", size=1000)


class AuditLog:
    """The use cases on the audit log."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    async def page(self, actor: Actor, listing: Listing = NEWEST_FIRST) -> Page[AuditEntry]:
        """Read one page of the entries that the actor may see."""
        async with self.registry.database.reading() as connection:
            page = await read_page(connection, AUDIT_LOG, listing, reach(actor, Kind.AUDIT), ended=None)
        return dataclasses.replace(page, items=[with_shown(entry) for entry in page.items])

    def export(self, actor: Actor, listing: Listing = IN_ORDER) -> AsyncIterator[AuditEntry]:
        """Yield every entry that the actor may see, the oldest first, a page in memory at a time."""
        return every(partial(self.page, actor), listing)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HIDDEN = frozenset({"rank"})
"""What decides who may change an object, and is not shown of it."""


def with_shown(entry: AuditEntry) -> AuditEntry:
    """Return an entry whose objects are as the admin API shows them."""
    before, after = (None if each is None else shown(each) for each in (entry.before, entry.after))
    return msgspec.structs.replace(entry, before=before, after=after)


def shown(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object as the admin API shows it: exact amounts beside their currency, instants as RFC 3339."""
    fields: dict[str, Any] = {}
    for name, value in item.items():
        if name == "amount_nano":
            fields["amount"] = plain(value)
        elif name == "narrowed_by":
            fields[name] = {field: Rank(rank).name.lower() for field, rank in value.items()}
        elif name.endswith("_at") and isinstance(value, float | int):
            fields[name] = instant_text(value)
        elif name not in HIDDEN:
            fields[name] = value
    return fields


def instant_text(instant: float) -> str:
    """Write an instant as the admin API does: UTC, with as many decimals as it has."""
    return (EPOCH + timedelta(seconds=instant)).isoformat().replace("+00:00", "Z")


def written(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry, shown, as the admin API writes it."""
    return msgspec.structs.asdict(entry) | {"happened_at": instant_text(entry.happened_at)}
