"""The headers that say who asks, where they never change: a row of the registry names one of these functions."""

from functools import lru_cache

from aqueduct.domain.http import Headers
from aqueduct.domain.model import Provider


@lru_cache(maxsize=1024)
def bearer_headers(provider: Provider) -> Headers:
    """Return a bearer token, and the provider's own headers."""
    key = () if provider.api_key is None else ((b"authorization", b"Bearer " + provider.api_key.encode()),)
    return (*key, *_own_headers(provider))


@lru_cache(maxsize=1024)
def anthropic_headers(provider: Provider) -> Headers:
    """Return Anthropic's key and the version of its API, and the provider's own headers."""
    key = () if provider.api_key is None else ((b"x-api-key", provider.api_key.encode()),)
    version = (b"anthropic-version", provider.options["version"].encode())
    return (*key, version, *_own_headers(provider))


@lru_cache(maxsize=1024)
def gemini_headers(provider: Provider) -> Headers:
    """Return Google's key, where there is one, and the provider's own headers."""
    key = () if provider.api_key is None else ((b"x-goog-api-key", provider.api_key.encode()),)
    return (*key, *_own_headers(provider))


@lru_cache(maxsize=1024)
def azure_headers(provider: Provider) -> Headers:
    """Return Azure's key, where there is one, and the provider's own headers."""
    key = () if provider.api_key is None else ((b"api-key", provider.api_key.encode()),)
    return (*key, *_own_headers(provider))


def _own_headers(provider: Provider) -> Headers:
    return tuple((name.lower().encode(), value.encode()) for name, value in provider.headers)
