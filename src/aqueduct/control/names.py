"""What people call the objects that ids mean, for lists: a few queries, however long the list is."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Registry
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Teams
from aqueduct.control.users import Users

NAMED = (Organisations, Teams, Users, ServiceAccounts, ApiTokens)
"""The kinds that have names; the prefix of an id says which it is of."""
PART = 500


async def names_of(registry: Registry, ids: Iterable[str | None]) -> Mapping[str, str]:
    """Return the names of those of the ids that are of something with a name, deleted or not.

    For whoever may see them all: a name is shown wherever its id is.
    """
    wanted = sorted({each for each in ids if each is not None})
    found: dict[str, str] = {}
    async with registry.database.reading() as connection:
        for kind in NAMED:
            table = kind.records.table
            own = [each for each in wanted if each.startswith(f"{kind.prefix}_")]
            for first in range(0, len(own), PART):
                statement = sa.select(table.c.id, table.c.name).where(table.c.id.in_(own[first : first + PART]))
                found.update((each, name) for each, name in await connection.execute(statement))
    return found
