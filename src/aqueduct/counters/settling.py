"""Settlements on their way to Valkey: sent at once, and again when they may not have arrived."""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog
from typing_extensions import override

from aqueduct.counters.answers import MILLISECONDS, Reservation
from aqueduct.counters.calls import Call, pack_keys
from aqueduct.counters.link import Link
from aqueduct.counters.valkey_calls import SETTLE, Keys, Lapsed, Shape
from aqueduct.errors import CountersUnavailable

INTERVAL_SECONDS = 0.5
MAX_ATTEMPTS = 10
"""How often a settlement is sent that the server goes on refusing, for want of memory for example."""

_SPAN_SECONDS = 10.0
"""For how long what is spent of a budget without its server goes into one sum."""

logger = structlog.get_logger(__name__)


class Settling:
    """Sends what is settled; while the server is away, keeps it until `run` can send it.

    That is no more than what was in flight when the server went, and a sum each few seconds for every budget that was
    spent from without it. All say how long ago they were settled: a server that lost its data has its budgets seeded
    again, with everything that was settled before.
    """

    def __init__(self, link: Link, keys: Keys, now: Callable[[], str]) -> None:
        self._link = link
        self._keys = keys
        self._now = now
        self._unsent: list[_Settlement] = []
        self._unspent: dict[tuple[str, int], tuple[float, int]] = {}

    def settle(self, made: Reservation, amounts: Sequence[int]) -> None:
        """Send the settlement of a reservation that was made, or may have been."""
        if (written := self._keys.written(made.claims).settling(made, amounts)) is not None:
            self._send(_Settlement(*written, self._keep))

    def recover(self, lapsed: Lapsed, spent: int) -> None:
        """Send what became of a reservation that lapsed; whoever is the first to is believed."""
        keys = [self._keys.spent + lapsed.key, self._keys.reserved + lapsed.key]
        words = f"{lapsed.name} 0 l {lapsed.amount} {spent}"
        self._send(_Settlement(Shape(len(keys), pack_keys(keys), ""), words, self._keep))

    def spend(self, key: str, amount: int) -> None:
        """Send what was spent of a budget in which nothing had been reserved."""
        now = time.monotonic()
        if self._link.is_up:
            self._send(self._sum(key, amount, now))
        else:
            # A sum is as old as the first of it: rather not counted than twice.
            span = (key, int(now // _SPAN_SECONDS))
            first_at, sum_before = self._unspent.get(span, (now, 0))
            self._unspent[span] = (first_at, sum_before + amount)

    async def run(self) -> None:
        """Send what could not be sent, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            if self._link.is_up:
                unsent, self._unsent = self._unsent, []
                for settlement in unsent:
                    self._resend(settlement)
                self._send_spent()

    def _send_spent(self) -> None:
        """Send the sums; one that gets lost on its way is not sent again, for nothing would tell that it arrived."""
        while self._unspent:
            (key, _), (settled_at, amount) = self._unspent.popitem()
            self._resend(self._sum(key, amount, settled_at))

    def _sum(self, key: str, amount: int, settled_at: float) -> "_Settlement":
        shape = Shape(1, pack_keys([self._keys.spent + key]), "")
        return _Settlement(shape, f"- 0 s {amount} 0", _drop, settled_at)

    def _resend(self, settlement: "_Settlement") -> None:
        """Send what was settled a while ago."""
        age_ms = int((time.monotonic() - settlement.settled_at) * MILLISECONDS)
        self._send(settlement, max(age_ms, 1))

    def _send(self, settlement: "_Settlement", age_ms: int = 0) -> None:
        settlement.write(self._now(), age_ms)
        try:
            self._link.send(settlement)
        except CountersUnavailable:
            self._unsent.append(settlement)

    def _keep(self, settlement: "_Settlement") -> None:
        """Keep a settlement that got lost on its way, to send it again."""
        settlement.is_first = False
        settlement.attempts += 1
        if settlement.attempts < MAX_ATTEMPTS:
            self._unsent.append(settlement)
        else:
            logger.error("settlement_given_up", attempts=settlement.attempts)


class _Settlement(Call):
    __slots__ = ("_on_lost", "_shape", "attempts", "is_first", "settled_at", "words")

    def __init__(
        self, shape: Shape, words: str, on_lost: "Callable[[_Settlement], None]", settled_at: float | None = None
    ) -> None:
        super().__init__(SETTLE, shape.keys)
        self._shape = shape
        self.words = words
        self.settled_at = time.monotonic() if settled_at is None else settled_at
        self.is_first = True
        self.attempts = 0
        self._on_lost = on_lost

    def write(self, now: str, age_ms: int) -> None:
        """Write it as it is sent at a moment, so long after it was settled."""
        self.give(self._shape.packed_keys, f"{now} {self.is_first:d} {age_ms} {self.words}".encode())

    @override
    def lose(self) -> None:
        self.is_overdue = False
        self._on_lost(self)


def _drop(settlement: _Settlement) -> None:
    logger.warning("spending_not_counted", words=settlement.words)
