"""Scopes: what an API token may do beyond calling models. Its owner's role is always the upper bound."""

import enum


class Kind(enum.StrEnum):
    """The kinds of objects that are administered; each has the scopes `KIND:read` and `KIND:write`."""

    ORGANISATION = "organisations"
    TEAM = "teams"
    USER = "users"
    MEMBERSHIP = "memberships"
    SERVICE_ACCOUNT = "service_accounts"
    API_TOKEN = "api_tokens"  # noqa: S105 - the name of a kind
    MODEL_RULE = "model_rules"
    LIMIT = "limits"
    BUDGET = "budgets"
    TERMS = "terms"
    WEBHOOK = "webhooks"
    AUDIT = "audit"
    USAGE = "usage"
    CAPTURE = "captures"
    TARGET = "targets"
    CACHE = "cache"


ADMIN_SCOPE = "admin"
"""Everything that the owner's role allows."""

SCOPES = frozenset({ADMIN_SCOPE, *(f"{kind}:{access}" for kind in Kind for access in ("read", "write"))})


def covers(scopes: frozenset[str], kind: Kind, *, writes: bool) -> bool:
    """Whether the scopes open this kind of object; writing includes reading."""
    if ADMIN_SCOPE in scopes or f"{kind}:write" in scopes:
        return True
    return not writes and f"{kind}:read" in scopes


def includes(scopes: frozenset[str], others: frozenset[str]) -> bool:
    """Whether whoever has `scopes` has all of `others`."""
    if ADMIN_SCOPE in scopes:
        return True
    readable = {scope.replace(":write", ":read") for scope in scopes}
    return others <= scopes | readable
