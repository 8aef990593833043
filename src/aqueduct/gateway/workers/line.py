"""Who is next: a few places for many callers, none of whom has to wait for what another one has sent before him."""

import asyncio
from collections import Counter, OrderedDict, deque


class LineFull(Exception):
    """As many wait as may, and this caller has at least his share of them."""


class FairLine:
    """Gives out places: at most `most_a_caller` to one caller at a time, to those who wait in turn of callers.

    At most `limit` wait. Where one more comes, the last of whoever has the most in line makes room for him.
    """

    def __init__(self, places: int, most_a_caller: int, limit: int) -> None:
        self._places = self._free = places
        self._most_a_caller = most_a_caller
        self._limit = limit
        self._inside: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By caller, whoever's turn is next first."""
        self._emptied: asyncio.Future[None] | None = None

    async def enter(self, caller: str) -> None:
        """Wait for a place; raise `LineFull`."""
        if caller not in self._waiting and self._may_enter(caller):
            self._enter(caller)
            return
        self._make_room_for(caller)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave(caller)  # the place came in the moment in which nobody wanted it any more
            else:
                self._forget(caller, waiter)
                self._let_in()
            raise

    def leave(self, caller: str) -> None:
        """Give a place back."""
        self._free += 1
        self._inside[caller] -= 1
        if not self._inside[caller]:
            del self._inside[caller]
        self._let_in()

    async def wait_until_empty(self) -> None:
        """Wait until nobody is inside or in line."""
        if self._free < self._places or self._waiting:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def _may_enter(self, caller: str) -> bool:
        return self._free > 0 and self._inside[caller] < self._most_a_caller

    def _enter(self, caller: str) -> None:
        self._free -= 1
        self._inside[caller] += 1

    def _let_in(self) -> None:
        """Give what is free to those who wait."""
        while (caller := next(filter(self._may_enter, self._waiting), None)) is not None:
            waiter = self._waiting[caller][0]
            self._forget(caller, waiter)
            if caller in self._waiting:
                self._waiting.move_to_end(caller)
            if not waiter.done():
                self._enter(caller)
                waiter.set_result(None)
        if self._emptied is not None and self._free == self._places and not self._waiting:
            if not self._emptied.done():
                self._emptied.set_result(None)
            self._emptied = None

    def _make_room_for(self, caller: str) -> None:
        if sum(map(len, self._waiting.values())) < self._limit:
            return
        greediest = max(self._waiting, key=lambda each: len(self._waiting[each]), default=caller)
        if len(self._waiting.get(greediest, ())) <= len(self._waiting.get(caller, ())) + 1:
            raise LineFull
        waiter = self._waiting[greediest][-1]
        self._forget(greediest, waiter)
        if not waiter.done():
            waiter.set_exception(LineFull())

    def _forget(self, caller: str, waiter: "asyncio.Future[None]") -> None:
        line = self._waiting.get(caller)
        if line is not None and waiter in line:
            line.remove(waiter)
            if not line:
                del self._waiting[caller]
