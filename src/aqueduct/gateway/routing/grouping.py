"""Which requests go the same way together, and the number between 0 and 1 that decides which way that is."""

import hashlib
from collections.abc import Callable
from random import Random

from aqueduct.domain.routing import Stickiness
from aqueduct.domain.steering import Grouping, GroupKind
from aqueduct.gateway.routing.facts import Facts
from aqueduct.gateway.routing.stickiness import sticky_key

_DRAWN_BYTES = 16
_STICKY = {GroupKind.PROMPT_CACHE_KEY: Stickiness.PROMPT_CACHE_KEY, GroupKind.PREFIX: Stickiness.PREFIX}


def fraction(key: bytes, salt: bytes) -> float:
    """Return a number between 0 and 1, both excluded, always the same for a key; independent of other salts'.

    The salt has at most 64 bytes.
    """
    digest = hashlib.blake2b(key, digest_size=8, key=salt).digest()
    # 52 bits and a half: a double holds every such number, and none of them is 0 or 1.
    return ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52


def salt_of(*parts: str) -> bytes:
    """Return the salt of something that is named so."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=32).digest()


def compile_grouping(by: Grouping, rng: Random) -> Callable[[Facts], bytes]:
    """Return what a request has in common with its group, as a function; one that does not say is in its token's."""
    read = _reader(by, rng)

    def key(facts: Facts) -> bytes:
        found = read(facts)
        if found is None:
            found = facts.principal.id
        return found.encode() if isinstance(found, str) else found

    return key


def _reader(by: Grouping, rng: Random) -> Callable[[Facts], str | bytes | None]:
    if (kind := _STICKY.get(by.kind)) is not None:
        return lambda facts: sticky_key(kind, facts.request, facts.principal.id)
    header = by.header.encode()
    readers: dict[GroupKind, Callable[[Facts], str | bytes | None]] = {
        GroupKind.TOKEN: lambda facts: facts.principal.id,
        GroupKind.END_USER: lambda facts: facts.request.end_user,
        GroupKind.TEAM: lambda facts: facts.principal.team_id,
        GroupKind.ORGANISATION: lambda facts: facts.principal.organisation_id,
        GroupKind.HEADER: lambda facts: facts.headers.get(header),
        GroupKind.REQUEST: lambda facts: rng.randbytes(_DRAWN_BYTES),
    }
    return readers[by.kind]
