"""Sends one message to one webhook, signed as Standard Webhooks 1.0.0 has it, and says what came of it."""

import time
from collections.abc import Sequence

import msgspec

from aqueduct.control.webhook_addresses import Forbidden, WebhookAddresses, parse_url
from aqueduct.domain.event import Event
from aqueduct.domain.http import Timeouts, UpstreamRequest
from aqueduct.domain.webhook import Webhook, payload, signature
from aqueduct.errors import InvalidValue, UpstreamError
from aqueduct.upstream.transport import Transport

TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=15.0, idle_seconds=15.0, total_seconds=20.0)
TAKES_NO_MORE = 410
"""The status by which a receiver says that it wants no message ever again."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: a status, or an error in a few words that name no address."""

    status: int | None = None
    error: str | None = None
    retry_after_seconds: float = 0.0

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver has taken the message."""
        return self.status is not None and 200 <= self.status <= 299

    @property
    def is_final(self) -> bool:
        """Whether another attempt would be the same."""
        return self.status == TAKES_NO_MORE


class WebhookSender:
    """Sends messages over the transport; `timeouts` are how long a receiver may take."""

    def __init__(self, transport: Transport, addresses: WebhookAddresses, timeouts: Timeouts = TIMEOUTS) -> None:
        self._transport = transport
        self._addresses = addresses
        self._timeouts = timeouts

    async def send(self, webhook: Webhook, event: Event, secrets: Sequence[str]) -> Answer:
        """Make one attempt; never raises for what the receiver or the way to it does.

        The message has the event's id, so that a receiver that gets it twice can tell.
        """
        body = payload(event)
        sent_at = int(time.time())
        try:
            origin, path = parse_url(webhook.url)
            origin = await self._addresses.settle(origin)
            headers = (
                (b"content-type", b"application/json"),
                (b"user-agent", b"aqueduct-webhooks"),
                (b"webhook-id", event.id.encode()),
                (b"webhook-timestamp", str(sent_at).encode()),
                (b"webhook-signature", signature(secrets, event.id, sent_at, body).encode()),
            )
            response = await self._transport.send(UpstreamRequest("POST", origin, path, headers, body), self._timeouts)
        except Forbidden:
            return Answer(error="address_not_public")
        except UpstreamError as error:
            return Answer(error=error.code.removeprefix("upstream_"))
        except TimeoutError:
            return Answer(error="name_not_resolved_in_time")
        except (OSError, UnicodeError, InvalidValue):
            return Answer(error="name_not_resolved")
        try:
            # What the receiver says beside the status interests nobody, and may be endless.
            retry_after = response.header(b"retry-after") or b""
            return Answer(
                status=response.status,
                error=None if 200 <= response.status <= 299 else f"status_{response.status}",
                retry_after_seconds=float(retry_after) if retry_after.isdigit() and len(retry_after) < 7 else 0.0,
            )
        finally:
            response.close()
