"""Finds out who is calling, by the API token in the request's head."""

import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from aqueduct.domain.principal import Principal
from aqueduct.errors import InvalidToken, MissingToken, PermissionDenied
from aqueduct.gateway.call import Call
from aqueduct.gateway.client_address import ClientAddress
from aqueduct.telemetry.metrics import REFUSED_CREDENTIALS

_CREDENTIAL_HEADERS = frozenset({b"authorization", b"api-key", b"x-api-key"})
_BEARER = b"bearer "
_MAX_VALUE_BYTES = 512
_MAX_CACHED = 50_000
_FINGERPRINT_BYTES = 16


class Revision(Protocol):
    """The number that changes whenever what is cached may have changed."""

    def read(self) -> int:
        """Return the current number; costs next to nothing."""


class TokenStore(Protocol):
    """Where API tokens are known, by the hashes of their values."""

    def find(self, value: str) -> Awaitable[Principal | None]:
        """Look a value up in the database, whether usable or not."""


class Authenticator:
    """Tells principals from strangers; remembers both until the revision changes.

    What is remembered is known by a fingerprint under a key that only this process has, never by the value itself. The
    stored HMAC would do as well, but OpenSSL takes three times as long over it, on every request.
    """

    def __init__(
        self,
        tokens: TokenStore,
        revision: Revision,
        client_address: ClientAddress,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client_address = client_address
        self._tokens = tokens
        self._revision = revision
        self._now = now
        self._seen = -1
        self._known: dict[bytes, Principal | None] = {}
        self._fingerprint_key = os.urandom(32)

    async def authenticate(self, call: Call) -> Principal:
        """Return the caller; raise `MissingToken` or `InvalidToken`, or `PermissionDenied` for the wrong place."""
        try:
            value = _read_credential(call)
            principal = await self._find(value)
            if principal is None or not principal.is_usable(self._now()):
                raise InvalidToken("Incorrect API token provided: it is unknown, revoked or expired.")
        except (MissingToken, InvalidToken) as error:
            REFUSED_CREDENTIALS.labels("missing" if isinstance(error, MissingToken) else "invalid").inc()
            raise
        if principal.ip_allow_list is not None and not principal.may_come_from(self._client_address.of(call)):
            raise PermissionDenied("This API token may not be used from this address.")
        return principal

    async def _find(self, value: bytes) -> Principal | None:
        revision = self._revision.read()
        if revision != self._seen or len(self._known) > _MAX_CACHED:
            self._known = {}
            self._seen = revision
        known = self._known
        fingerprint = hashlib.blake2b(value, digest_size=_FINGERPRINT_BYTES, key=self._fingerprint_key).digest()
        if fingerprint in known:
            return known[fingerprint]
        # What is read now may be newer than `revision`, never older: it goes into the cache it was started for.
        known[fingerprint] = principal = await self._tokens.find(value.decode("ascii"))
        return principal


def _read_credential(call: Call) -> bytes:
    """Return the one credential of the request, in ASCII: a bearer token, or `api-key` or `x-api-key`."""
    found: bytes | None = None
    for name, raw in call.header_list:
        if name not in _CREDENTIAL_HEADERS:
            continue
        value = raw.strip()
        if name == b"authorization":
            if value[:7].lower() != _BEARER:
                raise InvalidToken("The Authorization header must have the form 'Bearer TOKEN'.")
            value = value[7:].strip()
        if found is not None and value != found:
            raise InvalidToken("Two different credentials came with one request. Send one.")
        found = value
    if not found:
        raise MissingToken(
            "You didn't provide an API token. Send it in the Authorization header, as 'Authorization: Bearer TOKEN'."
        )
    if len(found) > _MAX_VALUE_BYTES or not found.isascii():
        raise InvalidToken("Incorrect API token provided: it is unknown, revoked or expired.")
    return found
