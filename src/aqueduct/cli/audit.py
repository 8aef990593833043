"""`aqueduct audit`: who changed what."""

import sys
import time
from typing import Annotated

import msgspec
import typer

from aqueduct.cli.options import AsJson
from aqueduct.cli.printing import show_instant, show_list
from aqueduct.cli.session import in_workspace
from aqueduct.control.audit import AuditLog, written
from aqueduct.control.periods import parse_start
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.storage.pages import Listing

commands = typer.Typer(help="The audit log: who changed what, when and from where.", invoke_without_command=True)

About = Annotated[str | None, typer.Option("--object", help="Only changes of the object with this id.")]


@commands.callback()
def show_newest(
    context: typer.Context,
    about: About = None,
    count: Annotated[int, typer.Option(help="How many of the newest to show.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the newest changes."""
    if context.invoked_subcommand is not None:
        return
    filters = {} if about is None else {"object_id": about}
    listing = Listing(filters=filters, sort="-happened_at", size=count)
    page = in_workspace(lambda workspace: AuditLog(workspace.registry).page(SYSTEM, listing))
    columns = {
        "When": lambda each: show_instant(each.happened_at),
        "Who": lambda each: each.actor_name,
        "From": lambda each: each.address,
        "Did": lambda each: each.action,
        "What": lambda each: each.object_type,
        "Which": lambda each: each.object_id,
    }
    show_list(page.items, columns, as_json=as_json)


@commands.command("export")
def export(
    since: Annotated[str | None, typer.Option(help="From when on: 7d (before now), 12h or 2026-12-31.")] = None,
    about: About = None,
) -> None:
    """Print every change, before and after, as a line of JSON each, the oldest first."""
    start = None if since is None else parse_start(since, time.time())
    filters = {} if about is None else {"object_id": about}

    async def run(workspace: Workspace) -> None:
        listing = Listing(filters=filters, sort="happened_at", size=1000, since=start)
        async for entry in AuditLog(workspace.registry).export(SYSTEM, listing):
            sys.stdout.write(msgspec.json.encode(written(entry)).decode() + "\n")

    in_workspace(run)
