"""The log's lines on targets: one when a target is taken out of use, one when it is back."""

from collections.abc import Callable

import structlog

from aqueduct.domain.model import Target
from aqueduct.gateway.routing.policy import Symptom
from aqueduct.gateway.routing.traffic import TargetState

LONG_LIMIT_SECONDS = 10.0
"""A shorter rate limit is everyday life: the failed attempt has its line, the target none."""

logger = structlog.get_logger(__name__)


class HealthLog:
    """Tells each opening and closing of a breaker once; requests that fail while it is open add nothing."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._openings: dict[str, int] = {}

    def opened(self, state: TargetState, code: str | None = None) -> None:
        """A target is out of use, by what was seen here (`code` is the error's), or else at another gateway."""
        breaker = state.breaker
        seconds = breaker.open_until - self._now()
        if breaker.reason is Symptom.RATE_LIMIT:
            if seconds < LONG_LIMIT_SECONDS:
                return
        elif self._openings.get(state.id) == breaker.openings:
            return
        else:
            self._openings[state.id] = breaker.openings
        cause = {"code": code} if code is not None else {"seen_by": "another gateway"}
        logger.warning(
            "target_opened", **_names(state.target), reason=breaker.reason.value, **cause, seconds=round(seconds, 1)
        )

    def closed(self, state: TargetState) -> None:
        """A target that was told of is in use again."""
        if self._openings.pop(state.id, None) is not None:
            logger.warning("target_closed", **_names(state.target))


def _names(target: Target) -> dict[str, str | int]:
    return {"target": target.name, "key": target.provider.key_number}
