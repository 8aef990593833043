"""The `x-ratelimit` lines of an answer: of each kind of limit the tightest, written into what is always the same."""

import math
from collections.abc import Sequence

from aqueduct.counters.answers import Refusal, Reservation
from aqueduct.gateway.response_head import HeaderLines
from aqueduct.wire.limits import format_duration, limit_template


class LimitLines:
    """The limits of one kind, `requests` or `tokens`, that bear on the requests of a caller.

    Each is given by its place among the claims, how much it allows as it is counted, how many of these make one as it
    is shown, and how much it allows as it is shown.
    """

    __slots__ = ("_are_several", "_rows", "_templates")

    def __init__(self, kind: bytes, limits: Sequence[tuple[int, int, int, int]]) -> None:
        self._rows = [(at, counted, 1 / max(counted, 1)) for at, counted, _, _ in limits]
        self._are_several = len(limits) > 1
        self._templates = {at: (fineness, limit_template(kind, shown)) for at, _, fineness, shown in limits}

    def write(self, answer: Reservation | Refusal, used: Sequence[int]) -> HeaderLines:
        """Return the lines of the limit of which the smallest share is left."""
        tightest, limit, _ = self._rows[0]
        left = limit - used[tightest]
        if self._are_several:
            least = math.inf
            for at, counted, part in self._rows:
                each = counted - used[at]
                share = each * part
                if share < least:
                    least, tightest, left = share, at, each
        fineness, template = self._templates[tightest]
        return template % (left // fineness if left > 0 else 0, format_duration(answer.reset_ms(tightest) or 0))
