"""The filters of lists, as options that several commands share, and the names of those whose the entries are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from aqueduct.cli.session import in_workspace
from aqueduct.control.aggregate import Aggregate
from aqueduct.control.names import names_of
from aqueduct.control.references import resolve
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.subject import SubjectType
from aqueduct.domain.versioned import Versioned
from aqueduct.storage.pages import MAX_SIZE, Listing

Item = TypeVar("Item", bound=Versioned)
Names = Mapping[str, str]

OfOrganisation = Annotated[str | None, typer.Option("--organisation", help="Only those of this organisation.")]
OfTeam = Annotated[str | None, typer.Option("--team", help="Only those of this team.")]
OfUser = Annotated[str | None, typer.Option("--user", help="Only those of this user.")]
Search = Annotated[str | None, typer.Option("--search", help="Only those with this in their names.")]
Deleted = Annotated[bool, typer.Option("--deleted", help="Deleted ones too.")]

OWNERS = ("organisation_id", "team_id", "user_id", "service_account_id", "subject_id")


@dataclass(frozen=True, kw_only=True)
class SubjectFilters:
    """Whose rules, limits or budgets are listed: all that belong to someone, with those of his tokens."""

    organisation: OfOrganisation = None
    team: OfTeam = None
    user: OfUser = None
    service_account: Annotated[str | None, typer.Option(help="Only those of this service account itself.")] = None
    token: Annotated[str | None, typer.Option(help="Only those of this token itself.")] = None
    of: Annotated[SubjectType | None, typer.Option(help="Only those of this kind of subject.")] = None

    async def columns(self, workspace: Workspace) -> dict[str, object]:
        """Return the columns that must have a value."""
        given = {
            "organisation_id": self.organisation,
            "team_id": self.team,
            "user_id": self.user,
            "service_account_id": self.service_account,
            "api_token_id": self.token,
        }
        found: dict[str, object] = dict(await columns_of(workspace, given))
        for kind in (SubjectType.SERVICE_ACCOUNT, SubjectType.API_TOKEN):
            subject_id = found.pop(f"{kind}_id", None)
            if subject_id is not None:
                found |= {"subject_type": kind.value, "subject_id": subject_id}
        return found if self.of is None else {"subject_type": self.of.value} | found


async def columns_of(workspace: Workspace, given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the ids of the owners that are given by names or ids."""
    return await resolve(
        workspace.registry, SYSTEM, {name: value for name, value in given.items() if value is not None}
    )


async def read_list(
    workspace: Workspace,
    aggregate: type[Aggregate[Item]],
    filters: Mapping[str, object],
    search: str | None = None,
    *,
    with_ended: bool = False,
) -> tuple[list[Item], Names]:
    """Read a whole list, and the names of those whose its entries are."""
    listing = Listing(filters=filters, search=search, size=MAX_SIZE, with_ended=with_ended)
    found = await aggregate(workspace.registry).everything(SYSTEM, listing)
    return found, await names_of(workspace.registry, owners_of(found))


def owners_of(items: Sequence[Any]) -> set[str | None]:
    """Return the ids of all whose something is."""
    return {getattr(item, name, None) for item in items for name in OWNERS}


def list_of(
    aggregate: type[Aggregate[Item]],
    given: Mapping[str, str | None],
    search: str | None = None,
    *,
    with_ended: bool = False,
    **columns: object,
) -> tuple[list[Item], Names]:
    """Read a list by the owners that are given by names or ids, and by columns where they are not None."""

    async def read(workspace: Workspace) -> tuple[list[Item], Names]:
        wanted = {name: value for name, value in columns.items() if value is not None}
        filters = {**await columns_of(workspace, given), **wanted}
        return await read_list(workspace, aggregate, filters, search, with_ended=with_ended)

    return in_workspace(read)


def naming(names: Names) -> Callable[[str | None], str]:
    """Return what writes an id with its name before it."""
    return lambda each: "" if each is None else f"{names[each]} ({each})" if each in names else each
