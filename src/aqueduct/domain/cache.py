"""What a model's cached answers are held to. No I/O."""

import enum

import msgspec


class CacheOutcome(enum.StrEnum):
    """What the cache did for a request, as its header and its record say it."""

    HIT = "hit"
    MISS = "miss"
    REFRESH = "refresh"
    """The client wanted a new answer; it took the old one's place."""
    BYPASS = "bypass"


class CacheClearing(msgspec.Struct, frozen=True, kw_only=True):
    """That cached answers were cleared, of one organisation or (None) of all, of one model or (None) of all.

    Answers are kept under the ids of the clearings that concern them: what was kept before one is never found again.
    """

    id: str
    cleared_at: float
    organisation_id: str | None = None
    model: str | None = None


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a model's answers are kept.

    `is_always` says that every request is looked up, otherwise only those that ask for it. `max_bytes` is how long an
    answer may be. `version` is a digest of everything in the config that an answer depends on, so that a changed target
    finds none of the old ones. `goes_by_asked_name` says that a target is handed the name that the client used.
    """

    ttl_seconds: float
    is_always: bool
    max_bytes: int
    version: str
    goes_by_asked_name: bool = False
