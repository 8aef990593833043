"""Opens the transactions in which things are administered, and writes what happened in them into the audit log.

A change, its line in the log and what gateways elsewhere hear of it are one transaction; the revision is raised after
it, so that the gateways of this data directory see it with their next request.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.actor import Actor
from aqueduct.domain.audit import AuditEntry
from aqueduct.domain.scopes import Kind
from aqueduct.domain.subject import SubjectType
from aqueduct.errors import AlreadyExists
from aqueduct.storage import changes
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
        await AUDIT_LOG.add(self.connection, self._entry(action, kind, before, after))

    async def record_made(self, kind: Kind, items: Sequence[msgspec.Struct]) -> None:
        """Write into the audit log that objects were made, an entry each."""
        await AUDIT_LOG.add(self.connection, *(self._entry("create", kind, None, item) for item in items))

    def _entry(
        self, action: str, kind: Kind, before: msgspec.Struct | None, after: msgspec.Struct | None
    ) -> AuditEntry:
        was, becomes = (None if each is None else msgspec.to_builtins(each) for each in (before, after))
        item: dict[str, Any] = (becomes if becomes is not None else was) or {}
        self.concerned.update(concerned_id(kind, each) for each in (was, becomes) if each is not None)
        ids = [item["id"]] if "id" in item else [value for name, value in item.items() if name in KEYS]
        return AuditEntry(
            id=new_entry_id(self.now),
            happened_at=self.now,
            actor_kind=self.actor.kind,
            actor_id=self.actor.id,
            actor_name=self.actor.name,
            address=self.actor.address,
            action=action,
            object_type=kind.value,
            object_id="/".join(ids),
            organisation_id=item["id"] if kind is Kind.ORGANISATION else item.get("organisation_id"),
            before=was,
            after=becomes,
        )


KEYS = ("team_id", "terms_id", "user_id")
"""What names an object that has no id of its own."""


@dataclass(frozen=True)
class Registry:
    """Where everything that is administered is kept."""

    database: Database
    keys: KeyRing
    revision: Revision
    webhook_secrets: WebhookSecrets
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private networks that webhooks may lead to."""
    clock: Callable[[], float] = time.time

    def now(self) -> float:
        """Return the time, to the microsecond as it is stored: what is returned and what is read back are equal."""
        return round(self.clock(), 6)

    @asynccontextmanager
    async def changing(self, actor: Actor, *, taken: str) -> AsyncIterator[Change]:
        """Open a change; raises `AlreadyExists` with the message `taken` where a name was given twice."""
        change_id = new_id("chg")
        concerned: set[str] | None = None
        is_in_doubt = False
        try:
            async with self.database.writing() as connection:
                change = Change(connection, actor, self.now())
                yield change
                # One of which nothing was recorded may have changed anything.
                concerned = None if UNKNOWN in change.concerned else change.concerned or None
                await changes.tell(connection, change_id, concerned)
                is_in_doubt = True
            is_in_doubt = False
            self.revision.bump(None if concerned is None else concerned | {change_id})
        except IntegrityError:
            raise AlreadyExists(taken) from None
        finally:
            if is_in_doubt:
                # The commit may have gone through, only its answer did not come: the connection broke, or whoever
                # waited was cancelled. Without the change's own id, for it may come yet; then it is heard of.
                self.revision.bump(concerned)


def _itself(item: Mapping[str, Any]) -> str:
    return str(item["id"])


def _its_subject(item: Mapping[str, Any]) -> str:
    is_of_end_users = item["subject_type"] == SubjectType.END_USER
    return str((item["organisation_id"] if is_of_end_users else item["subject_id"]) or UNKNOWN)


def _its_user(item: Mapping[str, Any]) -> str:
    return str(item["user_id"])


def _whose_terms(item: Mapping[str, Any]) -> str:
    # New terms concern everybody in the organisation, their acceptance one user.
    return str(item.get("user_id") or item.get("organisation_id") or UNKNOWN)


def _its_organisation(item: Mapping[str, Any]) -> str:
    return str(item["organisation_id"] or UNKNOWN)


def _anybody(_item: Mapping[str, Any]) -> str:
    return UNKNOWN


UNKNOWN = ""
"""In the place of an id: it may concern anybody."""
CONCERNED: Mapping[Kind, Callable[[Mapping[str, Any]], str]] = {
    Kind.ORGANISATION: _itself,
    Kind.TEAM: _itself,
    Kind.USER: _itself,
    Kind.MEMBERSHIP: _its_user,
    Kind.SERVICE_ACCOUNT: _itself,
    Kind.API_TOKEN: _itself,
    Kind.MODEL_RULE: _its_subject,
    Kind.LIMIT: _its_subject,
    Kind.BUDGET: _its_subject,
    Kind.TERMS: _whose_terms,
    # Everybody, where it is nobody's alone.
    Kind.CACHE: _its_organisation,
    # Of these nothing is remembered, so no caller is known by their ids.
    Kind.WEBHOOK: _itself,
    Kind.CAPTURE: _itself,
    # These are read only; if ever they are changed, somebody has to decide whom that concerns.
    Kind.AUDIT: _anybody,
    Kind.USAGE: _anybody,
    Kind.TARGET: _anybody,
}
"""By the kind of an object, the id by which callers are known whom a change of it may concern."""


def concerned_id(kind: Kind, item: Mapping[str, Any]) -> str:
    """Return the id by which a caller is known whom a change of an object may concern, or `UNKNOWN`.

    A caller knows its token, user, service account, teams and organisation, and their limits by them.
    """
    return CONCERNED.get(kind, _anybody)(item)


def new_id(prefix: str) -> str:
    """Return a fresh id; the prefix says what it is of."""
    return f"{prefix}_{secrets.token_hex(8)}"


def new_entry_id(now: float) -> str:
    """Return a fresh id of an entry in the audit log.

    Sorted like the instants, so that a list in the order of the ids is one in the order of what happened.
    """
    return f"aud_{to_microseconds(now):015x}{secrets.token_hex(4)}"
