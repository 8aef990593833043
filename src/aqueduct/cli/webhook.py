"""`aqueduct webhook`: who is told of events."""

import asyncio
from typing import Annotated

import typer

from aqueduct.cli.filters import OfOrganisation, Search, list_of, naming
from aqueduct.cli.objects import changes_of, show_one
from aqueduct.cli.options import AsJson
from aqueduct.cli.printing import show_instant, show_list
from aqueduct.cli.session import in_workspace, note, settings_for
from aqueduct.control.webhook_addresses import WebhookAddresses
from aqueduct.control.webhook_sender import Answer, WebhookSender
from aqueduct.control.webhooks import NewWebhook, Webhooks
from aqueduct.control.workspace import Workspace, open_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.webhook import EVERY_EVENT
from aqueduct.errors import ControlError
from aqueduct.settings import Settings
from aqueduct.upstream.options import transport_options
from aqueduct.upstream.transport import Transport

commands = typer.Typer(help="Webhooks: who is told of events.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="NAME", help="The webhook's name or id.")]
Events = Annotated[str | None, typer.Option(help="The events it is told of: a,b; all if left out.")]


@commands.command("create")
def create(
    name: Annotated[str, typer.Option(help="What the webhook is called.")],
    url: Annotated[str, typer.Option(help="Where messages are sent.")],
    events: Events = None,
    organisation: Annotated[
        str | None, typer.Option(help="The organisation whose events it is told of; every one's if left out.")
    ] = None,
) -> None:
    """Make a webhook and print its secret, once, alone on standard output."""
    wanted = NewWebhook(name=name, url=url, events=(EVERY_EVENT,) if events is None else parse_events(events))
    created = in_workspace(
        lambda workspace: Webhooks(workspace.registry).create(SYSTEM, wanted, organisation=organisation)
    )
    print(created.secret)
    note(f"Created `{created.webhook.name}` ({created.webhook.id}). The secret is shown only now: keep it safe.")


@commands.command("list")
def list_all(organisation: OfOrganisation = None, search: Search = None, as_json: AsJson = False) -> None:
    """Show the webhooks; never a secret."""
    found, names = list_of(Webhooks, {"organisation_id": organisation}, search)
    named = naming(names)
    columns = {
        "Name": lambda each: each.name,
        "Id": lambda each: each.id,
        "Organisation": lambda each: named(each.organisation_id) or "all",
        "URL": lambda each: each.url,
        "Events": lambda each: each.events,
        "State": lambda each: "active" if each.is_active else "off",
    }
    show_list(found, columns, as_json=as_json)


commands.command("show")(show_one(Webhooks))


@commands.command("change")
def change(
    name: Named,
    rename: Annotated[str | None, typer.Option(help="The new name.")] = None,
    url: Annotated[str | None, typer.Option(help="Where messages are sent from now on.")] = None,
    events: Events = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Switch it on or off.")] = None,
) -> None:
    """Change what a webhook is told, or where."""
    kinds = None if events is None else parse_events(events)
    changes = changes_of({"name": rename, "url": url, "events": kinds, "is_active": active}, None, {})
    changed = in_workspace(lambda workspace: Webhooks(workspace.registry).change(SYSTEM, name, changes))
    note(f"Changed `{changed.name}` ({changed.id}).")


@commands.command("rotate")
def rotate(name: Named) -> None:
    """Give a webhook a new secret and print it, once; for a day messages are signed with the old one too."""
    created = in_workspace(lambda workspace: Webhooks(workspace.registry).rotate(SYSTEM, name))
    print(created.secret)
    note(f"Rotated `{created.webhook.name}` ({created.webhook.id}). The secret is shown only now: keep it safe.")


@commands.command("delete")
def delete(name: Named) -> None:
    """Delete a webhook, and what was yet to be sent to it."""
    deleted = in_workspace(lambda workspace: Webhooks(workspace.registry).delete(SYSTEM, name))
    note(f"Deleted `{deleted.name}` ({deleted.id}).")


@commands.command("test")
def test(name: Named) -> None:
    """Send a test message now, and say what came of it."""
    settings = settings_for()

    async def send() -> Answer:
        async with open_workspace(settings) as workspace:
            return await _send_test(settings, workspace, name)

    answer = asyncio.run(send())
    if not answer.is_accepted:
        raise ControlError(f"The receiver did not take the message: {answer.error}.")
    note(f"The receiver took the message with status {answer.status}.")


@commands.command("deliveries")
def deliveries(name: Named, as_json: AsJson = False) -> None:
    """Show what was sent to a webhook of late, and what came of it."""
    page = in_workspace(lambda workspace: Webhooks(workspace.registry).deliveries(SYSTEM, name))
    columns = {
        "Event": lambda each: each.event.kind,
        "Id": lambda each: each.event.id,
        "Created": lambda each: show_instant(each.delivery.created_at),
        "State": lambda each: each.delivery.state,
        "Attempts": lambda each: each.delivery.attempts,
        "Last answer": lambda each: each.delivery.error or each.delivery.status,
        "Next attempt": lambda each: show_instant(each.delivery.next_attempt_at, ""),
    }
    show_list(page.items, columns, as_json=as_json)


async def _send_test(settings: Settings, workspace: Workspace, name: str) -> Answer:
    options = transport_options(settings)
    transport = Transport(options)
    try:
        sender = WebhookSender(transport, WebhookAddresses(settings.webhook_networks, options))
        return await Webhooks(workspace.registry).test(SYSTEM, name, sender)
    finally:
        await transport.close()


def parse_events(text: str) -> tuple[str, ...]:
    """Split a list of kinds of events."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))
