"""`aqueduct user`: people."""

from dataclasses import dataclass
from typing import Annotated

import typer

from aqueduct.cli.objects import Clearable, changes_of, clearing, show_one
from aqueduct.cli.options import AsJson, WithinOrganisation, spread
from aqueduct.cli.printing import show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.bulk import create_users
from aqueduct.control.users import NewUser, Users
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Role

commands = typer.Typer(help="Users: people, each in one organisation.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="NAME", help="The user's name or id.")]
Email = Annotated[str | None, typer.Option(help="An e-mail address, unique in the organisation.")]
Quota = Annotated[int | None, typer.Option(help="How many API tokens the user may have.")]
CLEARABLE: Clearable = {"email": ("email", None), "max-tokens": ("max_api_tokens", None)}


@commands.command("create")
def create(
    name: Named,
    email: Email = None,
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.MEMBER,
    max_tokens: Quota = None,
    organisation: WithinOrganisation = None,
) -> None:
    """Make a user and print its id."""
    wanted = NewUser(name=name, email=email, role=role, max_api_tokens=max_tokens)
    made = in_workspace(lambda workspace: Users(workspace.registry).create(SYSTEM, wanted, organisation=organisation))
    print(made.id)


@commands.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show every user."""
    found = in_workspace(lambda workspace: Users(workspace.registry).everything(SYSTEM))
    columns = {
        "Name": lambda each: each.name,
        "Id": lambda each: each.id,
        "E-mail": lambda each: each.email,
        "Role": lambda each: each.role,
        "Organisation": lambda each: each.organisation_id,
        "State": lambda each: "active" if each.is_active else "inactive",
    }
    show_list(found, columns, as_json=as_json)


commands.command("show")(show_one(Users))


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What can be changed of a user."""

    name: Named
    rename: Annotated[str | None, typer.Option(help="The new name.")] = None
    email: Email = None
    role: Annotated[Role | None, typer.Option(help="What the user may do.")] = None
    active: Annotated[bool | None, typer.Option(help="Whether the user's tokens work.")] = None
    max_tokens: Quota = None
    clear: Annotated[str | None, clearing(CLEARABLE)] = None


@commands.command("change")
@spread
def change(wanted: Changes) -> None:
    """Change what is given of a user."""
    given = {
        "name": wanted.rename,
        "email": wanted.email,
        "role": wanted.role,
        "is_active": wanted.active,
        "max_api_tokens": wanted.max_tokens,
    }
    changes = changes_of(given, wanted.clear, CLEARABLE)
    changed = in_workspace(lambda workspace: Users(workspace.registry).change(SYSTEM, wanted.name, changes))
    note(f"Changed `{changed.name}` ({changed.id}).")


@commands.command("delete")
def delete(name: Named) -> None:
    """Delete a user and close the user's tokens; the usage stays."""
    gone = in_workspace(lambda workspace: Users(workspace.registry).delete(SYSTEM, name))
    note(f"Deleted `{gone.name}` ({gone.id}).")


@commands.command("import")
def import_all(
    file: Annotated[typer.FileText, typer.Argument(help="CSV with the columns name, email, role, teams; - reads it.")],
    organisation: WithinOrganisation = None,
) -> None:
    """Make a user for each row of a CSV file, or none, and print their ids."""
    text = file.read()
    made = in_workspace(lambda workspace: create_users(workspace.registry, SYSTEM, text, organisation=organisation))
    for user in made:
        print(user.id)
    note(f"Made {len(made)} users.")
