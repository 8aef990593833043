"""The `x-ratelimit` lines of an answer: of each kind of limit the tightest, written into what is always the same."""

import math
from collections.abc import Sequence

from aqueduct.counters.answers import Refusal, Reservation
from aqueduct.gateway.response_head import HeaderLines
from aqueduct.wire.limits import format_duration, limit_template


class LimitLines:
    """The limits of one kind, `requests` or `tokens`, that bear on the requests of a caller.

    Each is given by its place among the claims, by how much it allows as it is counted, by how many of these make one as
    it is shown, and by how much it allows as it is shown.
    """

    __slots__ = ("_are_several", "_rows")

    def __init__(self, kind: bytes, limits: Sequence[tuple[int, int, int, int]]) -> None:
        self._rows = [
            (at, counted, 1 / max(counted, 1), fineness, limit_template(kind, shown))
            for at, counted, fineness, shown in limits
        ]
        self._are_several = len(self._rows) > 1

    def write(self, answer: Reservation | Refusal) -> HeaderLines:
        """Return the lines of the limit of which the smallest share is left."""
        used = answer.used
        tightest = self._rows[0]
        if self._are_several:
            least = math.inf
            for row in self._rows:
                share = (row[1] - used[row[0]]) * row[2]
                if share < least:
                    least, tightest = share, row
        at, counted, _, fineness, template = tightest
        left = counted - used[at]
        return template % (left // fineness if left > 0 else 0, format_duration(answer.reset_ms(at) or 0))
