"""Finds what a rule, a limit or a budget is about."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Registry
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Teams
from aqueduct.control.users import Users
from aqueduct.domain.actor import Actor
from aqueduct.domain.subject import Subject, SubjectType
from aqueduct.errors import InvalidValue

AGGREGATES: dict[SubjectType, type[Aggregate[Any]]] = {
    SubjectType.ORGANISATION: Organisations,
    SubjectType.TEAM: Teams,
    SubjectType.USER: Users,
    SubjectType.SERVICE_ACCOUNT: ServiceAccounts,
    SubjectType.API_TOKEN: ApiTokens,
}


async def find_subject(
    registry: Registry, connection: AsyncConnection, actor: Actor, kind: SubjectType, reference: str
) -> Subject:
    """Find a subject by its id or name, among what the actor may see.

    An end user is written `ORGANISATION/NAME`, or `ORGANISATION/*` for each one by himself.
    """
    if kind is SubjectType.END_USER:
        organisation, _, name = reference.rpartition("/")
        if not name or not name.isprintable():
            raise InvalidValue("An end user is written ORGANISATION/NAME, or ORGANISATION/* for each one.")
        within = await Organisations(registry).require(connection, actor, organisation or None)
        return Subject(type=kind, id=name, organisation_id=within.id)
    found = await AGGREGATES[kind](registry).find(connection, actor, reference)
    return place(kind, found)


def place(kind: SubjectType, item: Any) -> Subject:
    """Return an object as a subject, with the organisation, team and user it belongs to."""
    return Subject(
        type=kind,
        id=item.id,
        organisation_id=item.id if kind is SubjectType.ORGANISATION else item.organisation_id,
        team_id=item.id if kind is SubjectType.TEAM else getattr(item, "team_id", None),
        user_id=item.id if kind is SubjectType.USER else getattr(item, "user_id", None),
    )
