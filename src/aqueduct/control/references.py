"""Names of owners in the place of ids, for whoever narrows a list or a report of usage by them."""

from collections.abc import Mapping
from typing import Any

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Registry
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Teams
from aqueduct.control.users import Users
from aqueduct.domain.actor import Actor
from aqueduct.domain.permissions import reach
from aqueduct.errors import InvalidValue, NotFound
from aqueduct.storage.pages import Listing, read_page

OWNERS: Mapping[str, type[Aggregate[Any]]] = {
    "organisation_id": Organisations,
    "team_id": Teams,
    "user_id": Users,
    "service_account_id": ServiceAccounts,
    "api_token_id": ApiTokens,
}
"""The columns that say whose something is; the widest first, since the others' names are looked for within it."""


async def resolve(registry: Registry, actor: Actor, values: Mapping[str, str]) -> dict[str, str]:
    """Return values of columns with ids in the place of the names of owners; other columns' values stay.

    What was deleted is found too, if nothing that is there has the name. Raises `NotFound` for a name that nothing has,
    `InvalidValue` for one that several have.
    """
    found = dict(values)
    for column, kind in OWNERS.items():
        value = found.get(column)
        if value is not None and not value.startswith(f"{kind.prefix}_"):
            organisation_id = found.get("organisation_id") if column != "organisation_id" else None
            found[column] = await find_id(kind(registry), actor, value, organisation_id)
    return found


async def find_id(aggregate: Aggregate[Any], actor: Actor, name: str, organisation_id: str | None) -> str:
    """Return the id of what has a name."""
    filters = {"name": name} | ({} if organisation_id is None else {"organisation_id": organisation_id})
    listing = Listing(filters=filters, size=1000, with_ended=True)
    async with aggregate.registry.database.reading() as connection:
        page = await read_page(connection, aggregate.records, listing, reach(actor, aggregate.kind), aggregate.ended)
    live = [each for each in page.items if getattr(each, aggregate.ended or "") is None]
    meant = live or page.items
    if not meant:
        raise NotFound(f"There is no {aggregate.noun} `{name}`.")
    if len(meant) > 1:
        raise InvalidValue(f"There is more than one {aggregate.noun} `{name}`. Give its id, or its organisation too.")
    return str(meant[0].id)
