"""Counters that all gateways with one Valkey server share: a script a step, and one round trip.

What a gateway reserved lapses at the server when it is not renewed, so that one that was killed holds nothing for ever.
A settlement is owed no answer: it goes out with everything else of the same turn of the event loop, and one that may
not have arrived is sent again.
"""

import asyncio
import contextlib
import itertools
import random
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Self

from typing_extensions import override

from aqueduct.counters.answers import MILLISECONDS, Answer, Refusal, Reservation, amounts_of
from aqueduct.counters.calls import Question
from aqueduct.counters.claims import Budget, Claim
from aqueduct.counters.contract import Counters
from aqueduct.counters.counts import BUDGET_IDLE_MS
from aqueduct.counters.link import Link
from aqueduct.counters.settling import Settling
from aqueduct.counters.valkey_calls import (
    LAPSED,
    RENEW,
    RESERVE,
    RESERVED,
    SCRIPTS,
    SEED,
    Held,
    Keys,
    Lapsed,
    read_lapsed,
    read_refusal,
    read_reservation,
)
from aqueduct.errors import CountersUnavailable

TIMEOUT_SECONDS = 0.05
LIFE_SECONDS = 15.0
"""For how long a place and reserved money are held without being renewed, which is done three times as often."""
MEMORY_SECONDS = 86_400.0
"""For how long it is remembered that reserved money lapsed: within it, its gateway's journal should be found."""

_RENEWED_AT_ONCE = 100
_LAPSED_AT_ONCE = 500
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
_POLLS_A_SECOND = 500
"""About how often all who wait here for a place ask the server together; waking them instead would take a subscription,
and a server that knows who came first."""


class ValkeyCounters(Counters):
    """Counts at the server that `url` names (`redis://`, `valkey://`, `rediss://`, `unix://`).

    `prefix` parts installations that share a server. `clock` (milliseconds) replaces the server's clock, in tests.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        life_seconds: float = LIFE_SECONDS,
        prefix: str = "aqueduct",
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._link = Link(url, SCRIPTS, timeout_seconds)
        self._life_seconds = life_seconds
        self.life_ms = int(life_seconds * MILLISECONDS)
        self.keys = Keys(prefix)
        self._clock = clock
        self._names = map(f"{secrets.token_hex(6)}-{{:x}}".format, itertools.count())
        self._live: dict[str, Held] = {}
        self._lapsed_page = (0, "")
        self._waiting = 0
        self.settling = Settling(self._link, self.keys, self.now)
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    @override
    async def __aenter__(self) -> Self:
        """Begin to connect, and wait until that worked or failed for the first time."""
        await self._group.__aenter__()
        self._tasks = [
            self._group.create_task(work) for work in (self._link.run(), self._renew_for_ever(), self.settling.run())
        ]
        try:
            await self._link.first_attempt()
        except asyncio.CancelledError:
            await self._end()
            raise
        return self

    @override
    async def __aexit__(self, *exc_info: object) -> None:
        with contextlib.suppress(CountersUnavailable):
            # What is answered last tells that everything before it was.
            await self._ask(Question.of(RENEW, [], f"{self.now()} 0 0"))
        await self._end()

    @override
    async def reserve(
        self,
        claims: Sequence[Claim],
        amounts: Sequence[int] | None = None,
        *,
        name: str | None = None,
        wait_seconds: float = 0.0,
    ) -> Answer:
        amounts = amounts_of(claims) if amounts is None else amounts
        name = next(self._names) if name is None else name
        answer = await self._reserve_once(claims, amounts, name)
        if wait_seconds > 0 and type(answer) is Refusal and answer.is_for_a_place:
            self._waiting += 1
            try:
                answer = await self._poll(claims, amounts, name, answer, wait_seconds)
            finally:
                self._waiting -= 1
        return answer

    async def _poll(
        self, claims: Sequence[Claim], amounts: Sequence[int], name: str, answer: Answer, wait_seconds: float
    ) -> Answer:
        """Ask again until there is a place: the less often, the more are waiting here."""
        loop = asyncio.get_running_loop()
        end_at = loop.time() + wait_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while type(answer) is Refusal and answer.is_for_a_place and (left_seconds := end_at - loop.time()) > 0:
            # With jitter, so that those who wait for one place do not all ask at once.
            jitter = random.uniform(0.5, 1.0)  # noqa: S311 -- nothing is kept secret by it
            await asyncio.sleep(min(left_seconds, max(pause_seconds, self._waiting / _POLLS_A_SECOND) * jitter))
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            answer = await self._reserve_once(claims, amounts, name)
        return answer

    @override
    def reserve_at_once(self, claims: Sequence[Claim], amounts: Sequence[int]) -> Reservation | None:
        """Return None: the server is asked."""
        return None

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        reservation.end(amounts)
        if reservation.name:
            self._live.pop(reservation.name, None)
            self.settling.settle(reservation, amounts)
            return
        for claim, amount in zip(reservation.claims, amounts, strict=True):
            if type(claim) is Budget and amount:
                self.settling.spend(claim.key, amount)

    @override
    def release(self, reservation: Reservation) -> None:
        self.settle(reservation, [0] * len(reservation.claims))

    @override
    async def seed(self, key: str, spent: int) -> bool:
        return bool(await self._seed(key, str(spent)))

    @override
    async def forget(self, key: str) -> None:
        await self._seed(key, "-")

    async def renew(self) -> None:
        """Say of everything that is reserved that this gateway is alive."""
        waiting = list(self._live.values())
        while waiting:
            keys: list[str] = []
            members: list[str] = []
            for held in waiting[:_RENEWED_AT_ONCE]:
                more_keys, more_members = self.keys.of_renewing(held)
                keys += more_keys
                members += more_members
            del waiting[:_RENEWED_AT_ONCE]
            call = Question.of(RENEW, keys, f"{self.now()} {self.life_ms} {BUDGET_IDLE_MS} {' '.join(members)}")
            await self._ask(call)

    async def lapsed(self) -> list[Lapsed]:
        """List money that lapsed and of which nobody found out yet whether it was spent.

        That is a page of it, and the next time the one after: much of it is of requests that were never answered, and
        must not hide what others cost.
        """
        skipped, begin = self._lapsed_page
        words = f"{MEMORY_SECONDS * MILLISECONDS:.0f} {_LAPSED_AT_ONCE} {self.keys.spent} {self.keys.reserved}"
        call = Question.of(LAPSED, [self.keys.lapsed], f"{self.now()} {words} {skipped} {begin}")
        self._lapsed_page, found = read_lapsed(await self._ask(call))
        return found

    def recover(self, lapsed: Lapsed, spent: int) -> None:
        """Spend what was found out about money that lapsed; of several who do, the first is believed."""
        skipped, begin = self._lapsed_page
        if lapsed.key == begin and skipped:
            # One fewer lies before the next page.
            self._lapsed_page = (skipped - 1, begin)
        self.settling.recover(lapsed, spent)

    def now(self) -> str:
        """Return the time as scripts are told it."""
        return "-" if self._clock is None else str(self._clock())

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    async def _reserve_once(self, claims: Sequence[Claim], amounts: Sequence[int], name: str) -> Answer:
        call = _Reserving(self, claims, amounts, name)
        self._link.send(call)
        try:
            reply = await call.reply
        except asyncio.CancelledError:
            if not call.reply.cancelled() and call.reply.exception() is None:
                # The answer was there, but its caller was cancelled before he could take it.
                call.abandon(call.reply.result())
            raise
        if reply[0] != RESERVED:
            return read_refusal(claims, reply)
        held = read_reservation(claims, amounts, name, reply)
        if call.written.are_lasting:
            self._live[name] = held
        return held

    async def _seed(self, key: str, spent: str) -> int:
        call = Question.of(SEED, [self.keys.spent + key], f"{self.now()} {spent} {BUDGET_IDLE_MS}")
        return int(await self._ask(call))

    async def _ask(self, call: Question) -> Any:
        self._link.send(call)
        return await call.reply

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._life_seconds / 3)
            with contextlib.suppress(CountersUnavailable):
                await self.renew()


class _Reserving(Question):
    """Asks for all claims; what is granted to nobody is given back."""

    __slots__ = ("_amounts", "_claims", "_counters", "_name", "written")

    def __init__(self, counters: ValkeyCounters, claims: Sequence[Claim], amounts: Sequence[int], name: str) -> None:
        self._counters = counters
        self._claims = claims
        self._amounts = amounts
        self._name = name
        self.written = written = counters.keys.written(claims)
        keys, packed_keys, words = written.reserving
        argument = f"{counters.now()} {name} {counters.life_ms} {BUDGET_IDLE_MS} {words % tuple(amounts)}"
        super().__init__(RESERVE, keys, packed_keys, argument)

    @override
    def abandon(self, reply: Sequence[int]) -> None:
        if reply[0] == RESERVED:
            held = read_reservation(self._claims, self._amounts, self._name, reply)
            self._counters.settling.settle(held, [0] * len(self._claims))
