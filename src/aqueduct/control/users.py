"""What can be done with users."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.organisations import Organisations, check_quota
from aqueduct.control.registry import Change, new_id
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import RANK_OF_ROLE, Role, User
from aqueduct.domain.permissions import Resource
from aqueduct.domain.scopes import Kind
from aqueduct.errors import AlreadyExists, InvalidValue
from aqueduct.storage import sign_in
from aqueduct.storage.aggregates import BUDGETS, IDENTITIES, LIMITS, MEMBERSHIPS, MODEL_RULES, PASSKEYS, USERS
from aqueduct.storage.api_tokens import API_TOKENS

MAX_EMAIL_CHARACTERS = 254


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a user who is to be made."""

    name: str
    email: str | None = None
    role: Role = Role.MEMBER
    max_api_tokens: int | None = None


class Users(Aggregate[User]):
    """The use cases on users."""

    records = USERS
    kind = Kind.USER
    noun = "user"
    prefix = "usr"
    changeable = frozenset({"name", "email", "role", "is_active", "max_api_tokens"})

    async def create(self, actor: Actor, wanted: NewUser, *, organisation: str | None = None) -> User:
        """Make a user in an organisation."""
        async with self.registry.changing(actor, taken=self.taken) as change:
            within = await Organisations(self.registry).require(change.connection, actor.unscoped, organisation)
            return await self.add_new(change, wanted, within.id)

    async def add_new(self, change: Change, wanted: NewUser, organisation_id: str) -> User:
        """Add a user to a transaction."""
        made = self.new(change, wanted, organisation_id)
        for column, value in (("name", made.name), ("email", made.email)):
            # The index would say so too, but end the whole transaction, and a bulk has more to say.
            columns = {column: value, "organisation_id": organisation_id, "deleted_at": None}
            if value is not None and value.isprintable() and await USERS.count(change.connection, **columns):
                raise AlreadyExists(self.taken)
        return await self.add(change, made)

    def new(self, change: Change, wanted: NewUser, organisation_id: str) -> User:
        """Return a user as he is said to be; nothing is checked yet."""
        return User(
            id=new_id(self.prefix),
            organisation_id=organisation_id,
            name=wanted.name,
            email=wanted.email,
            role=wanted.role,
            max_api_tokens=wanted.max_api_tokens,
            created_at=change.now,
        )

    @property
    @override
    def taken(self) -> str:
        return "There is already a user of this name or e-mail address in the organisation. Choose another one."

    @override
    async def resource(self, connection: AsyncConnection, item: User) -> Resource:
        memberships = await MEMBERSHIPS.select(connection, user_id=item.id)
        return resource_of(item, frozenset(each.team_id for each in memberships))

    @override
    async def check(self, connection: AsyncConnection, item: User) -> None:
        await super().check(connection, item)
        check_quota(item.max_api_tokens)
        if item.email is not None and not is_address(item.email):
            raise InvalidValue(f"`{item.email[:MAX_EMAIL_CHARACTERS]}` is not an e-mail address.")

    @override
    async def end(self, change: Change, item: User) -> None:
        """Close the tokens, leave the teams, sign out, and forget what he signed in with."""
        await API_TOKENS.close(change.connection, "revoked_at", change.now, user_id=item.id)
        for records in (MEMBERSHIPS, MODEL_RULES, LIMITS, BUDGETS, IDENTITIES, PASSKEYS):
            await records.remove_where(change.connection, user_id=item.id)
        await sign_in.remove_all_of(change.connection, item.id)
        await super().end(change, item)


def resource_of(user: User, team_ids: frozenset[str]) -> Resource:
    """Say where a user is who is in these teams, for permissions."""
    return Resource(
        kind=Kind.USER,
        organisation_id=user.organisation_id,
        team_ids=team_ids,
        user_id=user.id,
        rank=RANK_OF_ROLE[user.role],
    )


def is_address(text: str) -> bool:
    """Whether a text looks like an e-mail address; whether it is one, only its owner knows."""
    name, at, host = text.rpartition("@")
    return bool(name and at and host) and len(text) <= MAX_EMAIL_CHARACTERS and text.isprintable() and " " not in text
