"""What can be learned of the audit log; nothing in it can be changed."""

from collections.abc import AsyncIterator
from functools import partial

from aqueduct.control.paging import every
from aqueduct.control.registry import Registry
from aqueduct.domain.actor import Actor
from aqueduct.domain.audit import AuditEntry
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
            return await read_page(connection, AUDIT_LOG, listing, reach(actor, Kind.AUDIT), ended=None)

    def export(self, actor: Actor, listing: Listing = IN_ORDER) -> AsyncIterator[AuditEntry]:
        """Yield every entry that the actor may see, the oldest first, a page in memory at a time."""
        return every(partial(self.page, actor), listing)
