"""What is done about each class of error, as a table: who is asked next, and what it says of the target's health."""

import enum
from typing import NamedTuple

from aqueduct.domain.routing import FallbackKind
from aqueduct.errors import (
    TargetDown,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamNoCredit,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)


class Symptom(enum.Enum):
    """What an error says of the target's health."""

    NONE = "none"
    """Nothing: it is alive, or it was not asked."""
    FAILURE = "failure"
    """It fails; that may pass."""
    OVERLOAD = "overload"
    """It has too much to do; what it has taken on it may well answer."""
    RATE_LIMIT = "rate_limit"
    """It is well, but has had enough for now."""
    REFUSAL = "refusal"
    """It refuses our credential, our credit or its model; that passes when somebody has seen to it."""


class Reaction(NamedTuple):
    """What is done about an error.

    `is_retried`: the same target may be asked again, after a pause; `moves_on`: another one may be asked at once;
    `is_of_credential`: another key of the same provider may do better.
    """

    is_retried: bool
    moves_on: bool
    symptom: Symptom
    is_of_credential: bool = False


REACTIONS: dict[type[UpstreamError], Reaction] = {
    # class                             same   other
    UpstreamRejected: Reaction(False, False, Symptom.NONE),
    UpstreamRateLimited: Reaction(True, True, Symptom.RATE_LIMIT, is_of_credential=True),
    UpstreamUnauthorized: Reaction(False, True, Symptom.REFUSAL, is_of_credential=True),
    UpstreamNoCredit: Reaction(False, True, Symptom.REFUSAL, is_of_credential=True),
    UpstreamModelMissing: Reaction(False, True, Symptom.REFUSAL),
    UpstreamOverloaded: Reaction(True, True, Symptom.OVERLOAD),
    UpstreamServerError: Reaction(True, True, Symptom.FAILURE),
    UpstreamUnreachable: Reaction(True, True, Symptom.FAILURE),
    UpstreamInvalidResponse: Reaction(True, True, Symptom.FAILURE),
    # It had its time; asking it again would take as much once more.
    UpstreamTimeout: Reaction(False, True, Symptom.FAILURE),
    TargetDown: Reaction(False, True, Symptom.NONE),
}
_OTHER = Reaction(True, True, Symptom.FAILURE)

_OVERFLOW_CODES = frozenset({"context_length_exceeded"})
_POLICY_CODES = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})


def reaction_to(error: UpstreamError) -> Reaction:
    """Return the row of the table for an error."""
    return REACTIONS.get(type(error), _OTHER)


def fallback_kind(error: UpstreamRejected) -> FallbackKind | None:
    """Return for which reason other models may be asked although the request itself was refused; None: for none."""
    if error.rejection.code in _OVERFLOW_CODES:
        return FallbackKind.CONTEXT_OVERFLOW
    return FallbackKind.CONTENT_POLICY if error.rejection.code in _POLICY_CODES else None
