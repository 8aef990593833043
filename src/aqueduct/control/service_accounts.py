"""What can be done with service accounts."""

from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.registry import Change, new_id
from aqueduct.control.teams import Teams
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import ServiceAccount
from aqueduct.domain.scopes import Kind
from aqueduct.domain.subject import SubjectType
from aqueduct.storage.aggregates import BUDGETS, LIMITS, MODEL_RULES, SERVICE_ACCOUNTS
from aqueduct.storage.api_tokens import API_TOKENS


class ServiceAccounts(Aggregate[ServiceAccount]):
    """The use cases on service accounts."""

    records = SERVICE_ACCOUNTS
    kind = Kind.SERVICE_ACCOUNT
    noun = "service account"
    prefix = "svc"
    changeable = frozenset({"name"})

    async def create(self, actor: Actor, name: str, *, team: str) -> ServiceAccount:
        """Make a service account of a team."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            within = await Teams(self.registry).find(change.connection, actor.unscoped, team)
            made = ServiceAccount(
                id=new_id(self.prefix),
                organisation_id=within.organisation_id,
                team_id=within.id,
                name=name,
                created_at=change.now,
            )
            return await self.add(change, made)

    @override
    async def end(self, change: Change, item: ServiceAccount) -> None:
        """Close its tokens."""
        await API_TOKENS.close(change.connection, "revoked_at", change.now, service_account_id=item.id)
        for records in (MODEL_RULES, LIMITS, BUDGETS):
            await records.remove_where(
                change.connection, subject_type=SubjectType.SERVICE_ACCOUNT.value, subject_id=item.id
            )
        await super().end(change, item)
