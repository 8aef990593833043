"""A request to a provider, as nearly every adapter sends it: JSON by POST, to a path below the provider's address."""

from aqueduct.domain.http import Headers, Origin, UpstreamRequest
from aqueduct.domain.model import Provider
from aqueduct.errors import ConfigurationError

CONTENT_HEADERS: Headers = ((b"content-type", b"application/json"), (b"accept-encoding", b"identity"))


def origin_of(provider: Provider) -> Origin:
    """Return where a provider is; raise `ConfigurationError` where nobody said so."""
    if provider.origin is None:
        raise ConfigurationError(f"provider {provider.name!r} has no base_url")
    return provider.origin


def post(provider: Provider, path: str, credentials: Headers, body: bytes) -> UpstreamRequest:
    """Return a request to a path below the provider's own."""
    return UpstreamRequest(
        method="POST",
        origin=origin_of(provider),
        path=provider.base_path + path,
        headers=(*CONTENT_HEADERS, *credentials),
        body=body,
    )
