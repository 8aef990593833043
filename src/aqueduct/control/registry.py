"""Opens the transactions in which things are administered, and writes what happened in them into the audit log.

A change and its line in the log are one transaction; the revision is raised after it, so that the gateway sees it.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.actor import Actor
from aqueduct.domain.audit import AuditEntry
from aqueduct.domain.scopes import Kind
from aqueduct.domain.subject import SubjectType
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
    concerned: set[str] = field(default_factory=set)
    """The ids of those whose requests it may bear on."""

    async def record(
        self, action: str, kind: Kind, before: msgspec.Struct | None, after: msgspec.Struct | None
    ) -> None:
        """Write into the audit log what became of one object."""
        item = msgspec.to_builtins(after if after is not None else before)
        for each in (before, after):
            self.concerned.update(() if each is None else concerned_ids(kind, msgspec.to_builtins(each)))
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
                change = Change(connection, actor, self.now())
                yield change
        except IntegrityError:
            raise AlreadyExists(taken) from None
        self.revision.bump(None if UNKNOWN in change.concerned else change.concerned or None)


def concerned_ids(kind: Kind, item: Mapping[str, Any]) -> set[str]:
    """Return the ids by which a caller is known whom a change of an object may concern.

    A caller knows its token, user, service account, teams and organisation, and their limits by them.
    """
    if kind in {Kind.LIMIT, Kind.BUDGET, Kind.MODEL_RULE}:
        if item["subject_type"] == SubjectType.END_USER:
            return {item["organisation_id"] or UNKNOWN}
        return {item["subject_id"]}
    if kind is Kind.MEMBERSHIP:
        return {item["user_id"]}
    if kind is Kind.TERMS:
        # New terms concern everybody in the organisation, their acceptance one user.
        return {item.get("user_id") or item.get("organisation_id") or UNKNOWN}
    return {item["id"]}


UNKNOWN = ""
"""In the place of an id: it may concern anybody."""


def new_id(prefix: str) -> str:
    """Return a fresh id; the prefix says what it is of."""
    return f"{prefix}_{secrets.token_hex(8)}"
