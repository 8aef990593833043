"""Events and their deliveries as rows: told once, claimed by one process at a time, tried again until a day is over."""

import enum
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.event import DAY_SECONDS, EXPIRY_NOTICE_DAYS, Event
from aqueduct.domain.webhook import Webhook
from aqueduct.storage.aggregates import EVENTS, WEBHOOKS
from aqueduct.storage.api_tokens import API_TOKENS
from aqueduct.storage.instants import to_microseconds, to_seconds
from aqueduct.storage.records import Records
from aqueduct.storage.tables import api_tokens, deliveries, events, webhooks
from aqueduct.storage.vault import Sealed

LEASE_SECONDS = 60.0
"""For how long a claimed delivery is nobody else's: longer than an attempt; then its process is taken to be dead."""
GIVE_UP_SECONDS = float(DAY_SECONDS)
KEPT_SECONDS = 30.0 * DAY_SECONDS
"""How long an ended delivery can still be looked at."""
REMEMBERED_SECONDS = 400.0 * DAY_SECONDS
"""How long an event is remembered, so as not to be told again: longer than any period of a budget but `total`."""
PRUNED_ROWS = 1000


class State(enum.StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one webhook; `status` and `error` are of the last attempt."""

    webhook_id: str
    event_id: str
    state: State
    attempts: int
    created_at: float
    next_attempt_at: float | None = None
    ended_at: float | None = None
    status: int | None = None
    error: str | None = None


DELIVERIES = Records(deliveries, Delivery)


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """Whom this process delivers to: webhooks whose secrets are under these keys, but for those that are busy."""

    key_ids: Collection[str]
    busy_ids: Collection[str] = ()


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that this process is to try now; `attempts` counts this one, `sealed` is the webhook's secret."""

    webhook: Webhook
    sealed: Sealed
    event: Event
    attempts: int
    created_at: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended; `next_attempt_at` of None is for good."""

    is_delivered: bool
    status: int | None = None
    error: str | None = None
    next_attempt_at: float | None = None


def record(connection: sa.Connection, noticed: Sequence[Event], now: float) -> list[Event]:
    """Add events, and a delivery for each webhook that is told of them; return those that nobody had noticed before.

    For a plain connection, so that a writer of usage can call it in its own transaction.
    """
    by_id = {event.id: event for event in noticed}
    if not by_id:
        return []
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(events).values([EVENTS.to_row(event) for event in by_id.values()])
    added = connection.scalars(statement.on_conflict_do_nothing().returning(events.c.id)).all()
    fresh = [by_id[each] for each in added]
    if not fresh:
        return []
    active = connection.execute(sa.select(*WEBHOOKS.columns).where(webhooks.c.is_active))
    told = [WEBHOOKS.read(row) for row in active.mappings()]
    instant = to_microseconds(now)
    rows = [
        {
            "webhook_id": webhook.id,
            "event_id": event.id,
            "state": State.PENDING.value,
            "attempts": 0,
            "created_at": instant,
            "next_attempt_at": instant,
        }
        for event in fresh
        for webhook in told
        if webhook.is_told_of(event)
    ]
    if rows:
        connection.execute(sa.insert(deliveries), rows)
    return fresh


async def is_due(connection: AsyncConnection, now: float, within: Within) -> bool:
    """Whether a delivery to one of these webhooks is to be tried now."""
    due = sa.select(deliveries.c.event_id).join(webhooks, webhooks.c.id == deliveries.c.webhook_id)
    return await connection.scalar(due.where(are_due(now, within)).limit(1)) is not None


def are_due(now: float, within: Within) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery, joined with its webhook, is to be tried now."""
    return sa.and_(
        deliveries.c.next_attempt_at <= to_microseconds(now),
        webhooks.c.is_active,
        webhooks.c.secret_key_id.in_(list(within.key_ids)),
        webhooks.c.id.not_in(list(within.busy_ids)),
    )


async def claim(connection: AsyncConnection, now: float, within: Within, *, limit: int) -> list[Claim]:
    """Take deliveries that are due, to these webhooks, for as long as a lease; the longest due first.

    An attempt is counted before it is made: a process that dies in it has made one.
    """
    table = deliveries.c
    due = (
        sa.select(table.webhook_id, table.event_id)
        .join(webhooks, webhooks.c.id == table.webhook_id)
        .where(are_due(now, within))
        .order_by(table.next_attempt_at)
        .limit(limit)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    keys = [tuple(row) for row in await connection.execute(due)]
    if not keys:
        return []
    ours = sa.tuple_(table.webhook_id, table.event_id).in_(keys)
    lease = {"next_attempt_at": to_microseconds(now + LEASE_SECONDS), "attempts": table.attempts + 1}
    await connection.execute(sa.update(deliveries).where(ours).values(lease))
    statement = (
        sa.select(
            table.attempts,
            table.created_at.label("queued_at"),
            webhooks.c.secret_key_id.label("sealed_with"),
            webhooks.c.secret.label("sealed"),
            *(column.label(f"webhook_{column.name}") for column in WEBHOOKS.columns),
            *(column.label(f"event_{column.name}") for column in EVENTS.columns),
        )
        .join(webhooks, webhooks.c.id == table.webhook_id)
        .join(events, events.c.id == table.event_id)
        .where(ours)
    )
    return [read_claim(row) for row in (await connection.execute(statement)).mappings()]


def read_claim(row: sa.RowMapping) -> Claim:
    """Return the claim that a joined row is."""
    return Claim(
        webhook=WEBHOOKS.read(part(row, "webhook_")),
        event=EVENTS.read(part(row, "event_")),
        sealed=Sealed(row["sealed_with"], row["sealed"]),
        attempts=row["attempts"],
        created_at=to_seconds(row["queued_at"]),
    )


def part(row: sa.RowMapping, prefix: str) -> dict[str, Any]:
    """Return the columns of one table of a joined row."""
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


async def settle(connection: AsyncConnection, claimed: Claim, outcome: Outcome, now: float) -> None:
    """Note how an attempt ended; one whose lease was over, and that another process tries, is left to that."""
    table = deliveries.c
    state = State.DELIVERED if outcome.is_delivered else State.DEAD
    is_pending = outcome.next_attempt_at is not None
    await connection.execute(
        sa.update(deliveries)
        .where(
            table.webhook_id == claimed.webhook.id,
            table.event_id == claimed.event.id,
            table.attempts == claimed.attempts,
        )
        .values(
            state=(State.PENDING if is_pending else state).value,
            status=outcome.status,
            error=outcome.error,
            next_attempt_at=to_microseconds(outcome.next_attempt_at),
            ended_at=None if is_pending else to_microseconds(now),
        )
    )


async def expiring(connection: AsyncConnection, now: float) -> list[ApiToken]:
    """Return the live tokens that end within the longest notice."""
    ends_at = api_tokens.c.expires_at
    until = now + max(EXPIRY_NOTICE_DAYS) * DAY_SECONDS
    within = (api_tokens.c.revoked_at.is_(None), ends_at > to_microseconds(now), ends_at <= to_microseconds(until))
    rows = await connection.execute(sa.select(*API_TOKENS.columns).where(*within))
    return [API_TOKENS.read(row) for row in rows.mappings()]


async def queue(connection: AsyncConnection, event: Event, webhook_id: str) -> Delivery:
    """Add an event that one webhook alone is told of."""
    await EVENTS.add(connection, event)
    delivery = Delivery(
        webhook_id=webhook_id,
        event_id=event.id,
        state=State.PENDING,
        attempts=0,
        created_at=event.happened_at,
        next_attempt_at=event.happened_at,
    )
    await DELIVERIES.add(connection, delivery)
    return delivery


async def bury(connection: AsyncConnection, now: float) -> int:
    """Give up what nobody could try for a day (no process has the secret, or the webhook is switched off); how many."""
    table = deliveries.c
    overdue = sa.update(deliveries).where(
        table.next_attempt_at <= to_microseconds(now),
        table.created_at <= to_microseconds(now - GIVE_UP_SECONDS - LEASE_SECONDS),
    )
    ended = {"state": State.DEAD.value, "next_attempt_at": None, "ended_at": to_microseconds(now)}
    error = sa.func.coalesce(table.error, "was never tried")
    return (await connection.execute(overdue.values(ended | {"error": error}))).rowcount


async def prune(connection: AsyncConnection, now: float) -> None:
    """Remove some of what ended long ago; called again and again it removes all of it."""
    oldest = sa.select(deliveries.c.webhook_id, deliveries.c.event_id).where(
        deliveries.c.ended_at <= to_microseconds(now - KEPT_SECONDS)
    )
    keys = sa.tuple_(deliveries.c.webhook_id, deliveries.c.event_id)
    await connection.execute(sa.delete(deliveries).where(keys.in_(oldest.limit(PRUNED_ROWS))))
    forgotten = sa.select(events.c.id).where(events.c.happened_at <= to_microseconds(now - REMEMBERED_SECONDS))
    await connection.execute(sa.delete(events).where(events.c.id.in_(forgotten.limit(PRUNED_ROWS))))
