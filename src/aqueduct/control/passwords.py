"""Passwords: hashed by argon2, checked at signing in, set by whoever they belong to."""

import asyncio
import time

import argon2
import msgspec
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.control.registry import Change, Registry
from aqueduct.control.throttle import Throttle
from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import User
from aqueduct.domain.scopes import Kind
from aqueduct.domain.session import Client, Session
from aqueduct.errors import InvalidValue, SignInRefused
from aqueduct.storage import sign_in

MIN_CHARACTERS = 12
MAX_CHARACTERS = 1000
MIN_DIFFERENT = 5
MAX_AT_A_TIME = 2
"""How many are hashed at a time: each takes 64 MiB."""
FRESH_SECONDS = 1800.0
"""How long after signing in by a one-time link a password may be set without the one before."""
WRONG = "The name or the password is wrong."


class PasswordSet(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log keeps of a password that was set: nothing but whose it is."""

    id: str
    organisation_id: str


class Passwords:
    """The use cases on passwords."""

    def __init__(self, registry: Registry, throttle: Throttle) -> None:
        self._registry = registry
        self._throttle = throttle
        self._hasher = argon2.PasswordHasher()
        # Of a password that nobody has: a name that does not exist must take as long to refuse as one that does.
        self._nobodys = self._hasher.hash(str(time.time_ns()))
        self._turns = asyncio.Semaphore(MAX_AT_A_TIME)

    async def check(self, name: str, password: str, client: Client) -> User:
        """Return who has the name (or e-mail address, or `ORGANISATION/NAME`) and the password.

        Raises `SignInRefused` without saying which of the two is wrong, and `TooManyAttempts`.
        """
        account = name.strip().lower()[:300]
        self._throttle.require_patience(account, client.address)
        async with self._registry.database.reading() as connection:
            found = await self._named(connection, name.strip())
        with_password = [(user, hashed) for user, hashed in found if hashed is not None]
        for user, hashed in with_password:
            if await self._is_right(hashed, password):
                self._throttle.note_success(account, client.address)
                await self._renew_hash(user, hashed, password)
                return user
        if not with_password:
            await self._is_right(self._nobodys, password)
        self._throttle.note_failure(account, client.address)
        raise SignInRefused(WRONG)

    async def has_one(self, user_id: str) -> bool:
        """Whether somebody has a password."""
        async with self._registry.database.reading() as connection:
            return await sign_in.read_password(connection, user_id) is not None

    async def needs_present_one(self, session: Session) -> bool:
        """Whether the present password is asked for: not where there is none, or where a link has just let him in."""
        is_fresh = session.method == "link" and self._registry.now() - session.created_at < FRESH_SECONDS
        return not is_fresh and await self.has_one(session.user_id)

    async def set_own(self, actor: Actor, session: Session, present: str, wanted: str) -> None:
        """Set one's own password, and sign out everywhere else.

        Raises `SignInRefused` where the present one is wrong, `InvalidValue` for one that is easy to guess.
        """
        user = await self._require_present(session, present, actor.address)
        check_password(wanted, user)
        hashed = await self._hash(wanted)
        async with self._registry.changing(actor, taken="The password was set by another request.") as change:
            await sign_in.set_password(change.connection, user.id, hashed, change.now)
            await sign_in.end_sessions(change.connection, user.id, but=session.id)
            await record_set(change, user)

    async def _require_present(self, session: Session, present: str, address: str | None) -> User:
        async with self._registry.database.reading() as connection:
            user = await sign_in.find_user(connection, session.user_id)
            hashed = await sign_in.read_password(connection, session.user_id)
        if user is None:
            raise SignInRefused("You are no longer signed in.")
        if hashed is not None and await self.needs_present_one(session):
            self._throttle.require_patience(user.id, address)
            if not await self._is_right(hashed, present):
                self._throttle.note_failure(user.id, address)
                raise SignInRefused("This is not your present password.")
        return user

    async def _named(self, connection: AsyncConnection, name: str) -> list[tuple[User, str | None]]:
        if not name.isprintable():
            return []
        found = await sign_in.find_users(connection, name, None)
        organisation, slash, rest = name.partition("/")
        return found if found or not slash else await sign_in.find_users(connection, rest, organisation)

    async def _hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _is_right(self, hashed: str, password: str) -> bool:
        if len(password) > MAX_CHARACTERS:
            return False
        async with self._turns:
            try:
                return await asyncio.to_thread(self._hasher.verify, hashed, password)
            except (VerificationError, InvalidHashError):
                return False

    async def _renew_hash(self, user: User, hashed: str, password: str) -> None:
        """Hash a password anew where it was hashed with less effort than is taken now."""
        if self._hasher.check_needs_rehash(hashed):
            renewed = await self._hash(password)
            async with self._registry.database.writing() as connection:
                await sign_in.set_password(connection, user.id, renewed, self._registry.now())


async def record_set(change: Change, user: User) -> None:
    """Write into the audit log that a password was set."""
    entry = PasswordSet(id=user.id, organisation_id=user.organisation_id)
    await change.record("set_password", Kind.USER, None, entry)


def check_password(password: str, user: User) -> None:
    """Raise `InvalidValue` for a password that is too easy to guess, by length before all (NIST SP 800-63B, 3.1.1)."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise InvalidValue(f"A password has at least {MIN_CHARACTERS} characters. A few words in a row do well.")
    lowered = password.lower()
    own = [each.lower() for each in (user.name, (user.email or "").partition("@")[0]) if len(each) > 3]
    if len(set(lowered)) < MIN_DIFFERENT or any(lowered.replace(each, "") in ("", "123", "1234") for each in own):
        raise InvalidValue("This password is too easy to guess.")
