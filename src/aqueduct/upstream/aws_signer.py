"""Signs requests to AWS (SigV4): with the keys that a provider was given, or with those of the machine it runs on.

The signature and the chain of places where credentials may be are botocore's, of the extra `aws`, imported when first
needed and never at start-up. What of it may block (the import, the chain, a renewal) runs in a thread.
"""

import asyncio
import importlib.util
import time
from typing import Any

import msgspec

from aqueduct.domain.http import UpstreamRequest
from aqueduct.domain.model import Provider
from aqueduct.errors import ConfigurationError, UpstreamUnauthorized

_SERVICE = "bedrock"
_RETRY_SECONDS = 10.0
"""How long a failure to get credentials stands, so that requests do not each wait for the chain's own timeouts."""

_LARGE_BYTES = 256 * 1024
"""From this size on a body is hashed in a thread."""

_NOT_SIGNED = frozenset({b"accept-encoding", b"user-agent"})
_EXTRA = "signing requests to AWS needs the extra `aws`: install `aqueduct-gateway[aws]`, or give a Bedrock `api_key`"


class _Access:
    """The default chain's credentials: where they come from, and what they are until they are to be renewed."""

    def __init__(self) -> None:
        self.source: Any = None
        self.frozen: Any = None
        self.retry_at = 0.0
        self.failure = ""
        self.lock = asyncio.Lock()

    @property
    def is_stale(self) -> bool:
        """Whether to ask the source: it costs no I/O to know."""
        return self._needs_renewal(None)

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing that could sign."""
        return self._needs_renewal(0)

    def _needs_renewal(self, ahead_seconds: int | None) -> bool:
        """Whether the credentials end within so long; None is as long as botocore renews them ahead."""
        if self.frozen is None:
            return True
        needs_renewal = getattr(self.source, "refresh_needed", None)
        return needs_renewal is not None and needs_renewal(ahead_seconds)


class AwsSigner:
    """Signs with the credentials `access_key_id`, `secret_access_key` and `session_token`, or botocore's default chain.

    A request that has a bearer key already stays as it is.
    """

    def __init__(self) -> None:
        self._access = _Access()
        self._is_imported = False

    async def sign(self, request: UpstreamRequest, provider: Provider) -> UpstreamRequest:
        """Return the request signed; raise `UpstreamUnauthorized` where there is nothing to sign with."""
        if provider.api_key is not None:
            return request
        keys = None if provider.credentials.get("access_key_id") else await self._default_keys()
        if self._is_imported and len(request.body) < _LARGE_BYTES:
            return _signed(request, provider, keys)
        try:
            signed = await asyncio.to_thread(_signed, request, provider, keys)
        except ImportError as error:
            raise UpstreamUnauthorized(_EXTRA) from error
        self._is_imported = True
        return signed

    async def _default_keys(self) -> Any:
        """Return what the default chain gives, kept until it is to be renewed; one asks for all."""
        access = self._access
        if access.is_stale:
            async with access.lock:
                if time.monotonic() >= access.retry_at and access.is_stale:
                    await asyncio.to_thread(_renew, access)
        if access.has_ended:
            raise UpstreamUnauthorized(f"no AWS credentials: {access.failure or 'they have ended'}")
        return access.frozen


def _renew(access: _Access) -> None:
    """Ask the default chain, or what it found before; a failure leaves what there was. Belongs in a thread."""
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 -- of an extra
        from botocore.session import Session  # noqa: PLC0415
    except ImportError as error:
        raise UpstreamUnauthorized(_EXTRA) from error
    try:
        if access.source is None:
            access.source = Session().get_credentials()
        access.failure = "" if access.source else "none of the places where AWS's tools look for them has any"
        access.frozen = access.source.get_frozen_credentials() if access.source else None
    except (BotoCoreError, RuntimeError) as error:  # the second where what was renewed has ended already
        access.failure = type(error).__name__
    if access.failure or access.is_stale:  # botocore keeps to itself that it could not renew ahead of time
        access.retry_at = time.monotonic() + _RETRY_SECONDS


def _signed(request: UpstreamRequest, provider: Provider, keys: Any) -> UpstreamRequest:
    """Return the request with the headers of its signature."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415 -- of an extra
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    given = provider.credentials
    if keys is None:
        keys = Credentials(given["access_key_id"], given.get("secret_access_key", ""), given.get("session_token"))
    sent = {name.decode(): value.decode() for name, value in request.headers if name not in _NOT_SIGNED}
    url = f"{request.origin.scheme}://{request.origin.authority}{request.path}"
    signing = AWSRequest(request.method, url, {**sent, "host": request.origin.authority}, request.body)
    SigV4Auth(keys, _SERVICE, provider.options["region"]).add_auth(signing)
    added = tuple(
        (name.lower().encode(), value.encode())
        for name, value in signing.headers.items()
        if name.lower() in ("authorization", "x-amz-date", "x-amz-security-token")
    )
    return msgspec.structs.replace(request, headers=(*request.headers, *added))


def check_aws_credentials(provider: Provider) -> None:
    """Raise `ConfigurationError` where a provider could not sign, before a request needs it; nothing is looked up."""
    if provider.api_key is not None:
        return
    given = {name for name, value in provider.credentials.items() if value}
    if given and not {"access_key_id", "secret_access_key"} <= given:
        raise ConfigurationError(
            f"the provider '{provider.name}': `access_key_id` and `secret_access_key` belong together"
        )
    if importlib.util.find_spec("botocore") is None:
        raise ConfigurationError(f"the provider '{provider.name}': {_EXTRA}")
