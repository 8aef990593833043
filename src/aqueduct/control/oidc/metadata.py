"""What an issuer publishes of itself: its addresses, what it can, and its keys; read, checked and remembered."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from aqueduct.control.oidc.reaching import IssuerFailed, Reach
from aqueduct.domain.sign_in import Issuer

WELL_KNOWN = "/.well-known/openid-configuration"
FRESH_SECONDS = 3600.0
"""How long what was read is taken for true."""
STALE_SECONDS = 86_400.0
"""How long it will do while the issuer cannot be asked anew."""
LOOK_AGAIN_SECONDS = 30.0
"""How often, at most, an unknown key makes us look again: anybody can send a made-up one."""
MAX_KEYS = 100
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""What an ID token may be signed with: never a secret that both sides have, never nothing."""
ASYMMETRIC = frozenset({"RSA", "EC", "OKP"})

logger = structlog.get_logger(__name__)


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What of it we go by; the names are those of OpenID Connect Discovery 1.0."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    id_token_signing_alg_values_supported: frozenset[str] = frozenset({"RS256"})
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Directory:
    """The metadata and keys of one issuer."""

    def __init__(self, issuer: Issuer, reach: Reach, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._reach = reach
        self._clock = clock
        self._turn = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._read_at = 0.0
        self._keys: tuple[Key, ...] = ()
        self._keys_at: float | None = None
        self._looked_again_at: float | None = None

    async def metadata(self) -> Metadata:
        """Return what the issuer publishes; raises `IssuerFailed`."""
        async with self._turn:
            age = self._clock() - self._read_at
            if self._metadata is not None and age < FRESH_SECONDS:
                return self._metadata
            try:
                found = await self._reach.get(self._issuer.url.rstrip("/") + WELL_KNOWN)
                self._metadata, self._read_at = read_metadata(found, self._issuer), self._clock()
            except IssuerFailed as error:
                if self._metadata is None or age > STALE_SECONDS:
                    raise
                logger.warning("issuer not read anew", issuer=self._issuer.name, reason=str(error))
            return self._metadata

    async def keys(self, key_id: str | None, *, is_unfit: bool = False) -> tuple[Key, ...]:
        """Return the keys that something may be signed with that names this one; raises `IssuerFailed`.

        A key that is not known may be new, and where those that are known are unfit there may be others: then the
        issuer is asked again, though not for every made-up name.
        """
        metadata = await self.metadata()
        async with self._turn:
            now = self._clock()
            is_fresh = self._keys_at is not None and now - self._keys_at < FRESH_SECONDS
            matching = self._matching(key_id)
            may_look_again = self._looked_again_at is None or now - self._looked_again_at >= LOOK_AGAIN_SECONDS
            if is_fresh and ((matching and not is_unfit) or not may_look_again):
                return matching
            if is_fresh:
                self._looked_again_at = now
            try:
                self._keys = read_keys(await self._reach.get(metadata.jwks_uri))
                self._keys_at = now
            except IssuerFailed as error:
                if not matching or self._keys_at is None or now - self._keys_at > STALE_SECONDS:
                    raise
                logger.warning("keys not read anew", issuer=self._issuer.name, reason=str(error))
            return self._matching(key_id)

    def _matching(self, key_id: str | None) -> tuple[Key, ...]:
        return tuple(key for key in self._keys if key_id is None or key.kid == key_id)


def read_metadata(found: dict[str, Any], issuer: Issuer) -> Metadata:
    """Return what of a discovery document counts; raises `IssuerFailed` where it is another's, or not sound."""
    said = found.get("issuer")
    if said != issuer.url:
        # Discovery 1.0, 4.3: exactly, or one issuer could speak for another.
        raise IssuerFailed(f"the issuer calls itself {str(said)[:200]!r}: write it so in `issuer`")
    try:
        # Authlib wants https:// everywhere; whether that is so has been decided by the config.
        OpenIDProviderMetadata(found).validate_id_token_signing_alg_values_supported()
        metadata = msgspec.convert(
            {name: value for name, value in found.items() if value is not None}, Metadata, strict=True
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise IssuerFailed(f"the discovery document is not sound: {error}") from None
    if not metadata.id_token_signing_alg_values_supported & ALGORITHMS:
        raise IssuerFailed("the issuer signs ID tokens with nothing that can be checked by a public key")
    return metadata


def read_keys(found: dict[str, Any]) -> tuple[Key, ...]:
    """Return the public keys of a set that sign; what cannot be read is somebody else's."""
    keys = found.get("keys")
    if not isinstance(keys, list):
        raise IssuerFailed("the set of keys is none")
    read: list[Key] = []
    for each in keys[:MAX_KEYS]:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig" or each.get("kty") not in ASYMMETRIC:
            continue
        try:
            read.append(import_key(each))
        except (JoseError, ValueError, TypeError, KeyError) as error:
            logger.debug("key of an issuer not read", reason=type(error).__name__)
    return tuple(read)
