"""What an API token is narrowed to, and who may widen it again: whoever stands as high as the one who narrowed it.

What a user sets on his own token is his convenience, whatever his role. What somebody above him set, he may make
tighter, and nothing else; it stays the other's. A token of the installation itself is changed by administrators only.
"""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from aqueduct.domain.actor import Actor
from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.identity import Rank
from aqueduct.domain.model_rules import matches
from aqueduct.domain.permissions import Resource, rank_on
from aqueduct.errors import NotAllowed


def ends_no_later(before: float | None, after: float | None) -> bool:
    """Whether an expiry comes no later than another; None is never."""
    return before is None or (after is not None and after <= before)


def names_no_more(before: Sequence[str] | None, after: Sequence[str] | None) -> bool:
    """Whether names and patterns mean no more models than others; None is all.

    A pattern is within another that matches its text: where it has a `*`, the other has a run that takes it in.
    """
    if before is None:
        return True
    return after is not None and all(any(matches(wider, pattern) for wider in before) for pattern in after)


def lies_within(before: Sequence[str] | None, after: Sequence[str] | None) -> bool:
    """Whether each network is within one of others; None is everywhere."""
    if before is None:
        return True
    wide = [ip_network(text) for text in before]
    return after is not None and all(any(is_subnet(ip_network(text), each) for each in wide) for text in after)


def is_subnet(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    """Whether a network is within another of the same family."""
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


NARROWING: Mapping[str, Callable[..., bool]] = {
    "expires_at": ends_no_later,
    "allowed_models": names_no_more,
    "ip_allow_list": lies_within,
}
"""What narrows a token, and the question whether a value (the second) opens no more than another (the first)."""


def narrowed(actor: Actor, resource: Resource, before: ApiToken | None, after: ApiToken) -> ApiToken:
    """Return a token with the ranks of who narrowed it; raises `NotAllowed` for what the actor may not widen."""
    highest = rank_on(actor, resource)
    is_own = actor.user_id is not None and actor.user_id == after.user_id
    ranks = dict(after.narrowed_by)
    for name, is_tighter in NARROWING.items():
        was, becomes = None if before is None else getattr(before, name), getattr(after, name)
        if was == becomes:
            continue
        if highest < ranks.get(name, Rank.MEMBER):
            if not is_tighter(was, becomes):
                raise NotAllowed(f"The token's `{name}` was set by somebody above you: you may only make it tighter.")
            continue
        ranks[name] = Rank.MEMBER if is_own or becomes is None or after.organisation_id is None else highest
    return msgspec.structs.replace(after, narrowed_by={name: rank for name, rank in ranks.items() if rank})
