"""What can be done with API tokens: make, list, change, rotate, regenerate, revoke."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from aqueduct.control.aggregate import Aggregate
from aqueduct.control.capture_policies import check_policy, require_right
from aqueduct.control.narrowing import narrowed
from aqueduct.control.owners import NewApiToken, Owners, find_owners, require_quota
from aqueduct.control.patterns import check_patterns
from aqueduct.control.registry import Change, new_id
from aqueduct.domain.actor import SYSTEM, Actor
from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.identity import RANK_OF_ROLE, Rank, Role
from aqueduct.domain.permissions import Action, Resource, may_hand_out
from aqueduct.domain.scopes import SCOPES, Kind
from aqueduct.errors import AlreadyExists, InvalidValue, NotAllowed, Stale
from aqueduct.storage import api_tokens
from aqueduct.storage.aggregates import BUDGETS, LIMITS, MODEL_RULES, USERS
from aqueduct.storage.api_tokens import API_TOKENS
from aqueduct.storage.pages import Listing

PREFIX = "aq-"
RANDOM_BYTES = 32
MAX_NETWORKS = 100
ALL = Listing(size=1000, with_ended=True)


@dataclass(frozen=True)
class CreatedToken:
    """A token and its value, which exists nowhere else from now on."""

    api_token: ApiToken
    value: str = field(repr=False)


class ApiTokens(Aggregate[ApiToken]):
    """The use cases on API tokens."""

    records = API_TOKENS
    kind = Kind.API_TOKEN
    noun = "token"
    prefix = "tok"
    changeable = frozenset({"name", "expires_at", "allowed_models", "scopes", "ip_allow_list", "capture"})
    ended = "revoked_at"

    async def create(
        self, name: str, *, expires_at: float | None = None, allowed_models: Sequence[str] | None = None
    ) -> CreatedToken:
        """Make a token of the installation itself, as its command line does."""
        allowed = None if allowed_models is None else tuple(allowed_models)
        return await self.issue(SYSTEM, NewApiToken(name=name, expires_at=expires_at, allowed_models=allowed))

    async def issue(self, actor: Actor, wanted: NewApiToken) -> CreatedToken:
        """Make a token.

        Raises `AlreadyExists` when a live one of the same owner has the name, `InvalidValue` for a value that cannot
        be, an expiry in the past, or one token more than the user's quota.
        """
        async with self.registry.changing(actor, taken=taken(wanted.name)) as change:
            return await self.add_new(change, wanted)

    async def add_new(self, change: Change, wanted: NewApiToken) -> CreatedToken:
        """Add a token to a transaction."""
        value = new_value()
        made = self.new(change, wanted, await find_owners(self.registry, change, wanted), value)
        made = await self.sound(change, made, await self.resource(change.connection, made))
        if made.user_id is not None:
            await require_quota(change, made.user_id)
        # The index would say so too, but end the whole transaction, and a bulk has more to say.
        same = {"name": made.name, "user_id": made.user_id, "service_account_id": made.service_account_id}
        if await self.records.count(change.connection, **same, revoked_at=None):
            raise AlreadyExists(taken(made.name))
        await api_tokens.add(change.connection, [(made, self.registry.keys.digest(value))])
        await change.record("create", self.kind, None, made)
        return CreatedToken(made, value)

    def new(self, change: Change, wanted: NewApiToken, owners: Owners, value: str) -> ApiToken:
        """Return a token as it is said to be; nothing is checked yet."""
        return ApiToken(
            id=new_id(self.prefix),
            name=wanted.name,
            hint=hint(value),
            created_at=change.now,
            expires_at=None if wanted.expires_at is None else round(wanted.expires_at, 6),
            allowed_models=wanted.allowed_models,
            scopes=tuple(sorted(set(wanted.scopes))),
            ip_allow_list=wanted.ip_allow_list,
            created_by=change.actor.id,
            capture=wanted.capture,
            organisation_id=owners.organisation_id,
            team_id=owners.team_id,
            user_id=owners.user_id,
            service_account_id=owners.service_account_id,
        )

    async def sound(self, change: Change, made: ApiToken, resource: Resource) -> ApiToken:
        """Return a new token with the ranks of who narrowed it; raises unless it can be, and the actor may make it."""
        check_expiry(made.expires_at, change.now)
        await self.check(change.connection, made)
        self.authorise_on(change, Action.CREATE, resource)
        require_own(change.actor, made)
        self.require_scopes(change, made)
        require_right(change, None, made.capture, organisation_id=made.organisation_id)
        return narrowed(change.actor, resource, None, made)

    async def list(self, actor: Actor) -> list[ApiToken]:
        """Return every token that the actor may see, the oldest first, revoked and expired ones too."""
        return await self.everything(actor, ALL)

    async def rotate(self, actor: Actor, reference: str, *, grace_seconds: float = 0.0) -> CreatedToken:
        """Give a token a new value; the old one works for `grace_seconds` more.

        The token stays the same in every other way, so limits and usage go on.
        """
        return await self._renew(actor, reference, "rotate", grace_seconds)

    async def regenerate(self, actor: Actor, reference: str) -> CreatedToken:
        """Give a token a new value, and end the old one at once: it may have been seen."""
        return await self._renew(actor, reference, "regenerate", 0.0)

    async def revoke(self, actor: Actor, reference: str) -> ApiToken:
        """Close a token for good; its row stays, for the usage that names it."""
        found = await self.delete(actor, reference)
        return await self.after(found)

    async def after(self, found: ApiToken) -> ApiToken:
        """Return a token as it is now, live or not."""
        async with self.registry.database.reading() as connection:
            return await self.records.find(connection, found.id) or found

    @override
    async def resource(self, connection: AsyncConnection, item: ApiToken) -> Resource:
        owner = None if item.user_id is None else await USERS.find(connection, item.user_id)
        return resource_of(item, None if owner is None else owner.role)

    @override
    async def check(self, connection: AsyncConnection, item: ApiToken) -> None:
        await super().check(connection, item)
        check_patterns(item.allowed_models or ())
        if unknown := set(item.scopes) - SCOPES:
            raise InvalidValue(f"There is no scope `{min(unknown)[:50]}`. The scopes are {', '.join(sorted(SCOPES))}.")
        check_networks(item.ip_allow_list)
        check_policy(item.capture)

    @override
    def merge(self, before: ApiToken, changes: Mapping[str, object]) -> ApiToken:
        after = super().merge(before, changes)
        if after.expires_at != before.expires_at:
            check_expiry(after.expires_at, self.registry.now())
        return after

    @override
    async def replace(self, change: Change, before: ApiToken, after: ApiToken, version: int | None = None) -> ApiToken:
        self.require_scopes(change, after)
        require_right(change, before.capture, after.capture, organisation_id=before.organisation_id)
        # First whether its values can be: what is compared next is then known to be networks.
        await self.check(change.connection, after)
        after = narrowed(change.actor, await self.resource(change.connection, before), before, after)
        if after.user_id is not None and after.is_usable(change.now) and not before.is_usable(change.now):
            # It was not counted when others were made, and comes back as one more.
            await require_quota(change, after.user_id)
        return await super().replace(change, before, after, version)

    @override
    async def end(self, change: Change, item: ApiToken) -> None:
        for records in (MODEL_RULES, LIMITS, BUDGETS):
            await records.remove_where(change.connection, subject_type="api_token", subject_id=item.id)
        await super().end(change, item)

    def require_scopes(self, change: Change, item: ApiToken) -> None:
        """Raise unless whoever gets the value could do all that it opens anyway."""
        if item.scopes and not may_hand_out(change.actor, frozenset(item.scopes)):
            raise NotAllowed("You may not hand out scopes that your own token has not.")

    async def _renew(self, actor: Actor, reference: str, action: str, grace_seconds: float) -> CreatedToken:
        value = new_value()
        async with self.registry.changing(actor, taken=self.taken) as change:
            before = await self.find(change.connection, actor, reference)
            await self.authorise(change, Action.UPDATE, before)
            require_own(actor, before)
            self.require_scopes(change, before)
            after = msgspec.structs.replace(before, hint=hint(value), version=before.version + 1)
            is_replaced = await api_tokens.replace_value(
                change.connection,
                after,
                self.registry.keys.digest(value),
                rotated_at=change.now,
                previous_expires_at=change.now + grace_seconds,
            )
            if not is_replaced:
                raise Stale(self.stale)
            await change.record(action, self.kind, before, after)
        return CreatedToken(after, value)


def resource_of(item: ApiToken, role: Role | None) -> Resource:
    """Say where a token is whose user has this role, for permissions."""
    rank = Rank.MEMBER if role is None else RANK_OF_ROLE[role]
    if item.scopes:
        # It may open more than the team that a team's admin leads.
        rank = max(rank, Rank.ORGANISATION_ADMIN)
    return Resource(
        kind=Kind.API_TOKEN,
        organisation_id=item.organisation_id,
        team_ids=frozenset() if item.team_id is None else frozenset({item.team_id}),
        user_id=item.user_id,
        rank=rank,
    )


def require_own(actor: Actor, item: ApiToken) -> None:
    """Raise `NotAllowed` for whoever would be given a value that speaks in another user's name.

    Administrators of the organisation may hand tokens out; a team's administrator sees and ends those of its members.
    """
    is_trusted = actor.role in (Role.ADMIN, Role.ORGANISATION_ADMIN)
    if item.user_id is not None and item.user_id != actor.user_id and not is_trusted:
        raise NotAllowed("Only the user himself, or an administrator of the organisation, makes or renews his tokens.")


def taken(name: str) -> str:
    """Return what is said of a name that a live token of the owner has."""
    return f"There is already a token named `{name}`. Choose another name, or rotate or revoke that one."


def check_expiry(expires_at: float | None, now: float) -> None:
    """Raise `InvalidValue` for an expiry that is over."""
    if expires_at is not None and expires_at <= now:
        raise InvalidValue("The expiry has already passed. Give a later one, such as 30d.")


def check_networks(texts: Sequence[str] | None) -> None:
    """Raise `InvalidValue` unless each text is a network, and there are not too many."""
    if texts is not None and not 1 <= len(texts) <= MAX_NETWORKS:
        raise InvalidValue(f"A list of networks has 1 to {MAX_NETWORKS} of them.")
    for text in texts or ():
        try:
            ip_network(text)
        except ValueError:
            raise InvalidValue(f"`{text[:50]}` is not a network. Write it such as 192.0.2.0/24.") from None


def new_value() -> str:
    """Return a fresh value: the prefix and 43 characters that are safe in a URL, 256 random bits."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def hint(value: str) -> str:
    """Return what tells a value from others without giving it away: 8 of its 43 characters, 208 bits stay secret."""
    return f"{value[: len(PREFIX) + 4]}…{value[-4:]}"
