"""What can be done with organisations."""

from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.capture_policies import check_policy, require_right
from aqueduct.control.registry import Change, new_id
from aqueduct.domain.actor import Actor
from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.identity import Organisation
from aqueduct.domain.permissions import Resource
from aqueduct.domain.scopes import Kind
from aqueduct.errors import InvalidValue
from aqueduct.storage.aggregates import (
    BUDGETS,
    LIMITS,
    MODEL_RULES,
    ORGANISATIONS,
    SERVICE_ACCOUNTS,
    TEAMS,
    USERS,
    WEBHOOKS,
)
from aqueduct.storage.api_tokens import API_TOKENS


class Organisations(Aggregate[Organisation]):
    """The use cases on organisations."""

    records = ORGANISATIONS
    kind = Kind.ORGANISATION
    noun = "organisation"
    prefix = "org"
    changeable = frozenset({"name", "max_api_tokens_per_user", "requires_terms", "capture"})

    async def create(
        self,
        actor: Actor,
        name: str,
        *,
        max_api_tokens_per_user: int | None = None,
        capture: CapturePolicy | None = None,
    ) -> Organisation:
        """Make an organisation, empty."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            made = Organisation(
                id=new_id(self.prefix),
                name=name,
                max_api_tokens_per_user=max_api_tokens_per_user,
                capture=capture,
                created_at=change.now,
            )
            return await self.add(change, made)

    async def require(self, connection: AsyncConnection, actor: Actor, reference: str | None) -> Organisation:
        """Return the organisation that is meant; without a reference the actor's own, or the only one there is."""
        if reference is None and actor.organisation_id is not None:
            reference = actor.organisation_id
        if reference is not None:
            return await self.find(connection, actor, reference)
        live = await self.records.select(connection, deleted_at=None)
        if len(live) != 1:
            raise InvalidValue(
                "Say which organisation is meant." if live else "There is no organisation yet. Create one first."
            )
        return await self.find(connection, actor, live[0].id)

    @override
    async def resource(self, _connection: AsyncConnection, item: Organisation) -> Resource:
        return Resource(kind=self.kind, organisation_id=item.id)

    @override
    async def check(self, connection: AsyncConnection, item: Organisation) -> None:
        await super().check(connection, item)
        check_quota(item.max_api_tokens_per_user)
        check_policy(item.capture)

    @override
    async def add(self, change: Change, item: Organisation) -> Organisation:
        require_right(change, None, item.capture, organisation_id=item.id)
        return await super().add(change, item)

    @override
    async def replace(
        self, change: Change, before: Organisation, after: Organisation, version: int | None = None
    ) -> Organisation:
        require_right(change, before.capture, after.capture, organisation_id=before.id)
        return await super().replace(change, before, after, version)

    @override
    async def end(self, change: Change, item: Organisation) -> None:
        """Close everything in it with it; what is about them is removed."""
        for records in (TEAMS, USERS, SERVICE_ACCOUNTS):
            await records.close(change.connection, "deleted_at", change.now, organisation_id=item.id)
        await API_TOKENS.close(change.connection, "revoked_at", change.now, organisation_id=item.id)
        for rules in (MODEL_RULES, LIMITS, BUDGETS, WEBHOOKS):
            await rules.remove_where(change.connection, organisation_id=item.id)
        await super().end(change, item)


def check_quota(quota: int | None) -> None:
    """Raise `InvalidValue` for a quota below nothing."""
    if quota is not None and quota < 0:
        raise InvalidValue("A quota of API tokens is 0 or more.")
