"""`aqueduct organisation`: tenants."""

from typing import Annotated

import msgspec
import typer

from aqueduct.cli.filters import Deleted, Search, list_of
from aqueduct.cli.objects import Clearable, changes_of, clearing, show_one
from aqueduct.cli.options import CAPTURE_HELP, AsJson
from aqueduct.cli.printing import show_instant, show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.capture_policies import parse_policy
from aqueduct.control.organisations import Organisations
from aqueduct.domain.actor import SYSTEM

commands = typer.Typer(help="Organisations: tenants, apart from each other in everything.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="NAME", help="The organisation's name or id.")]
Quota = Annotated[int | None, typer.Option(help="How many API tokens each of its users may have.")]
CLEARABLE: Clearable = {"max-tokens-per-user": ("max_api_tokens_per_user", None), "capture": ("capture", None)}


@commands.command("create")
def create(name: Named, max_tokens_per_user: Quota = None) -> None:
    """Make an organisation and print its id."""
    made = in_workspace(
        lambda workspace: Organisations(workspace.registry).create(
            SYSTEM, name, max_api_tokens_per_user=max_tokens_per_user
        )
    )
    print(made.id)


@commands.command("list")
def list_all(search: Search = None, deleted: Deleted = False, as_json: AsJson = False) -> None:
    """Show the organisations."""
    found, _ = list_of(Organisations, {}, search, with_ended=deleted)
    columns = {
        "Name": lambda each: each.name,
        "Id": lambda each: each.id,
        "Tokens a user": lambda each: each.max_api_tokens_per_user,
        "Terms": lambda each: each.requires_terms,
        "Captured": lambda each: None if each.capture is None else each.capture.is_on,
        "Created": lambda each: show_instant(each.created_at),
        "Deleted": lambda each: show_instant(each.deleted_at, ""),
    }
    show_list(found, columns, as_json=as_json)


commands.command("show")(show_one(Organisations))


@commands.command("change")
def change(
    name: Named,
    rename: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    max_tokens_per_user: Quota = None,
    requires_terms: Annotated[bool | None, typer.Option(help="Whether its terms must be accepted.")] = None,
    capture: Annotated[str | None, typer.Option(help=CAPTURE_HELP)] = None,
    clear: Annotated[str | None, clearing(CLEARABLE)] = None,
) -> None:
    """Change what is given of an organisation."""
    given = {
        "name": rename,
        "max_api_tokens_per_user": max_tokens_per_user,
        "requires_terms": requires_terms,
        "capture": None if capture is None else msgspec.to_builtins(parse_policy(capture)),
    }
    changes = changes_of(given, clear, CLEARABLE)
    changed = in_workspace(lambda workspace: Organisations(workspace.registry).change(SYSTEM, name, changes))
    note(f"Changed `{changed.name}` ({changed.id}).")


@commands.command("delete")
def delete(name: Named) -> None:
    """Close an organisation with all its teams, users, service accounts and tokens; its usage stays."""
    gone = in_workspace(lambda workspace: Organisations(workspace.registry).delete(SYSTEM, name))
    note(f"Deleted `{gone.name}` ({gone.id}).")
