"""Opens the transactions in which things are administered, and writes what happened in them into the audit log.

A change and its line in the log are one transaction; the revision is raised after it, so that the gateway sees it.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.actor import Actor
from aqueduct.domain.audit import AuditEntry
from aqueduct.domain.scopes import Kind
from aqueduct.errors import AlreadyExists
from aqueduct.storage.aggregates import AUDIT_LOG
from aqueduct.storage.database import Database
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.keys import KeyRing
from aqueduct.storage.revision import Revision
from aqueduct.storage.webhook_secrets import WebhookSecrets


@dataclass(frozen=True)
class Change:
    """A transaction in which an actor changes something."""

    connection: AsyncConnection
    actor: Actor
    now: float

    async def record(
        self, action: str, kind: Kind, before: msgspec.Struct | None, after: msgspec.Struct | None
    ) -> None:
        """Write into the audit log what became of one object."""
        item = msgspec.to_builtins(after if after is not None else before)
        ids = [item["id"]] if "id" in item else [value for name, value in item.items() if name in KEYS]
        entry = AuditEntry(
            # Sorted like the instants, so that a list in the order of the ids is one in the order of what happened.
            id=f"aud_{to_microseconds(self.now):015x}{secrets.token_hex(4)}",
            happened_at=self.now,
            actor_kind=self.actor.kind,
            actor_id=self.actor.id,
            actor_name=self.actor.name,
            address=self.actor.address,
            action=action,
            object_type=kind.value,
            object_id="/".join(ids),
            organisation_id=item["id"] if kind is Kind.ORGANISATION else item.get("organisation_id"),
            before=None if before is None else msgspec.to_builtins(before),
            after=None if after is None else msgspec.to_builtins(after),
        )
        await AUDIT_LOG.add(self.connection, entry)


KEYS = ("team_id", "terms_id", "user_id")
"""What names an object that has no id of its own."""


@dataclass(frozen=True)
class Registry:
    """Where everything that is administered is kept."""

    database: Database
    keys: KeyRing
    revision: Revision
    webhook_secrets: WebhookSecrets
    clock: Callable[[], float] = time.time

    def now(self) -> float:
        """Return the time, to the microsecond as it is stored: what is returned and what is read back are equal."""
        return round(self.clock(), 6)

    @asynccontextmanager
    async def changing(self, actor: Actor, *, taken: str) -> AsyncIterator[Change]:
        """Open a change; raises `AlreadyExists` with the message `taken` where a name was given twice."""
        try:
            async with self.database.writing() as connection:
                yield Change(connection, actor, self.now())
        except IntegrityError:
            raise AlreadyExists(taken) from None
        self.revision.bump()


def new_id(prefix: str) -> str:
    """Return a fresh id; the prefix says what it is of."""
    return f"{prefix}_{secrets.token_hex(8)}"
