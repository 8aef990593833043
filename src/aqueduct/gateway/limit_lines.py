"""The `x-ratelimit` lines of an answer: of each kind of limit the tightest, written into what is always the same."""

import math
from collections.abc import Mapping, Sequence

from aqueduct.counters.answers import Refusal, Reservation
from aqueduct.gateway.response_head import HeaderLines
from aqueduct.wire.limits import format_duration, limit_template


class LimitLines:
    """The limits that bear on the requests of a caller, by kind: `requests` and `tokens`.

    Each is given by its place among the claims, how much it allows as it is counted, how many of these make one as it
    is shown, and how much it allows as it is shown.
    """

    __slots__ = ("_kinds",)

    def __init__(self, limits: Mapping[bytes, Sequence[tuple[int, int, int, int]]]) -> None:
        self._kinds = [
            [
                (at, counted, 1 / max(counted, 1), fineness, limit_template(kind, shown))
                for at, counted, fineness, shown in of_kind
            ]
            for kind, of_kind in limits.items()
            if of_kind
        ]

    def write(self, answer: Reservation | Refusal, used: Sequence[int]) -> HeaderLines:
        """Return the lines of the limits of which the smallest share is left."""
        lines = b""
        for rows in self._kinds:
            least, tightest = math.inf, rows[0]
            for row in rows:
                at, counted, part, _, _ = row
                share = (counted - used[at]) * part
                if share < least:
                    least, tightest = share, row
            at, counted, _, fineness, template = tightest
            left = counted - used[at]
            lines += template % (left // fineness if left > 0 else 0, format_duration(answer.reset_ms(at) or 0))
        return lines
