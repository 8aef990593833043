"""Single flight: of equal requests at the same time one asks, and the others wait for what it is told.

A leader whose client goes away hands over to one of those who wait. One that fails hands over once; after a second
failure, or where the answer may not be shared, the others ask each for itself, as they would have without a cache: one
after the other they would wait for as many time-outs as there are of them. So does whoever has waited for too long.
"""

import asyncio
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_FAILURES = 2

MAX_WAIT_SECONDS = 60.0
"""How long one waits for what another is told; models that reason for longer answer each for itself then."""


class Lead(Generic[T]):
    """The right, and the duty, to find the answer for all who wait; ends by `land`, `fail` or `hand_over`, once."""

    __slots__ = ("_flight", "_flights", "_is_over")

    def __init__(self, flights: "Flights[T]", flight: "_Flight[T]") -> None:
        self._flights = flights
        self._flight = flight
        self._is_over = False

    def land(self, answer: T | None) -> None:
        """Give the answer to all who wait; None where they are to ask for themselves."""
        if not self._is_over:
            self._is_over = True
            self._flights.end(self._flight, answer)

    def fail(self) -> None:
        """Give up: asking went wrong."""
        self._flight.failures += 1
        if self._flight.failures >= MAX_FAILURES:
            self.land(None)
        else:
            self.hand_over()

    def hand_over(self) -> None:
        """Give up: whoever waits longest goes on."""
        if not self._is_over:
            self._is_over = True
            self._flights.pass_on(self._flight)


class _Flight(Generic[T]):
    __slots__ = ("failures", "key", "waiting")

    def __init__(self, key: str) -> None:
        self.key = key
        self.failures = 0
        self.waiting: OrderedDict[asyncio.Future[Lead[T] | T | None], None] = OrderedDict()


class Flights(Generic[T]):
    """Who is finding which answer."""

    def __init__(self, max_wait_seconds: float = MAX_WAIT_SECONDS) -> None:
        self._flights: dict[str, _Flight[T]] = {}
        self._max_wait_seconds = max_wait_seconds

    def __len__(self) -> int:
        return len(self._flights)

    def begin(self, key: str) -> Lead[T] | None:
        """Take the lead; None where somebody has it: then `wait`."""
        if key in self._flights:
            return None
        flight = self._flights[key] = _Flight[T](key)
        return Lead(self, flight)

    async def wait(self, key: str) -> Lead[T] | T | None:
        """Wait for the answer; or for the lead, or for None, which is neither: to ask for oneself."""
        flight = self._flights[key]
        waiter: asyncio.Future[Lead[T] | T | None] = asyncio.get_running_loop().create_future()
        flight.waiting[waiter] = None
        timer = asyncio.get_running_loop().call_later(self._max_wait_seconds, self._give_up, flight, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            flight.waiting.pop(waiter, None)
            if waiter.done() and not waiter.cancelled() and isinstance(lead := waiter.result(), Lead):
                # It was handed over in the moment its new holder left too.
                lead.hand_over()
            raise
        finally:
            timer.cancel()

    def _give_up(self, flight: _Flight[T], waiter: "asyncio.Future[Lead[T] | T | None]") -> None:
        """Send one who has waited for too long his own way."""
        flight.waiting.pop(waiter, None)
        if not waiter.done():
            waiter.set_result(None)

    def end(self, flight: _Flight[T], answer: T | None) -> None:
        """Tell everybody who waits."""
        self._flights.pop(flight.key, None)
        for waiter in flight.waiting:
            if not waiter.done():
                waiter.set_result(answer)
        flight.waiting.clear()

    def pass_on(self, flight: _Flight[T]) -> None:
        """Make the one who has waited longest the leader; without one the flight is over."""
        while flight.waiting:
            waiter, _ = flight.waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(Lead(self, flight))
                return
        self._flights.pop(flight.key, None)
