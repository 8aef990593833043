"""Webhooks: who is told of events, and how a receiver knows that it was us."""

import base64
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from aqueduct.domain.event import Event
from aqueduct.domain.versioned import Versioned

EVERY_EVENT = "*"
"""Stands for every kind of event, those to come too."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with


class Webhook(Versioned, frozen=True, kw_only=True):
    """An address that events are sent to; its secret is never part of this value.

    One without an `organisation_id` is told of everything, others of what happens in their organisation. `events` are
    kinds of events, or `*`.
    """

    id: str
    organisation_id: str | None = None
    name: str
    url: str
    events: tuple[str, ...] = (EVERY_EVENT,)
    is_active: bool = True

    def is_told_of(self, event: Event) -> bool:
        """Whether the event is sent here."""
        is_wanted = EVERY_EVENT in self.events or event.kind.value in self.events
        return self.is_active and is_wanted and self.organisation_id in {None, event.organisation_id}


def payload(event: Event) -> bytes:
    """Return what is sent of an event."""
    happened_at = datetime.fromtimestamp(event.happened_at, UTC).isoformat(timespec="milliseconds")
    return msgspec.json.encode(
        {
            "type": event.kind.value,
            "timestamp": happened_at.replace("+00:00", "Z"),
            "organisation_id": event.organisation_id,
            "data": event.data,
        }
    )


def signature(secrets: Sequence[str], message_id: str, sent_at: int, body: bytes) -> str:
    """Return the `webhook-signature` of a message, one a secret (Standard Webhooks 1.0.0)."""
    signed = f"{message_id}.{sent_at}.".encode() + body
    digests = [hmac.digest(base64.b64decode(each.removeprefix(SECRET_PREFIX)), signed, "sha256") for each in secrets]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
