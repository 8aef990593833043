"""What can be done with API tokens: create, list, rotate, revoke."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.api_token import ApiToken
from aqueduct.errors import AlreadyExists, InvalidValue, NotFound
from aqueduct.storage import api_tokens
from aqueduct.storage.api_tokens import API_TOKENS
from aqueduct.storage.database import Database
from aqueduct.storage.keys import KeyRing
from aqueduct.storage.revision import Revision

PREFIX = "aq-"
RANDOM_BYTES = 32
ID_PREFIX = "tok_"


@dataclass(frozen=True)
class CreatedToken:
    """A token and its value, which exists nowhere else from now on."""

    api_token: ApiToken
    value: str = field(repr=False)


class ApiTokens:
    """The use cases, on one database."""

    def __init__(
        self, database: Database, keys: KeyRing, revision: Revision, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._keys = keys
        self._revision = revision
        self._clock = clock

    def _now(self) -> float:
        # To the microsecond, as it is stored: what is returned and what is read back are equal.
        return round(self._clock(), 6)

    async def create(
        self, name: str, *, expires_at: float | None = None, allowed_models: Sequence[str] | None = None
    ) -> CreatedToken:
        """Make a token.

        Raises `AlreadyExists` when a live one has the name, `InvalidValue` for a bad name or an expiry in the past.
        """
        now = self._now()
        check_name(name)
        if expires_at is not None and expires_at <= now:
            raise InvalidValue("The expiry has already passed. Give a later one, such as 30d.")
        value = new_value()
        api_token = ApiToken(
            id=ID_PREFIX + secrets.token_hex(8),
            name=name,
            hint=hint(value),
            created_at=now,
            expires_at=None if expires_at is None else round(expires_at, 6),
            allowed_models=None if allowed_models is None else tuple(allowed_models),
        )
        try:
            async with self._database.writing() as connection:
                await api_tokens.add(connection, [(api_token, self._keys.digest(value))])
        except IntegrityError:
            raise AlreadyExists(
                f"There is already a token named `{name}`. Choose another name, or rotate or revoke that one."
            ) from None
        self._revision.bump()
        return CreatedToken(api_token, value)

    async def list(self) -> list[ApiToken]:
        """Return every token, the oldest first, revoked and expired ones too."""
        async with self._database.reading() as connection:
            return await API_TOKENS.select(connection)

    async def rotate(self, name_or_id: str, *, grace_seconds: float = 0.0) -> CreatedToken:
        """Give a token a new value; the old one works for `grace_seconds` more.

        The token stays the same in every other way, so limits and usage go on. Raises `NotFound` when there is no
        such token, or it is revoked.
        """
        now = self._now()
        value = new_value()
        async with self._database.writing() as connection:
            found = await require_live(connection, name_or_id)
            api_token = msgspec.structs.replace(found, hint=hint(value), version=found.version + 1)
            digest = self._keys.digest(value)
            await api_tokens.replace_value(
                connection, api_token, digest, rotated_at=now, previous_expires_at=now + grace_seconds
            )
        self._revision.bump()
        return CreatedToken(api_token, value)

    async def revoke(self, name_or_id: str) -> ApiToken:
        """Close a token for good. Raises `NotFound` when there is no such token, or it is revoked."""
        now = self._now()
        async with self._database.writing() as connection:
            api_token = await require_live(connection, name_or_id)
            await API_TOKENS.close(connection, "revoked_at", now, id=api_token.id)
        self._revision.bump()
        return msgspec.structs.replace(api_token, revoked_at=now, version=api_token.version + 1)


async def require_live(connection: AsyncConnection, name_or_id: str) -> ApiToken:
    """Return the token that is meant, or raise `NotFound`."""
    named = await api_tokens.find_live(connection, name_or_id)
    api_token = named[0] if named else await API_TOKENS.find(connection, name_or_id)
    if api_token is None:
        raise NotFound(f"There is no token `{name_or_id}`. `aqueduct token list` shows them.")
    if api_token.revoked_at is not None:
        raise NotFound(f"The token `{name_or_id}` is revoked. Create a new one.")
    return api_token


def check_name(name: str) -> None:
    """Raise `InvalidValue` unless the name can be shown on a line and told from an id."""
    if not 1 <= len(name) <= 100 or not name.isprintable() or name != name.strip():
        raise InvalidValue("A token's name is 1 to 100 printable characters, without blanks around it.")
    if name.startswith(ID_PREFIX):
        raise InvalidValue(f"A token's name cannot begin with `{ID_PREFIX}`, as ids do.")


def new_value() -> str:
    """Return a fresh value: the prefix and 43 characters that are safe in a URL, 256 random bits."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def hint(value: str) -> str:
    """Return what tells a value from others without giving it away: 8 of its 43 characters, 208 bits stay secret."""
    return f"{value[: len(PREFIX) + 4]}…{value[-4:]}"
