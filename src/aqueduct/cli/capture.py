"""`aqueduct capture`: prompts and answers that were kept."""

import time
from typing import Annotated

import typer

from aqueduct.cli.options import AsJson
from aqueduct.cli.printing import print_one, show_instant, show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.captures import Captures
from aqueduct.control.periods import parse_start
from aqueduct.domain.actor import SYSTEM
from aqueduct.storage.pages import Listing

commands = typer.Typer(help="Prompts and answers that were captured, where a policy asks for it.", no_args_is_help=True)

Requested = Annotated[str, typer.Argument(metavar="REQUEST", help="The request's id: its `x-request-id`.")]


@commands.command("list")
def list_newest(
    token_id: Annotated[str | None, typer.Option("--token", help="Only those of the token with this id.")] = None,
    user_id: Annotated[str | None, typer.Option("--user", help="Only those of the user with this id.")] = None,
    since: Annotated[str | None, typer.Option(help="From when on: 7d (before now), 12h or 2026-12-31.")] = None,
    count: Annotated[int, typer.Option(help="How many of the newest to show.", min=1, max=1000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the newest captures, without what was said."""
    given = {"api_token_id": token_id, "user_id": user_id}
    listing = Listing(
        filters={column: value for column, value in given.items() if value is not None},
        sort="-started_at",
        size=count,
        since=None if since is None else parse_start(since, time.time()),
    )
    page = in_workspace(lambda workspace: Captures(workspace.registry).page(SYSTEM, listing))
    columns = {
        "When": lambda each: show_instant(each.started_at),
        "Request": lambda each: each.id,
        "Token": lambda each: each.api_token_id,
        "Model": lambda each: each.model,
        "Status": lambda each: each.status,
        "Ending": lambda each: each.ending,
        "Prompt": lambda each: each.prompt_omission or each.prompt_bytes,
        "Answer": lambda each: each.answer_omission or each.answer_bytes,
        "Until": lambda each: show_instant(each.expires_at),
    }
    show_list(page.items, columns, as_json=as_json)


@commands.command("show")
def show(request: Requested) -> None:
    """Print what a request said and was answered, as JSON; that you did is in the audit log."""
    print_one(in_workspace(lambda workspace: Captures(workspace.registry).read(SYSTEM, request)))


@commands.command("delete")
def delete(request: Requested) -> None:
    """Delete what was captured of a request; its usage stays."""
    gone = in_workspace(lambda workspace: Captures(workspace.registry).delete(SYSTEM, request))
    note(f"Deleted the capture of {gone.id}.")
