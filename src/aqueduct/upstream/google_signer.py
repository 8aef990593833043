"""Signs requests to Google Cloud with an access token, which a service account's key buys for about an hour.

The key signs an assertion, the account's token endpoint gives a token for it (RFC 7523, 2.1; Google's page "Using OAuth
2.0 for server to server applications"). The signature is joserfc's, of the extra `google`, imported when first needed.
"""

import asyncio
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from aqueduct.domain.http import Origin, Timeouts, UpstreamRequest
from aqueduct.domain.model import Provider
from aqueduct.errors import ConfigurationError, UpstreamError, UpstreamUnauthorized, UpstreamUnreachable
from aqueduct.upstream.transport import Transport

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME_SECONDS = 3600
_MARGIN_SECONDS = 300.0
"""How long before its end a token is renewed; while that fails, the old one still serves."""

_RETRY_SECONDS = 10.0
_TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=20.0, idle_seconds=20.0, total_seconds=30.0)
_MAX_ANSWER_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}
_FORM = ((b"content-type", b"application/x-www-form-urlencoded"), (b"accept-encoding", b"identity"))


class ServiceAccount(msgspec.Struct, frozen=True):
    """The file that Google Cloud gives for a key of a service account, as far as it is read."""

    client_email: str
    private_key: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 -- an address
    private_key_id: str | None = None

    @property
    def endpoint(self) -> tuple[Origin, str]:
        """Where access tokens come from."""
        url = urlsplit(self.token_uri)
        if url.scheme not in _PORTS or not url.hostname:
            raise ConfigurationError("the service account's `token_uri` is not a URL")
        return Origin(url.scheme, url.hostname, url.port or _PORTS[url.scheme]), url.path or "/"


class _Grant(msgspec.Struct):
    """The answer of the token endpoint (RFC 6749, 5.1)."""

    access_token: str
    expires_in: float = _LIFETIME_SECONDS


class _Access:
    """The access of one service account: its token, and when it is to be renewed and ends (on the monotonic clock)."""

    def __init__(self) -> None:
        self.value = b""
        self.renew_at = 0.0
        self.ends_at = 0.0
        self.lock = asyncio.Lock()


class GoogleSigner:
    """Signs with the credential `service_account`: the JSON of a key, or the path of a file that holds it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._accesses: dict[str, _Access] = {}

    async def sign(self, request: UpstreamRequest, provider: Provider) -> UpstreamRequest:
        """Return the request with an access token; raise `UpstreamUnauthorized` or `UpstreamUnreachable`."""
        credential = provider.credentials.get("service_account", "")
        access = self._accesses.setdefault(credential, _Access())
        if time.monotonic() >= access.renew_at:
            async with access.lock:
                if time.monotonic() >= access.renew_at:
                    await self._renew(access, credential)
        headers = (*request.headers, (b"authorization", b"Bearer " + access.value))
        return msgspec.structs.replace(request, headers=headers)

    async def _renew(self, access: _Access, credential: str) -> None:
        try:
            grant = await self._buy(credential)
        except UpstreamError:
            now = time.monotonic()
            if now >= access.ends_at:
                raise
            access.renew_at = min(now + _RETRY_SECONDS, access.ends_at)
            return
        now = time.monotonic()
        access.value = grant.access_token.encode()
        access.ends_at = now + grant.expires_in
        access.renew_at = now + max(grant.expires_in - _MARGIN_SECONDS, grant.expires_in / 2)

    async def _buy(self, credential: str) -> _Grant:
        try:
            request = await asyncio.to_thread(_token_request, credential, int(time.time()))
        except ConfigurationError as error:
            raise UpstreamUnauthorized(f"no access token: {error}") from error
        response = await self._transport.send(request, _TIMEOUTS)
        try:
            body = await response.read_all(_MAX_ANSWER_BYTES)
        finally:
            response.close()
        if response.status >= 500 or response.status == 429:
            raise UpstreamUnreachable(f"no access token: the endpoint answered {response.status}")
        if response.status != 200:
            raise UpstreamUnauthorized(f"no access token: {response.status}, {_reason(body)}", status=response.status)
        try:
            grant = msgspec.json.decode(body, type=_Grant)
        except msgspec.DecodeError as error:
            raise UpstreamUnreachable("no access token: the endpoint's answer is not one") from error
        if not (grant.access_token.isascii() and grant.access_token.isprintable()):
            raise UpstreamUnreachable("no access token: what came is none")
        return grant


def _token_request(credential: str, now: int) -> UpstreamRequest:
    """Return the request for a token; it reads a file and signs, so it belongs in a thread."""
    account = read_service_account(credential)
    origin, path = account.endpoint
    form = urlencode({"grant_type": _GRANT, "assertion": sign_assertion(account, now)})
    return UpstreamRequest("POST", origin, path, _FORM, form.encode())


def read_service_account(credential: str) -> ServiceAccount:
    """Return the service account; raise `ConfigurationError` saying what is wrong with it."""
    if not credential.strip():
        raise ConfigurationError("a provider of kind 'vertex' needs the credential 'service_account'")
    try:
        text = credential if credential.lstrip().startswith("{") else Path(credential.strip()).read_text()
        return msgspec.json.decode(text, type=ServiceAccount)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("the credential 'service_account' names a file that cannot be read") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"the credential 'service_account' is not a service account's key: {error}") from error


def sign_assertion(account: ServiceAccount, issued_at: int) -> str:
    """Return the signed assertion; raise `ConfigurationError` without the extra, or for what is no RSA key."""
    try:
        from joserfc import jwt  # noqa: PLC0415 -- of an extra
        from joserfc.errors import JoseError  # noqa: PLC0415
        from joserfc.jwk import RSAKey  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "a service account of Google needs the extra `google`: install `aqueduct-gateway[google]`"
        ) from error
    header: dict[str, Any] = {"alg": "RS256", "typ": "JWT"}
    if account.private_key_id is not None:
        header["kid"] = account.private_key_id
    claims = {
        "iss": account.client_email,
        "scope": _SCOPE,
        "aud": account.token_uri,
        "iat": issued_at,
        "exp": issued_at + _LIFETIME_SECONDS,
    }
    try:
        return jwt.encode(header, claims, RSAKey.import_key(account.private_key))
    except (JoseError, ValueError) as error:
        raise ConfigurationError("the service account's `private_key` is not an RSA key") from error


def check_service_account(provider: Provider) -> None:
    """Raise `ConfigurationError` where a provider's service account cannot sign, before a request needs it."""
    try:
        _token_request(provider.credentials.get("service_account", ""), 0)
    except ConfigurationError as error:
        raise ConfigurationError(f"the provider '{provider.name}': {error}") from error


def _reason(body: bytes) -> str:
    """Return the error's code (RFC 6749, 5.2), which names what Google holds against the key."""
    try:
        error = msgspec.json.decode(body).get("error")
    except (msgspec.DecodeError, AttributeError):
        error = None
    return error[:100] if isinstance(error, str) else "no reason"
