"""Finds out who is calling, by the API token in the request's head; for our pages, by the session's cookie."""

import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from aqueduct.domain.principal import Principal
from aqueduct.domain.session import CSRF_HEADER, SESSION_COOKIE, is_csrf_of
from aqueduct.errors import InvalidToken, MissingToken, PermissionDenied
from aqueduct.gateway.call import Call
from aqueduct.gateway.client_address import ClientAddress
from aqueduct.telemetry.metrics import REFUSED_CREDENTIALS

_CREDENTIAL_HEADERS = frozenset({b"authorization", b"api-key", b"x-api-key"})
_BEARER = b"bearer "
_CSRF = CSRF_HEADER.encode()
_SESSION_COOKIE = SESSION_COOKIE.encode()
_MAX_VALUE_BYTES = 512
_MAX_CACHED = 50_000
_FINGERPRINT_BYTES = 16


class Revision(Protocol):
    """The number that changes whenever what is cached may have changed."""

    def read(self) -> int:
        """Return the current number; costs next to nothing."""

    def concerned(self, since: int, until: int) -> frozenset[str] | None:
        """Return the ids of what was changed after one number and up to another; None: it may be anything."""


class TokenStore(Protocol):
    """Where API tokens are known, by the hashes of their values."""

    def find(self, value: str) -> Awaitable[Principal | None]:
        """Look a value up in the database, whether usable or not."""


class Authenticator:
    """Tells principals from strangers; remembers both until something changes that may concern them.

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
        self._known: dict[bytes, Principal] = {}
        self._strangers: set[bytes] = set()
        self._by_id: dict[str, set[bytes]] = {}
        """The fingerprints of those who know an id: their token's, their user's, their team's and so on."""
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
        if revision != self._seen:
            self._forget(self._revision.concerned(self._seen, revision))
            self._seen = revision
        fingerprint = hashlib.blake2b(value, digest_size=_FINGERPRINT_BYTES, key=self._fingerprint_key).digest()
        found = self._known.get(fingerprint)
        if found is not None or fingerprint in self._strangers:
            return found
        # What is read now may be newer than `revision`, never older; but what changed meanwhile is forgotten already.
        found = await self._tokens.find(value.decode("ascii"))
        if revision == self._seen:
            self._remember(fingerprint, found)
        return found

    def _remember(self, fingerprint: bytes, principal: Principal | None) -> None:
        if len(self._known) + len(self._strangers) > _MAX_CACHED:
            self._forget(None)
        if principal is None:
            self._strangers.add(fingerprint)
            return
        self._known[fingerprint] = principal
        for each in principal.subject_ids():
            self._by_id.setdefault(each, set()).add(fingerprint)

    def _forget(self, concerned: frozenset[str] | None) -> None:
        """Forget whom a change concerns, and every stranger: one may have become known."""
        self._strangers.clear()
        if concerned is None:
            self._known.clear()
            self._by_id.clear()
            return
        for each in concerned & self._by_id.keys():
            for fingerprint in list(self._by_id[each]):
                principal = self._known.pop(fingerprint)
                for other in principal.subject_ids():
                    self._by_id[other].discard(fingerprint)
            del self._by_id[each]


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
        found = _read_session(call)
    if not found:
        raise MissingToken(
            "You didn't provide an API token. Send it in the Authorization header, as 'Authorization: Bearer TOKEN'."
        )
    if len(found) > _MAX_VALUE_BYTES or not found.isascii():
        raise InvalidToken("Incorrect API token provided: it is unknown, revoked or expired.")
    return found


def _read_session(call: Call) -> bytes | None:
    """Return the value of the session of somebody who calls from a page of ours; None where it is none.

    A cookie comes with whatever any site has the browser send. It counts only beside what a page of the session alone
    knows, in a header that no other site can have a browser send without being asked.
    """
    given = call.headers.get(_CSRF)
    if given is None:
        return None
    for part in call.headers.get(b"cookie", b"").split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == _SESSION_COOKIE and value.isascii():
            return value if is_csrf_of(value.decode(), given.decode("latin-1")) else None
    return None
