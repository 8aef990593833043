"""`aqueduct service-account`: programs that call in the name of a team."""

from typing import Annotated

import typer

from aqueduct.cli.filters import Deleted, OfOrganisation, OfTeam, Search, list_of, naming
from aqueduct.cli.objects import show_one
from aqueduct.cli.options import AsJson
from aqueduct.cli.printing import show_instant, show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.domain.actor import SYSTEM

commands = typer.Typer(help="Service accounts: programs, each of one team.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="NAME", help="The service account's name or id.")]


@commands.command("create")
def create(name: Named, team: Annotated[str, typer.Option(help="The team's name or id.")]) -> None:
    """Make a service account and print its id."""
    made = in_workspace(lambda workspace: ServiceAccounts(workspace.registry).create(SYSTEM, name, team=team))
    print(made.id)


@commands.command("list")
def list_all(
    organisation: OfOrganisation = None,
    team: OfTeam = None,
    search: Search = None,
    deleted: Deleted = False,
    as_json: AsJson = False,
) -> None:
    """Show the service accounts."""
    owners = {"organisation_id": organisation, "team_id": team}
    found, names = list_of(ServiceAccounts, owners, search, with_ended=deleted)
    named = naming(names)
    columns = {
        "Name": lambda each: each.name,
        "Id": lambda each: each.id,
        "Team": lambda each: named(each.team_id),
        "Organisation": lambda each: named(each.organisation_id),
        "Created": lambda each: show_instant(each.created_at),
        "Deleted": lambda each: show_instant(each.deleted_at, ""),
    }
    show_list(found, columns, as_json=as_json)


commands.command("show")(show_one(ServiceAccounts))


@commands.command("rename")
def rename(name: Named, to: Annotated[str, typer.Argument(metavar="TO", help="Its new name.")]) -> None:
    """Give a service account another name."""
    changed = in_workspace(lambda workspace: ServiceAccounts(workspace.registry).change(SYSTEM, name, {"name": to}))
    note(f"Renamed to `{changed.name}` ({changed.id}).")


@commands.command("delete")
def delete(name: Named) -> None:
    """Delete a service account and close its tokens; its usage stays."""
    gone = in_workspace(lambda workspace: ServiceAccounts(workspace.registry).delete(SYSTEM, name))
    note(f"Deleted `{gone.name}` ({gone.id}).")
