"""How long a target took of late."""

import itertools
from collections import deque

FRESH_SECONDS = 60.0
"""After this long without an answer nothing is known of a target's pace: it is to be tried again."""
_LATEST = 8
_KEPT = 128
_LEAST_SAMPLES = 20


class Latency:
    """The pace of one kind of answer: the mean of the latest, and percentiles; measuring is cheap, asking is not."""

    __slots__ = ("_at", "_samples")

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=_KEPT)
        self._at = float("-inf")

    def add(self, seconds: float, now: float) -> None:
        """Take one more measurement."""
        self._at = now
        self._samples.append(seconds)

    def recent(self, now: float) -> float | None:
        """Return the mean of the last few; None where nothing is known of late."""
        if now - self._at > FRESH_SECONDS:
            self._samples.clear()
            return None
        latest = list(itertools.islice(reversed(self._samples), _LATEST))
        return sum(latest) / len(latest)

    def percentile(self, share: float) -> float | None:
        """Return a percentile of the last measurements; None of too few."""
        if len(self._samples) < _LEAST_SAMPLES:
            return None
        ordered = sorted(self._samples)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
