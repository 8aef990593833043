"""Many users or tokens in one transaction: what each needs to know is read for all at once, and all are stored at once.

Each is checked as the use case for a single one does it, with the same words, by what is in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import sqlalchemy as sa

from aqueduct.control.api_tokens import ApiTokens, CreatedToken, new_value, resource_of, taken
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken, Owners, find_owners, not_in_team, over_quota
from aqueduct.control.registry import Change, Registry
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.users import NewUser, Users
from aqueduct.control.users import resource_of as resource_of_user
from aqueduct.domain.identity import Membership, Role, Team, User
from aqueduct.domain.permissions import Action, Resource, may
from aqueduct.domain.scopes import Kind
from aqueduct.errors import AlreadyExists, ControlError, InvalidValue, NotFound
from aqueduct.storage import api_tokens
from aqueduct.storage.aggregates import MEMBERSHIPS, ORGANISATIONS, USERS
from aqueduct.storage.instants import to_microseconds
from aqueduct.storage.tables import api_tokens as tokens_table
from aqueduct.storage.tables import memberships, users

PART = 200
"""How many are read or stored by a statement: few enough to let others have the event loop in between."""

Found = TypeVar("Found")


def parts(items: Iterable[Found]) -> Iterator[list[Found]]:
    """Cut into parts of a statement's size."""
    rest = list(items)
    for first in range(0, len(rest), PART):
        yield rest[first : first + PART]


class Memo(Generic[Found]):
    """What was found by what was asked for once, or why it was not."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Found | ControlError] = {}

    async def get(self, asked: Hashable, find: Callable[[], Awaitable[Found]]) -> Found:
        """Return what is meant; raises what finding it raised."""
        if asked not in self._known:
            try:
                self._known[asked] = await find()
            except ControlError as error:
                self._known[asked] = error
        found = self._known[asked]
        if isinstance(found, ControlError):
            raise found
        return found


class UserBatch:
    """Users of one organisation who are to be made, each with his teams."""

    def __init__(self, registry: Registry, change: Change, organisation_id: str) -> None:
        self._registry = registry
        self._change = change
        self._organisation_id = organisation_id
        self._users = Users(registry)
        self._memberships = Memberships(registry)
        self._taken: set[tuple[str, str]] = set()
        self._teams = Memo[Team]()
        self._made: list[User] = []
        self._members: list[Membership] = []

    async def read(self, names: Collection[str], emails: Collection[str]) -> None:
        """Read which of the names and addresses are given already."""
        for column, values in (("name", names), ("email", emails)):
            for part in parts({each for each in values if each.isprintable()}):
                statement = sa.select(users.c[column]).where(
                    users.c.organisation_id == self._organisation_id,
                    users.c.deleted_at.is_(None),
                    users.c[column].in_(part),
                )
                self._taken |= {(column, value) for value in await self._change.connection.scalars(statement)}

    async def add(self, wanted: NewUser, teams: Sequence[str]) -> User:
        """Add a user, unless he cannot be or the actor may not; nothing is stored yet."""
        made = self._users.new(self._change, wanted, self._organisation_id)
        keys = {("name", made.name)} | (set() if made.email is None else {("email", made.email)})
        if keys & self._taken:
            raise AlreadyExists(self._users.taken)
        await self._users.check(self._change.connection, made)
        self._users.authorise_on(self._change, Action.CREATE, resource_of_user(made, frozenset()))
        self._taken |= keys
        members = [await self._member(made, team) for team in teams]
        self._made.append(made)
        self._members += members
        return made

    async def _member(self, user: User, reference: str) -> Membership:
        team = await self._teams.get(
            reference, lambda: _find_team(self._registry, self._change, reference, self._organisation_id)
        )
        team_ids = frozenset({team.id})
        place = Resource(kind=Kind.MEMBERSHIP, organisation_id=team.organisation_id, team_ids=team_ids, user_id=user.id)
        self._memberships.authorise_on(self._change, Action.CREATE, place)
        return Membership(
            team_id=team.id, user_id=user.id, organisation_id=team.organisation_id, created_at=self._change.now
        )

    async def store(self) -> None:
        """Store all of them."""
        connection = self._change.connection
        for made in parts(self._made):
            await USERS.add(connection, *made)
            await self._change.record_made(Kind.USER, made)
        for members in parts(self._members):
            await MEMBERSHIPS.add(connection, *members)
            await self._change.record_made(Kind.MEMBERSHIP, members)


class UserDirectory:
    """Users by their ids and names, as far as an actor may see them."""

    def __init__(self, change: Change) -> None:
        self._change = change
        self._by_id: dict[str, User] = {}
        self._by_name: dict[str, list[User]] = {}
        self._team_ids: dict[str, set[str]] = {}

    async def read(self, references: Collection[str]) -> None:
        """Read those whom any of the references may mean, and their teams; they stay as they are until the end."""
        connection, actor = self._change.connection, self._change.actor.unscoped
        found: dict[str, User] = {}
        for part in parts(sorted({each for each in references if each.isprintable()})):
            is_meant = sa.or_(users.c.id.in_(part), users.c.name.in_(part) & users.c.deleted_at.is_(None))
            # Locked in one order, so that tokens made at the same moment are counted one after the other.
            statement = sa.select(*USERS.columns).where(is_meant).order_by(users.c.id).with_for_update()
            rows = (await connection.execute(statement)).mappings()
            found |= {user.id: user for user in map(USERS.read, rows)}
        for part in parts(found):
            statement = sa.select(memberships.c.user_id, memberships.c.team_id).where(memberships.c.user_id.in_(part))
            for user_id, team_id in await connection.execute(statement):
                self._team_ids.setdefault(user_id, set()).add(team_id)
        for user in found.values():
            if may(actor, Action.READ, resource_of_user(user, frozenset(self.team_ids(user)))):
                self._by_id[user.id] = user
                if user.deleted_at is None:
                    self._by_name.setdefault(user.name, []).append(user)

    @property
    def everybody(self) -> Collection[User]:
        """All who were found."""
        return self._by_id.values()

    def team_ids(self, user: User) -> Collection[str]:
        """Return the ids of the teams that a user is in."""
        return self._team_ids.get(user.id, ())

    def find(self, reference: str) -> User:
        """Find whom a reference means; raises as `Aggregate.find` does."""
        if not reference.isprintable():
            raise NotFound("There is no such user.")
        if (user := self._by_id.get(reference)) is not None:
            if user.deleted_at is not None:
                raise NotFound(f"The user `{reference}` is deleted.")
            return user
        named = self._by_name.get(reference, [])
        if len(named) > 1:
            raise InvalidValue(f"There is more than one user `{reference}`. Give its id.")
        if not named:
            raise NotFound(f"There is no user `{reference}`.")
        return named[0]


class TokenBatch:
    """API tokens that are to be made, of many users or of few."""

    def __init__(self, registry: Registry, change: Change) -> None:
        self._registry = registry
        self._change = change
        self._tokens = ApiTokens(registry)
        self._users = UserDirectory(change)
        self._accounts = Memo[Owners]()
        self._teams = Memo[Team]()
        self._taken: set[tuple[str | None, str | None, str]] = set()
        self._quotas: dict[str, int | None] = {}
        self._live: dict[str, int] = {}
        self._made: list[CreatedToken] = []

    async def read(self, names: Collection[str], user_references: Collection[str]) -> None:
        """Read all that is asked of many rows: users, how many tokens they have, and which names are given."""
        connection, table = self._change.connection, tokens_table.c
        await self._users.read(user_references)
        organisation_ids = sorted({user.organisation_id for user in self._users.everybody})
        for part in parts(organisation_ids):
            for organisation in await ORGANISATIONS.select(connection, id=part):
                self._quotas[organisation.id] = organisation.max_api_tokens_per_user
        for ids in parts(user.id for user in self._users.everybody):
            is_live = sa.or_(table.expires_at.is_(None), table.expires_at > to_microseconds(self._change.now))
            counted = sa.select(table.user_id, sa.func.count()).where(
                table.user_id.in_(ids), table.revoked_at.is_(None), is_live
            )
            rows = await connection.execute(counted.group_by(table.user_id))
            self._live.update((user_id, live) for user_id, live in rows)
        for some in parts({each for each in names if each.isprintable()}):
            given = sa.select(table.user_id, table.service_account_id, table.name).where(
                table.revoked_at.is_(None), table.name.in_(some)
            )
            self._taken |= {tuple(row) for row in await connection.execute(given)}

    async def add(self, wanted: NewApiToken) -> CreatedToken:
        """Add a token, unless it cannot be or the actor may not; nothing is stored yet."""
        value = new_value()
        owner, owners = await self._owners(wanted)
        made = self._tokens.new(self._change, wanted, owners, value)
        role: Role | None = None if owner is None else owner.role
        made = await self._tokens.sound(self._change, made, resource_of(made, role))
        if owner is not None:
            self._require_quota(owner)
        key = (made.user_id, made.service_account_id, made.name)
        if key in self._taken:
            raise AlreadyExists(taken(made.name))
        self._taken.add(key)
        if owner is not None:
            self._live[owner.id] = self._live.get(owner.id, 0) + 1
        created = CreatedToken(made, value)
        self._made.append(created)
        return created

    async def _owners(self, wanted: NewApiToken) -> tuple[User | None, Owners]:
        if wanted.user is None or wanted.service_account is not None:
            key = (wanted.user, wanted.service_account, wanted.team)
            return None, await self._accounts.get(key, lambda: find_owners(self._registry, self._change, wanted))
        user = self._users.find(wanted.user)
        if wanted.team is None:
            return user, Owners(user.organisation_id, None, user.id, None)
        reference, within = wanted.team, user.organisation_id
        team = await self._teams.get(
            (within, reference), lambda: _find_team(self._registry, self._change, reference, within)
        )
        if team.id not in self._users.team_ids(user):
            raise InvalidValue(not_in_team(user, team))
        return user, Owners(user.organisation_id, team.id, user.id, None)

    def _require_quota(self, user: User) -> None:
        quota = self._quotas.get(user.organisation_id) if user.max_api_tokens is None else user.max_api_tokens
        if quota is not None and self._live.get(user.id, 0) >= quota:
            raise InvalidValue(over_quota(user, quota))

    async def store(self) -> None:
        """Store all of them."""
        for some in parts(self._made):
            new = [(created.api_token, self._registry.keys.digest(created.value)) for created in some]
            await api_tokens.add(self._change.connection, new)
            await self._change.record_made(Kind.API_TOKEN, [api_token for api_token, _ in new])
            await asyncio.sleep(0)


async def open_user_batch(registry: Registry, change: Change, organisation: str | None) -> UserBatch:
    """Return a batch for the organisation that is meant."""
    within = await Organisations(registry).require(change.connection, change.actor.unscoped, organisation)
    return UserBatch(registry, change, within.id)


async def _find_team(registry: Registry, change: Change, reference: str, organisation_id: str | None) -> Team:
    """Find a team of an organisation, if the actor may see it."""
    actor = change.actor.unscoped
    return await Teams(registry).find(change.connection, actor, reference, organisation_id=organisation_id)
