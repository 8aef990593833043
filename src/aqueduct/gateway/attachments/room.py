"""The bytes that the images and files of all requests take together: fetched, read, and what is built of them."""

import asyncio
from collections import deque

from aqueduct.errors import Overloaded

WAIT_SECONDS = 10.0
"""How long a request waits for room before it is told to come again."""

_FIRST_BYTES = 64 * 1024
_Place = tuple[int, "asyncio.Future[None]"]
_FULL = "The gateway is holding as much of images and files as it may. Try again shortly."


class Room:
    """A count of bytes with a ceiling; whoever finds no room waits a little, first come, first served.

    A part of it is for those who hold some already, and they go first: were it full of requests each of which needs
    more, none would ever be done.
    """

    def __init__(self, max_bytes: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._most_of_new_bytes = max_bytes * 2 // 3
        self._wait_seconds = wait_seconds
        self._begun: deque[_Place] = deque()
        self._new: deque[_Place] = deque()

    async def take(self, size: int, *, has_begun: bool) -> None:
        """Count `size` more bytes; raise `Overloaded`, and count nothing, where there is no room for them in time.

        `has_begun` is said for those who hold some already.
        """
        if size > self._max_bytes:
            raise Overloaded(_FULL)
        waiting = self._begun if has_begun else self._new
        if not waiting and self._fits(size, has_begun=has_begun):
            self.bytes += size
            return
        place = size, asyncio.get_running_loop().create_future()
        waiting.append(place)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await place[1]
        except BaseException as error:
            if place in waiting:
                waiting.remove(place)
                self._let_in()  # whoever stands behind may need less
            elif not place[1].cancelled():
                self.give(size)  # the room came in the moment in which nobody wanted it any more
            if isinstance(error, TimeoutError):
                raise Overloaded(_FULL) from None
            raise

    def give(self, size: int) -> None:
        """Count `size` bytes less."""
        self.bytes -= size
        self._let_in()

    def _fits(self, size: int, *, has_begun: bool) -> bool:
        if has_begun or not self.bytes:
            return self.bytes + size <= self._max_bytes
        return not self._begun and self.bytes + size <= self._most_of_new_bytes

    def _let_in(self) -> None:
        for waiting, has_begun in ((self._begun, True), (self._new, False)):
            while waiting and self._fits(waiting[0][0], has_begun=has_begun):
                size, waiter = waiting.popleft()
                if not waiter.done():
                    self.bytes += size
                    waiter.set_result(None)


class Holding:
    """What one request holds of the room, until it is over."""

    __slots__ = ("_is_over", "_room", "bytes")

    def __init__(self, room: Room) -> None:
        self.bytes = 0
        self._room = room
        self._is_over = False

    async def take(self, size: int) -> None:
        """Hold `size` more bytes; raises `Overloaded`."""
        await self._room.take(size, has_begun=self.bytes > 0)
        if self._is_over:
            self._room.give(size)
        else:
            self.bytes += size

    def give(self, size: int) -> None:
        """Hold `size` bytes less."""
        if not self._is_over:
            self.bytes -= size
            self._room.give(size)

    def shrink(self, size: int) -> None:
        """Hold no more than `size` bytes."""
        if self.bytes > size:
            self.give(self.bytes - size)

    def release(self) -> None:
        """Hold nothing, now and later; safe to call twice."""
        self.shrink(0)
        self._is_over = True


class Portion:
    """What one thing holds while it is fetched: `factor` bytes for each of its own, for what is built of it too."""

    __slots__ = ("_factor", "_holding", "_size")

    def __init__(self, holding: Holding, factor: int) -> None:
        self._holding = holding
        self._factor = factor
        self._size = 0

    async def cover(self, size: int) -> None:
        """Hold enough for `size` bytes in all; raises `Overloaded`. Where they come bit by bit, it doubles."""
        if size > self._size:
            size = max(size, 2 * self._size, _FIRST_BYTES)
            await self._holding.take((size - self._size) * self._factor)
            self._size = size

    def settle(self, size: int) -> None:
        """Hold no more than `size` bytes need."""
        self._holding.give((self._size - size) * self._factor)
        self._size = size
