"""Settlements on their way to Valkey: sent at once, and again when they may not have arrived."""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from typing_extensions import override

from aqueduct.counters.link import Call, Link
from aqueduct.counters.valkey_calls import Held, Keys, Lapsed
from aqueduct.errors import CountersUnavailable

INTERVAL_SECONDS = 0.5
MAX_ATTEMPTS = 10
"""How often a settlement is sent that the server goes on refusing, for want of memory for example."""

logger = structlog.get_logger(__name__)


class Settling:
    """Sends what is settled; while the server is away, keeps it until `run` can send it.

    That is no more than what was in flight when the server went, and one sum a budget for what was served without it.
    """

    def __init__(self, link: Link, keys: Keys, now: Callable[[], str]) -> None:
        self._link = link
        self._keys = keys
        self._now = now
        self._unsent: list[_Settlement] = []
        self._unspent: dict[str, int] = {}

    def settle(self, held: Held, amounts: Sequence[int]) -> None:
        """Send the settlement of a reservation."""
        keys, words = self._keys.of_settling(held, amounts)
        if keys:
            self._send(_Settlement(keys, words, self._keep))

    def recover(self, lapsed: Lapsed, spent: int) -> None:
        """Send what became of a reservation that lapsed; whoever is the first to is believed."""
        keys, words = self._keys.of_recovering(lapsed, spent)
        self._send(_Settlement(keys, words, self._keep))

    def spend(self, key: str, amount: int) -> None:
        """Send what was spent of a budget in which nothing had been reserved."""
        self._unspent[key] = self._unspent.get(key, 0) + amount
        if self._link.is_up:
            self._send_spent()

    async def run(self) -> None:
        """Send what could not be sent, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            if self._link.is_up:
                unsent, self._unsent = self._unsent, []
                for settlement in unsent:
                    self._send(settlement)
                self._send_spent()

    def _send_spent(self) -> None:
        """Send the sums; one that gets lost on its way is not sent again, for nothing would tell that it arrived."""
        while self._unspent:
            key, amount = self._unspent.popitem()
            self._send(_Settlement([self._keys.spent + key], f"s {amount} 0 0", _drop))

    def _send(self, settlement: "_Settlement") -> None:
        settlement.argument = f"{self._now()} {settlement.is_first:d} {settlement.words}"
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
    __slots__ = ("_on_lost", "attempts", "is_first", "words")

    def __init__(self, keys: list[str], words: str, on_lost: "Callable[[_Settlement], None]") -> None:
        super().__init__("settle", keys, "")
        self.words = words
        self.is_first = True
        self.attempts = 0
        self._on_lost = on_lost

    @override
    def lose(self) -> None:
        self.is_overdue = False
        self._on_lost(self)


def _drop(settlement: _Settlement) -> None:
    logger.warning("spending_not_counted", key=settlement.keys[0])
