"""`aqueduct user`: people."""

import enum
from dataclasses import dataclass
from typing import Annotated

import typer

from aqueduct.cli.filters import Names, OfOrganisation, OfTeam, Search, columns_of, naming, read_list
from aqueduct.cli.objects import Clearable, changes_of, clearing, show_one
from aqueduct.cli.options import AsJson, WithinOrganisation, spread
from aqueduct.cli.printing import show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.bulk import create_users
from aqueduct.control.one_time_links import OneTimeLinks, link_of
from aqueduct.control.teams import Memberships
from aqueduct.control.users import NewUser, Users
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Role, User
from aqueduct.domain.session import Purpose
from aqueduct.storage.pages import MAX_SIZE, Listing

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


class UserState(enum.StrEnum):
    """How a user is."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class UserFilters:
    """Which users are listed."""

    organisation: OfOrganisation = None
    team: OfTeam = None
    email: Annotated[str | None, typer.Option(help="Only the one with this address.")] = None
    role: Annotated[Role | None, typer.Option(help="Only those with this role.")] = None
    status: Annotated[UserState | None, typer.Option(help="Only those in this state; all but deleted ones.")] = None
    search: Search = None
    as_json: AsJson = False

    async def read(self, workspace: Workspace) -> tuple[list[User], Names]:
        """Read the users."""
        given = {"organisation_id": self.organisation, "team_id": self.team}
        filters: dict[str, object] = dict(await columns_of(workspace, given))
        if (team_id := filters.pop("team_id", None)) is not None:
            members = await Memberships(workspace.registry).everything(
                SYSTEM, Listing(filters={"team_id": team_id}, size=MAX_SIZE)
            )
            filters["id"] = [each.user_id for each in members]
        own = {"email": self.email, "role": self.role and self.role.value}
        filters |= {name: value for name, value in own.items() if value is not None}
        is_gone = self.status is UserState.DELETED
        found, names = await read_list(workspace, Users, filters, self.search, with_ended=is_gone)
        return [each for each in found if self.status in (None, state(each))], names


@commands.command("list")
@spread
def list_all(wanted: UserFilters) -> None:
    """Show the users."""
    found, names = in_workspace(wanted.read)
    named = naming(names)
    columns = {
        "Name": lambda each: each.name,
        "Id": lambda each: each.id,
        "E-mail": lambda each: each.email,
        "Role": lambda each: each.role,
        "Organisation": lambda each: named(each.organisation_id),
        "State": state,
    }
    show_list(found, columns, as_json=wanted.as_json)


def state(user: User) -> UserState:
    """Say whether a user's tokens may work."""
    if user.deleted_at is not None:
        return UserState.DELETED
    return UserState.ACTIVE if user.is_active else UserState.INACTIVE


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


@commands.command("sign-in-link")
def sign_in_link(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Users' names, ids or e-mail addresses.")],
    invite: Annotated[bool, typer.Option("--invite", help="It works for a week instead of an hour.")] = False,
    url: Annotated[str, typer.Option(help="Where browsers find the gateway.")] = "http://localhost:8000",
) -> None:
    """Print a link for each user that signs in once, to choose a password."""
    purpose = Purpose.INVITATION if invite else Purpose.SIGN_IN

    async def create(workspace: Workspace) -> list[str]:
        links = OneTimeLinks(workspace.registry)
        return [await links.create(SYSTEM, name, purpose) for name in names]

    for value in in_workspace(create):
        print(link_of(url, value))


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
