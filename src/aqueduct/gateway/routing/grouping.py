"""Which requests go the same way together, and the number between 0 and 1 that decides which way that is."""

import hashlib
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


def group_key(by: Grouping, facts: Facts, rng: Random) -> bytes:
    """Return what a request has in common with its group; one that does not say is in its API token's."""
    principal = facts.principal
    found: str | bytes | None = None
    match by.kind:
        case GroupKind.REQUEST:
            found = rng.randbytes(_DRAWN_BYTES)
        case GroupKind.USER:
            found = facts.request.end_user
        case GroupKind.TEAM:
            found = principal.team_id
        case GroupKind.ORGANISATION:
            found = principal.organisation_id
        case GroupKind.HEADER:
            found = facts.headers.get(by.header.encode())
        case GroupKind.PROMPT_CACHE_KEY | GroupKind.PREFIX:
            found = sticky_key(_STICKY[by.kind], facts.request, principal.id)
        case GroupKind.TOKEN:
            pass
    if found is None:
        found = principal.id
    return found.encode() if isinstance(found, str) else found
