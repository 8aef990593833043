"""One line in the log for every attempt that failed, but not thousands of them while an upstream is down."""

import time
from collections.abc import Callable

import structlog

from aqueduct.domain.model import Target
from aqueduct.domain.text import printable
from aqueduct.errors import UpstreamError, UpstreamRejected
from aqueduct.wire.failures import describe_failure

BURST = 5
"""How many failures of one kind at one target are told at once."""
INTERVAL_SECONDS = 10.0
"""After how long one more is."""

_MODEL_CHARACTERS = 200

logger = structlog.get_logger(__name__)


class _Allowance:
    """How many lines there may be of one kind of failure at one target."""

    __slots__ = ("_lines", "_seen_at", "untold")

    def __init__(self, now: float) -> None:
        self._lines = float(BURST)
        self._seen_at = now
        self.untold = 0
        """How many failures there were since the last line."""

    def take(self, now: float) -> bool:
        """Whether there may be a line now."""
        self._lines = min(float(BURST), self._lines + (now - self._seen_at) / INTERVAL_SECONDS)
        self._seen_at = now
        if self._lines < 1:
            return False
        self._lines -= 1
        return True


class FailureLog:
    """Hears of failed attempts and tells of them; what a target refuses for the request's sake is no warning."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._allowances: dict[tuple[str, int, str], _Allowance] = {}

    def __call__(self, request_id: str, model: str, target: Target, error: UpstreamError) -> None:
        """Tell of one attempt: whose, where, and why it failed, without what the upstream said."""
        now, provider = self._now(), target.provider
        # Names come from the config and codes from the error tree: there are only so many.
        key = (target.name, provider.key_number, error.code)
        allowance = self._allowances.get(key)
        if allowance is None:
            allowance = self._allowances[key] = _Allowance(now)
        if not allowance.take(now):
            allowance.untold += 1
            return
        untold, allowance.untold = allowance.untold, 0
        log = logger.info if isinstance(error, UpstreamRejected) else logger.warning
        log(
            "attempt_failed",
            request_id=request_id,
            model=printable(model[:_MODEL_CHARACTERS]),
            target=target.name,
            key=provider.key_number,
            code=error.code,
            status=error.status,
            reason=describe_failure(error, provider.confidential),
            **({"untold": untold} if untold else {}),
        )
