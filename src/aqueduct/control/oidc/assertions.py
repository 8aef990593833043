"""Checks what an issuer has signed: ID tokens and logout tokens (OpenID Connect Core 1.0, 3.1.3.7)."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError

from aqueduct.control.oidc.metadata import ALGORITHMS, Directory
from aqueduct.domain.sign_in import Issuer

LEEWAY_SECONDS = 60
"""How far two clocks may be apart."""
MAX_CHARACTERS = 64 * 1024
MAX_SUBJECT_CHARACTERS = 255
"""Core 1.0, 2: a `sub` is not longer."""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_AGE_SECONDS = 600
ALL_IN_IT = ("iss", "aud", "iat", "exp", "jti", "events")


class NotValid(Exception):
    """It is not what the issuer has signed for us now; the message is for the log."""


class Assertions:
    """Checks what comes from one issuer."""

    def __init__(self, issuer: Issuer, directory: Directory, clock: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._directory = directory
        self._clock = clock

    async def read_id_token(self, value: str, *, nonce: str, access_token: str | None) -> dict[str, Any]:
        """Return the claims of an ID token that answers our question; raises `NotValid`, `IssuerFailed`."""
        verified = await self._verify(value)
        params = {"nonce": nonce, "client_id": self._issuer.client_id, "access_token": access_token}
        claims = CodeIDToken(verified.claims, verified.header, self._expected(), params)
        self._check_claims(claims)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARACTERS:
            raise NotValid("the sub is none")
        return dict(verified.claims)

    async def read_logout_token(self, value: str) -> dict[str, Any]:
        """Return the claims of a logout token (Back-Channel Logout 1.0, 2.6); raises `NotValid`, `IssuerFailed`."""
        verified = await self._verify(value)
        claims = verified.claims
        if missing := [name for name in ALL_IN_IT if name not in claims]:
            raise NotValid(f"the logout token has no {missing[0]}")
        registry = jwt.JWTClaimsRegistry(now=int(self._clock()), leeway=LEEWAY_SECONDS, **self._expected())
        try:
            registry.validate(claims)
        except JoseError as error:
            raise NotValid(f"the logout token: {error}") from None
        if not isinstance(claims["events"], dict) or LOGOUT_EVENT not in claims["events"]:
            raise NotValid("the logout token is about something else")
        if "nonce" in claims:
            raise NotValid("an ID token came in the place of a logout token")
        if claims["iat"] < self._clock() - LOGOUT_AGE_SECONDS:
            raise NotValid("the logout token is old")
        for name in ("sub", "sid", "jti"):
            if not isinstance(claims.get(name, ""), str):
                raise NotValid(f"the {name} of the logout token is no text")
        if not (claims.get("sub") or claims.get("sid")):
            raise NotValid("the logout token says nothing of whom")
        return claims

    def _expected(self) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self._issuer.url},
            "aud": {"essential": True, "value": self._issuer.client_id},
        }

    def _check_claims(self, claims: CodeIDToken) -> None:
        try:
            claims.validate(now=int(self._clock()), leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise NotValid(f"the ID token: {error}") from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._issuer.client_id:
            raise NotValid("the ID token is for several, and not asked for by us")

    async def _verify(self, value: str) -> jwt.Token:
        """Check the signature, by an algorithm that the issuer says it uses and by a key that it publishes."""
        if len(value) > MAX_CHARACTERS:
            raise NotValid("what the issuer signed is too long")
        metadata = await self._directory.metadata()
        algorithms = metadata.id_token_signing_alg_values_supported & ALGORITHMS
        try:
            header = jws.extract_compact(value.encode()).headers()
        except (JoseError, ValueError) as error:
            raise NotValid(f"not a JWT: {type(error).__name__}") from None
        if header.get("alg") not in algorithms:
            raise NotValid(f"signed with {str(header.get('alg'))[:20]!r}, of which the issuer says nothing")
        key_id = header.get("kid")
        if key_id is not None and not isinstance(key_id, str):
            raise NotValid("the key id is no text")
        for is_unfit in (False, True):
            for key in await self._directory.keys(key_id, is_unfit=is_unfit):
                # Without a key id each key is tried, those of another type too.
                with contextlib.suppress(JoseError, ValueError, TypeError):
                    return jwt.decode(value, key, algorithms=sorted(algorithms))
        raise NotValid("no key of the issuer fits the signature")
