"""What can be done with teams, and with who is in them."""

from collections.abc import Mapping

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Change, new_id
from aqueduct.control.users import Users
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import Membership, Team, TeamRole
from aqueduct.domain.permissions import Resource
from aqueduct.domain.scopes import Kind
from aqueduct.storage.aggregates import BUDGETS, LIMITS, MEMBERSHIPS, MODEL_RULES, SERVICE_ACCOUNTS, TEAMS, USERS
from aqueduct.storage.api_tokens import API_TOKENS


class Teams(Aggregate[Team]):
    """The use cases on teams."""

    records = TEAMS
    kind = Kind.TEAM
    noun = "team"
    prefix = "team"
    changeable = frozenset({"name"})

    async def create(self, actor: Actor, name: str, *, organisation: str | None = None) -> Team:
        """Make a team, empty."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            within = await Organisations(self.registry).require(change.connection, actor.unscoped, organisation)
            made = Team(id=new_id(self.prefix), organisation_id=within.id, name=name, created_at=change.now)
            return await self.add(change, made)

    @override
    async def resource(self, _connection: AsyncConnection, item: Team) -> Resource:
        return Resource(kind=self.kind, organisation_id=item.organisation_id, team_ids=frozenset({item.id}))

    @override
    async def end(self, change: Change, item: Team) -> None:
        """Close its service accounts and every token that it pays for; its people stay."""
        await SERVICE_ACCOUNTS.close(change.connection, "deleted_at", change.now, team_id=item.id)
        await API_TOKENS.close(change.connection, "revoked_at", change.now, team_id=item.id)
        for records in (MEMBERSHIPS, MODEL_RULES, LIMITS, BUDGETS):
            await records.remove_where(change.connection, team_id=item.id)
        await super().end(change, item)


class Memberships(Aggregate[Membership]):
    """The use cases on who is in which team; a reference is `TEAM_ID/USER_ID`."""

    records = MEMBERSHIPS
    kind = Kind.MEMBERSHIP
    noun = "membership"
    prefix = "membership"
    changeable = frozenset({"role"})
    ended = None

    async def create(self, actor: Actor, team: str, user: str, *, role: TeamRole = TeamRole.MEMBER) -> Membership:
        """Take a user of the team's organisation into the team."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            return await self.add_new(change, team, user, role)

    async def add_new(
        self, change: Change, team: str, user: str, role: TeamRole = TeamRole.MEMBER, *, organisation: str | None = None
    ) -> Membership:
        """Take a user in, in a transaction that is open; `organisation` (its id) says where the team is looked for."""
        within = await Teams(self.registry).find(
            change.connection, change.actor.unscoped, team, organisation_id=organisation
        )
        made = Membership(
            team_id=within.id,
            user_id=await self._find_user(change, within, user),
            organisation_id=within.organisation_id,
            role=role,
            created_at=change.now,
        )
        return await self.add(change, made)

    @property
    @override
    def taken(self) -> str:
        return "This user is in the team already."

    @override
    def merge(self, before: Membership, changes: Mapping[str, object]) -> Membership:
        # What somebody changes by hand is his from then on: no rule takes it back.
        return msgspec.structs.replace(super().merge(before, changes), given_by=None)

    @override
    async def end(self, change: Change, item: Membership) -> None:
        """Close the tokens by which the user spent the team's money."""
        await API_TOKENS.close(change.connection, "revoked_at", change.now, team_id=item.team_id, user_id=item.user_id)
        await super().end(change, item)

    async def _find_user(self, change: Change, team: Team, reference: str) -> str:
        # Whoever leads a team takes people in by their names, without being shown everybody in the organisation.
        for name in ("id", "name"):
            columns = {name: reference, "organisation_id": team.organisation_id, "deleted_at": None}
            if found := await USERS.select(change.connection, **columns):
                return found[0].id
        return (await Users(self.registry).find(change.connection, change.actor.unscoped, reference)).id
