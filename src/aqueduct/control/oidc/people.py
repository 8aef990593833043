"""Makes a user of somebody whom an issuer vouches for, and brings what the rules give him up to date.

What rules gave is taken back when the claims no longer say so; what somebody gave by hand is not touched.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from aqueduct.control.aggregate import MAX_NAME_CHARACTERS
from aqueduct.control.organisations import Organisations
from aqueduct.control.registry import Change, Registry, new_id
from aqueduct.control.sessions import require_active
from aqueduct.control.teams import Memberships
from aqueduct.control.users import NewUser, Users
from aqueduct.domain.actor import Actor
from aqueduct.domain.claims import Email, Entitlement, email_of, entitle, text_of
from aqueduct.domain.credential import Identity
from aqueduct.domain.identity import RANK_OF_ROLE, Membership, Role, User
from aqueduct.domain.scopes import Kind
from aqueduct.domain.sign_in import SUBJECT, Issuer
from aqueduct.errors import InvalidValue, NotFound, SignInRefused
from aqueduct.storage import tables
from aqueduct.storage.aggregates import IDENTITIES, MEMBERSHIPS, TEAMS, USERS

AT_ONCE = "You signed in twice at the same moment. Please try again."
MAX_NAMESAKES = 100

logger = structlog.get_logger(__name__)


class LinkedIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log says of an identity: of which user it is."""

    id: str
    organisation_id: str
    issuer: str
    subject: str


def linked(user: User, identity: Identity) -> LinkedIdentity:
    """Return what the audit log says of a user's identity."""
    return LinkedIdentity(
        id=user.id, organisation_id=user.organisation_id, issuer=identity.issuer, subject=identity.subject
    )


class People:
    """The use cases on those who come from one issuer; `address` is where somebody comes from, for the audit log."""

    def __init__(self, registry: Registry, issuer: Issuer, address: str | None) -> None:
        self._registry = registry
        self._issuer = issuer
        self._actor = Actor(kind="issuer", name=issuer.name, role=Role.ADMIN, address=address)

    async def admit(self, claims: Mapping[str, Any], *, link_to: str | None = None) -> tuple[User, Identity]:
        """Return the user, made or found, with what the rules give him; raises `SignInRefused`.

        `link_to` is the user who is signed in already, and adds this way in to those he has.
        """
        email = email_of(claims, self._issuer)
        self._check_domain(email)
        entitlement = entitle(claims, self._issuer)
        is_known_to_rules = bool(entitlement.rules) or not self._issuer.requires_rule
        async with self._registry.changing(self._actor, taken=AT_ONCE) as change:
            found = await self._find(change, str(claims[SUBJECT]))
            if found is not None and link_to is not None and found[0].id != link_to:
                raise SignInRefused("This account belongs to another user here already.", code="identity_taken")
            if found is None:
                if not is_known_to_rules:
                    raise self._not_entitled()
                found = await self._introduce(change, claims, entitlement, link_to)
            user, identity = found
            # Of a sign-in that changes nothing, nobody else need hear.
            change.concerned.add(user.id)
            user, identity = await self._update(change, user, identity, entitlement)
            identity = await self._note(change, user, identity, email)
        require_active(user)
        if not is_known_to_rules:
            # What he had by rules is taken back all the same.
            raise self._not_entitled()
        return user, identity

    def _not_entitled(self) -> SignInRefused:
        return SignInRefused(
            f"Your account of {self._issuer.label} gives you no access here. Ask whoever runs this gateway.",
            code="not_entitled",
        )

    def _check_domain(self, email: Email | None) -> None:
        allowed = self._issuer.allowed_domains
        if allowed and (email is None or not email.is_verified or email.domain not in allowed):
            raise SignInRefused(
                "Only people with a confirmed e-mail address of certain domains may sign in here, and "
                f"{self._issuer.label} names none such of you.",
                code="domain_not_allowed",
            )

    async def _find(self, change: Change, subject: str) -> tuple[User, Identity] | None:
        identities = await IDENTITIES.select(change.connection, issuer=self._issuer.url, subject=subject)
        if not identities:
            return None
        user = await USERS.find(change.connection, identities[0].user_id)
        if user is None or user.deleted_at is not None:
            await IDENTITIES.remove_where(change.connection, id=identities[0].id)
            return None
        return user, identities[0]

    async def _introduce(
        self, change: Change, claims: Mapping[str, Any], entitlement: Entitlement, link_to: str | None
    ) -> tuple[User, Identity]:
        """Find or make the user whose identity is seen for the first time."""
        if link_to is not None:
            user = await Users(self._registry).find(change.connection, self._actor, link_to)
        else:
            user = await self._find_by_email(change, claims, entitlement) or await self._make(
                change, claims, entitlement
            )
        identity = Identity(
            id=new_id("idn"),
            user_id=user.id,
            issuer=self._issuer.url,
            subject=str(claims[SUBJECT]),
            base_role=user.role,
            created_at=change.now,
        )
        await IDENTITIES.add(change.connection, identity)
        await change.record("link_identity", Kind.USER, None, linked(user, identity))
        return user, identity

    async def _organisation(self, change: Change, entitlement: Entitlement) -> str:
        try:
            found = await Organisations(self._registry).require(
                change.connection, self._actor, entitlement.organisation
            )
        except (InvalidValue, NotFound) as error:
            logger.error("sign-in refused", issuer=self._issuer.name, code="organisation_missing", reason=str(error))
            raise SignInRefused(
                "It is not set up yet to which organisation you belong. Ask whoever runs this gateway.",
                code="organisation_missing",
            ) from None
        return found.id

    async def _find_by_email(self, change: Change, claims: Mapping[str, Any], entitlement: Entitlement) -> User | None:
        """Return the user with this verified address, in the organisation that the issuer speaks for and no other."""
        email = email_of(claims, self._issuer)
        if email is None or not email.is_verified:
            return None
        organisation_id = await self._organisation(change, entitlement)
        user = await self._with_address(change, organisation_id, email.address)
        if user is None or self._issuer.links_by_email:
            return user
        raise SignInRefused(
            f"There is an account with the address {email.address} already. Sign in to it as before and connect "
            f"{self._issuer.label} on your account's page, or ask an administrator.",
            code="email_taken",
        )

    async def _with_address(self, change: Change, organisation_id: str, address: str) -> User | None:
        row = tables.users.c
        statement = sa.select(*USERS.columns).where(
            row.organisation_id == organisation_id,
            row.deleted_at.is_(None),
            sa.func.lower(row.email) == address.lower(),
        )
        found = (await change.connection.execute(statement)).mappings().all()
        return USERS.read(found[0]) if len(found) == 1 else None

    async def _make(self, change: Change, claims: Mapping[str, Any], entitlement: Entitlement) -> User:
        if not self._issuer.creates_users:
            raise SignInRefused(
                "There is no account for you here. Ask an administrator to make one, then connect "
                f"{self._issuer.label} on your account's page.",
                code="user_unknown",
            )
        organisation_id = await self._organisation(change, entitlement)
        email = email_of(claims, self._issuer)
        wanted = NewUser(
            name=await self._free_name(change, claims, organisation_id),
            email=email.address if email is not None and email.is_verified else None,
        )
        try:
            return await Users(self._registry).add_new(change, wanted, organisation_id)
        except InvalidValue:
            # The issuer's address is none by our measure; he can do without.
            return await Users(self._registry).add_new(
                change, msgspec.structs.replace(wanted, email=None), organisation_id
            )

    async def _free_name(self, change: Change, claims: Mapping[str, Any], organisation_id: str) -> str:
        """Return a name that is free: what the claims say, with a number where there are namesakes."""
        said = (text_of(claims, path) for path in self._issuer.name_claims)
        named = next((text for text in said if text is not None), None) or str(claims[SUBJECT])
        plain = "".join(each for each in named if each.isprintable()).strip().removeprefix(f"{Users.prefix}_")
        plain = plain[: MAX_NAME_CHARACTERS - 5].strip() or "user"
        names = [plain, *(f"{plain} {number}" for number in range(2, MAX_NAMESAKES))]
        taken = await USERS.select(change.connection, organisation_id=organisation_id, name=names, deleted_at=None)
        free = set(names) - {user.name for user in taken}
        return next((name for name in names if name in free), new_id("person"))

    async def _update(
        self, change: Change, user: User, identity: Identity, entitlement: Entitlement
    ) -> tuple[User, Identity]:
        """Bring the role and the places in teams to what the rules give."""
        if entitlement.organisation is not None and not await self._is_in(change, user, entitlement.organisation):
            logger.warning(
                "rules name another organisation than the user's: they give nothing",
                issuer=self._issuer.name,
                user=user.id,
                organisation=entitlement.organisation,
            )
            entitlement = Entitlement()
        user, identity = await self._update_role(change, user, identity, entitlement.role)
        await self._update_teams(change, user, identity, entitlement)
        return user, identity

    async def _is_in(self, change: Change, user: User, reference: str) -> bool:
        if reference == user.organisation_id:
            return True
        try:
            found = await Organisations(self._registry).find(change.connection, self._actor, reference)
        except (InvalidValue, NotFound):
            return False
        return found.id == user.organisation_id

    async def _update_role(
        self, change: Change, user: User, identity: Identity, role: Role | None
    ) -> tuple[User, Identity]:
        """Give the higher of what the rules say and what he is apart from them."""
        others = [
            each for each in await IDENTITIES.select(change.connection, user_id=user.id) if each.id != identity.id
        ]
        given = [each.given_role for each in (*others, identity) if each.given_role is not None]
        # A role that is not what the rules gave was set by hand since.
        is_given = bool(given) and user.role is _highest(given)
        base = identity.base_role if is_given and identity.given_role is not None else user.role
        if is_given and identity.given_role is None:
            base = next(each.base_role for each in others if each.given_role is not None)
        wanted = _highest([base, *(each.given_role for each in others if each.given_role), *([role] if role else [])])
        if wanted is not user.role:
            changed = msgspec.structs.replace(user, role=wanted)
            user = await Users(self._registry).replace(change, user, changed)
        return user, msgspec.structs.replace(identity, given_role=role, base_role=base)

    async def _update_teams(self, change: Change, user: User, identity: Identity, entitlement: Entitlement) -> None:
        memberships = Memberships(self._registry)
        teams = await TEAMS.select(
            change.connection,
            organisation_id=user.organisation_id,
            name=list(entitlement.teams),
            deleted_at=None,
        )
        if missing := set(entitlement.teams) - {team.name for team in teams}:
            logger.warning("rules name teams that do not exist", issuer=self._issuer.name, teams=sorted(missing))
        wanted = {team.id: entitlement.teams[team.name] for team in teams}
        held = {each.team_id: each for each in await MEMBERSHIPS.select(change.connection, user_id=user.id)}
        for membership in held.values():
            if membership.given_by == identity.id and membership.team_id not in wanted:
                await change.record("delete", Kind.MEMBERSHIP, membership, None)
                await memberships.end(change, membership)
        for team_id, role in wanted.items():
            has = held.get(team_id)
            if has is None:
                made = Membership(
                    team_id=team_id,
                    user_id=user.id,
                    organisation_id=user.organisation_id,
                    role=role,
                    given_by=identity.id,
                    created_at=change.now,
                )
                await memberships.add(change, made)
            elif has.given_by == identity.id and has.role is not role:
                await memberships.replace(change, has, msgspec.structs.replace(has, role=role))

    async def _note(self, change: Change, user: User, identity: Identity, email: Email | None) -> Identity:
        """Write down that he was here, and follow an address that came from the issuer and is another now."""
        address = email.address if email is not None and email.is_verified else None
        if address is not None and user.email != address and user.email in (None, identity.email):
            taken = await self._with_address(change, user.organisation_id, address)
            if taken is None or taken.id == user.id:
                newest = await USERS.lock(change.connection, user.id)
                await Users(self._registry).replace(change, newest, msgspec.structs.replace(newest, email=address))
        noted = msgspec.structs.replace(identity, email=address, last_used_at=change.now, version=identity.version + 1)
        await IDENTITIES.replace(change.connection, noted, version=identity.version)
        return noted


def _highest(roles: list[Role]) -> Role:
    return max(roles, key=lambda role: RANK_OF_ROLE[role])
