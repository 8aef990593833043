"""What a client may ask of the cache: `x-aqueduct-cache`, and `cache-control` as RFC 9111, 5.2.1 has it."""

from collections.abc import Mapping
from typing import NamedTuple

from aqueduct.domain.cache import CachePolicy
from aqueduct.errors import InvalidRequest

HEADER = b"x-aqueduct-cache"
WORDS = ("use", "refresh", "bypass")
_NO_CACHE, _NO_STORE, _MAX_AGE = b"no-cache", b"no-store", b"max-age"


class Directives(NamedTuple):
    """Whether a kept answer will do, how old it may be at the most, and whether a new one may be kept."""

    reads: bool
    stores: bool
    max_age_seconds: float

    @property
    def is_bypass(self) -> bool:
        """Whether the cache has no part in it."""
        return not (self.reads or self.stores)

    def shares(self, policy: CachePolicy) -> bool:
        """Whether another request's answer will do that is only being made."""
        return self.reads and self.stores and self.max_age_seconds >= policy.ttl_seconds


def read_directives(headers: Mapping[bytes, bytes], policy: CachePolicy) -> Directives:
    """Return what a request asks for; raise `InvalidRequest` for a word of `x-aqueduct-cache` that is none.

    Directives of `cache-control` that are not known, or cannot be read, ask for nothing, as the RFC says.
    """
    word = headers.get(HEADER, b"").strip().lower().decode("latin-1")
    if word and word not in WORDS:
        raise InvalidRequest(f"The header 'x-aqueduct-cache' is one of {', '.join(WORDS)}.", param="x-aqueduct-cache")
    reads = stores = word != "bypass" and (bool(word) or policy.is_always)
    if word == "refresh":
        reads = False
    max_age_seconds = policy.ttl_seconds
    control = headers.get(b"cache-control")
    if control is None:
        return Directives(reads, stores, max_age_seconds)
    for part in control.lower().split(b","):
        name, _, value = part.strip().partition(b"=")
        if name == _NO_CACHE:
            reads = False
        elif name == _NO_STORE:
            stores = False
        elif name == _MAX_AGE and (seconds := value.strip(b'"')).isdigit():
            max_age_seconds = min(max_age_seconds, float(seconds[:12]))
    return Directives(reads, stores, max_age_seconds)
