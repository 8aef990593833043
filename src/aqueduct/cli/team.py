"""`aqueduct team`: teams, and who is in them."""

from typing import Annotated

import typer

from aqueduct.cli.filters import Deleted, OfOrganisation, Search, list_of, naming
from aqueduct.cli.objects import show_one
from aqueduct.cli.options import AsJson, WithinOrganisation
from aqueduct.cli.printing import print_shown, show_instant, show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.users import Users
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Membership, TeamRole, User
from aqueduct.storage.pages import Listing

commands = typer.Typer(help="Teams, and who is in them.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name or id.")]
NamedUser = Annotated[str, typer.Argument(metavar="USER", help="The user's name or id.")]


@commands.command("create")
def create(name: Named, organisation: WithinOrganisation = None) -> None:
    """Make a team and print its id."""
    made = in_workspace(lambda workspace: Teams(workspace.registry).create(SYSTEM, name, organisation=organisation))
    print(made.id)


@commands.command("list")
def list_all(
    organisation: OfOrganisation = None, search: Search = None, deleted: Deleted = False, as_json: AsJson = False
) -> None:
    """Show the teams."""
    found, names = list_of(Teams, {"organisation_id": organisation}, search, with_ended=deleted)
    named = naming(names)
    columns = {
        "Name": lambda each: each.name,
        "Id": lambda each: each.id,
        "Organisation": lambda each: named(each.organisation_id),
        "Created": lambda each: show_instant(each.created_at),
        "Deleted": lambda each: show_instant(each.deleted_at, ""),
    }
    show_list(found, columns, as_json=as_json)


commands.command("show")(show_one(Teams, "TEAM"))


@commands.command("rename")
def rename(name: Named, to: Annotated[str, typer.Argument(metavar="TO", help="Its new name.")]) -> None:
    """Give a team another name."""
    changed = in_workspace(lambda workspace: Teams(workspace.registry).change(SYSTEM, name, {"name": to}))
    note(f"Renamed to `{changed.name}` ({changed.id}).")


@commands.command("delete")
def delete(name: Named) -> None:
    """Close a team with its service accounts and the tokens it pays for; its people and its usage stay."""
    gone = in_workspace(lambda workspace: Teams(workspace.registry).delete(SYSTEM, name))
    note(f"Deleted `{gone.name}` ({gone.id}).")


@commands.command("members")
def members(name: Named, as_json: AsJson = False) -> None:
    """Show who is in a team."""

    async def read(workspace: Workspace) -> list[tuple[Membership, User]]:
        team = await Teams(workspace.registry).read(SYSTEM, name)
        listing = Listing(filters={"team_id": team.id})
        users = Users(workspace.registry)
        found = await Memberships(workspace.registry).everything(SYSTEM, listing)
        return [(each, await users.read(SYSTEM, each.user_id)) for each in found]

    columns = {
        "User": lambda each: each[1].name,
        "Id": lambda each: each[1].id,
        "Role": lambda each: each[0].role,
        "Since": lambda each: show_instant(each[0].created_at),
    }
    found = in_workspace(read)
    if as_json:
        print_shown([membership for membership, _ in found])
    else:
        show_list(found, columns, as_json=False)


@commands.command("add")
def add(
    name: Named,
    user: NamedUser,
    role: Annotated[TeamRole, typer.Option(help="What the user is in the team.")] = TeamRole.MEMBER,
) -> None:
    """Take a user into a team."""
    in_workspace(lambda workspace: Memberships(workspace.registry).create(SYSTEM, name, user, role=role))
    note(f"Added `{user}` to `{name}` as {role.value}.")


@commands.command("role")
def role(
    name: Named,
    user: NamedUser,
    becomes: Annotated[TeamRole, typer.Argument(metavar="ROLE", help="What the user is to be: admin or member.")],
) -> None:
    """Change what a user is in a team."""

    async def run(workspace: Workspace) -> None:
        membership = await find_membership(workspace, name, user)
        await Memberships(workspace.registry).change(SYSTEM, membership, {"role": becomes.value})

    in_workspace(run)
    note(f"`{user}` is {becomes.value} of `{name}`.")


@commands.command("remove")
def remove(name: Named, user: NamedUser) -> None:
    """Take a user out of a team, and close the tokens by which he spent its money."""

    async def run(workspace: Workspace) -> None:
        await Memberships(workspace.registry).delete(SYSTEM, await find_membership(workspace, name, user))

    in_workspace(run)
    note(f"Removed `{user}` from `{name}`.")


async def find_membership(workspace: Workspace, team: str, user: str) -> str:
    """Return what the membership of a user in a team is called."""
    within = await Teams(workspace.registry).read(SYSTEM, team)
    member = await Users(workspace.registry).read(SYSTEM, user, organisation_id=within.organisation_id)
    return f"{within.id}/{member.id}"
