"""The endpoints of webhooks."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.admin_api.webhooks.schemas import (
    DeliveryQuery,
    DeliveryView,
    NewWebhookBody,
    WebhookChanges,
    WebhookMade,
    WebhookQuery,
    WebhookView,
    show_delivery,
)
from aqueduct.control.webhooks import CreatedWebhook, Webhooks
from aqueduct.domain.scopes import Kind

router = new_router("webhooks")
Reading = Annotated[Desk, reads(Kind.WEBHOOK)]
Writing = Annotated[Desk, writes(Kind.WEBHOOK)]


@router.get("")
async def list_webhooks(desk: Reading, query: Annotated[WebhookQuery, Query()]) -> ListOf[WebhookView]:
    """List the webhooks that you may see."""
    return await desk.page(Webhooks, query.listing(), WebhookView)


@router.post("", status_code=201)
async def create_webhook(desk: Writing, body: NewWebhookBody) -> WebhookMade:
    """Make a webhook with a secret of its own, which signs every message to it."""
    made = await Webhooks(desk.registry).create(desk.actor, body.wanted, organisation=body.organisation)
    return show_made(desk, made)


@router.get("/{webhook}")
async def read_webhook(desk: Reading, webhook: str) -> WebhookView:
    """Read a webhook by its id or name."""
    return await desk.read(Webhooks, webhook, WebhookView)


@router.patch("/{webhook}")
async def change_webhook(desk: Writing, webhook: str, body: WebhookChanges, if_match: IfMatch = None) -> WebhookView:
    """Change a webhook."""
    return await desk.change(Webhooks, webhook, body, if_match, WebhookView)


@router.delete("/{webhook}")
async def delete_webhook(desk: Writing, webhook: str, if_match: IfMatch = None) -> WebhookView:
    """Delete a webhook, and what was yet to be sent to it; answers what it was."""
    return await desk.delete(Webhooks, webhook, if_match, WebhookView)


@router.post("/{webhook}/rotate")
async def rotate_webhook(desk: Writing, webhook: str) -> WebhookMade:
    """Give a webhook a new secret; for a day messages are signed with the old one too."""
    return show_made(desk, await Webhooks(desk.registry).rotate(desk.actor, webhook))


@router.post("/{webhook}/test", status_code=202)
async def test_webhook(desk: Writing, webhook: str) -> DeliveryView:
    """Send a message of the kind `webhook.test`, within seconds and once; its deliveries say what came of it."""
    return show_delivery(await Webhooks(desk.registry).queue_test(desk.actor, webhook))


@router.get("/{webhook}/deliveries")
async def list_webhook_deliveries(
    desk: Reading, webhook: str, query: Annotated[DeliveryQuery, Query()]
) -> ListOf[DeliveryView]:
    """List what was sent to a webhook in the last 30 days, and what is yet to be, the newest first."""
    page = await Webhooks(desk.registry).deliveries(desk.actor, webhook, query.listing())
    return ListOf(data=[show_delivery(each) for each in page.items], next_cursor=page.next_cursor)


def show_made(desk: Desk, created: CreatedWebhook) -> WebhookMade:
    """Show a webhook with its secret, which no cache may keep."""
    desk.response.headers["cache-control"] = "no-store"
    shown = desk.show(created.webhook, WebhookView)
    return WebhookMade(**shown.model_dump(), secret=created.secret)
