"""Where a declared object is in the database: by which columns it is found, and what it is made with."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.allowances import Budgets, Limits, ModelRules
from aqueduct.control.declared import Declared
from aqueduct.control.organisations import Organisations
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.subjects import place as as_subject
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.users import Users
from aqueduct.control.webhooks import Webhooks
from aqueduct.domain.scopes import Kind
from aqueduct.domain.subject import Subject, SubjectType
from aqueduct.errors import InvalidValue
from aqueduct.storage.aggregates import SERVICE_ACCOUNTS, USERS

AGGREGATES: dict[Kind, type[Aggregate[Any]]] = {
    Kind.ORGANISATION: Organisations,
    Kind.USER: Users,
    Kind.TEAM: Teams,
    Kind.MEMBERSHIP: Memberships,
    Kind.SERVICE_ACCOUNT: ServiceAccounts,
    Kind.MODEL_RULE: ModelRules,
    Kind.LIMIT: Limits,
    Kind.BUDGET: Budgets,
    Kind.WEBHOOK: Webhooks,
}
"""The kinds that can be declared, each after those it may be in."""

SUBJECTS = {
    Kind.ORGANISATION: SubjectType.ORGANISATION,
    Kind.TEAM: SubjectType.TEAM,
    Kind.USER: SubjectType.USER,
    Kind.SERVICE_ACCOUNT: SubjectType.SERVICE_ACCOUNT,
}
LIVE: dict[str, object] = {"deleted_at": None}


@dataclass(frozen=True)
class Place:
    """The columns by which an object is found, and the values that a new one gets from where it is."""

    columns: dict[str, Any]
    values: dict[str, Any]


async def place_of(connection: AsyncConnection, declared: Declared, parent: Any) -> Place | None:
    """Return where an object is, given what it is in; None where it names a user who does not exist (yet)."""
    identity = dict(declared.identity)
    match declared.kind:
        case Kind.ORGANISATION:
            return Place(identity | LIVE, identity)
        case Kind.TEAM | Kind.USER:
            within = identity | {"organisation_id": parent.id}
            return Place(within | LIVE, within)
        case Kind.SERVICE_ACCOUNT:
            within = identity | {"organisation_id": parent.organisation_id}
            for other in await SERVICE_ACCOUNTS.select(connection, **within | LIVE):
                if other.team_id != parent.id:
                    raise InvalidValue(f"The service account `{other.name}` is another team's.")
            within["team_id"] = parent.id
            return Place(within | LIVE, within)
        case Kind.MEMBERSHIP:
            wanted = {"organisation_id": parent.organisation_id, "name": identity["user"]}
            users = await USERS.select(connection, **wanted | LIVE)
            keys = {"team_id": parent.id, "user_id": users[0].id} if users else None
            return None if keys is None else Place(keys, keys | {"organisation_id": parent.organisation_id})
        case Kind.WEBHOOK:
            within = identity | {"organisation_id": None if parent is None else parent.id}
            return Place(within, within)
        case _:
            return place_of_allowance(declared, parent)


def place_of_allowance(declared: Declared, parent: Any) -> Place:
    """Return where a rule, limit or budget is."""
    if declared.end_user is not None:
        subject = Subject(type=SubjectType.END_USER, id=declared.end_user, organisation_id=parent.id)
    else:
        kind = Kind.ORGANISATION if declared.parent is None else declared.parent.kind
        subject = as_subject(SUBJECTS[kind], parent)
    about = {"subject_type": subject.type.value, "subject_id": subject.id, **declared.identity}
    columns = about | {"organisation_id": subject.organisation_id}
    return Place(columns, columns | {"team_id": subject.team_id, "user_id": subject.user_id})
