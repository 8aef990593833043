"""The connections to one origin: those in use are counted, idle ones kept, and requests over the limit wait in line."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from aqueduct.errors import UpstreamTimeout, UpstreamUnreachable
from aqueduct.upstream.connection import Connection
from aqueduct.upstream.options import Limits

Connect = Callable[[Connection], Awaitable[None]]
"""Connects a fresh `Connection` to the origin, or raises `UpstreamUnreachable` or `UpstreamTimeout`."""


class Pool:
    """The connections to one origin; the last one used is the next to be used, so that the others can expire.

    A place is a connection or the right to make one; there are at most `connections_per_origin`. Whoever leaves a place
    hands it to the first in line, so nobody who comes later gets in front.
    """

    def __init__(self, limits: Limits, connect: Connect, on_idle: Callable[[], None]) -> None:
        self._limits = limits
        self._connect = connect
        self._on_idle = on_idle
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._places = 0
        self._line: deque[asyncio.Future[Connection | None]] = deque()
        self._is_closed = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is open, being opened or waited for."""
        return not self._places and not self._line

    def take(self) -> Connection | None:
        """Return an idle connection that may be used, if there is one."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.abort()
        return None

    async def acquire(self, deadline: float, *, is_fresh: bool = False) -> Connection:
        """Return a connection, waiting for a place and connecting; `is_fresh` takes none that has been used.

        Raise `UpstreamTimeout` at the deadline and `UpstreamUnreachable` where there is no way to the origin.
        """
        if is_fresh and self._places >= self._limits.connections_per_origin and self._idle:
            self._idle[0].abort()
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    connection = await self._place()
                    if connection is None:
                        return await self._fill_place()
                    if connection.failure is not None:  # it closed while it was handed over, and its place with it
                        continue
                    if connection.is_usable() and not is_fresh:
                        return connection
                    self._open.discard(connection)  # so that its place stays ours
                    connection.abort()
                    return await self._fill_place()
        except TimeoutError:
            raise UpstreamTimeout("no connection could be had in time") from None

    async def close(self) -> None:
        """Close every connection, and refuse those who wait."""
        self._is_closed = True
        for waiter in self._line:
            if not waiter.done():
                waiter.set_exception(UpstreamUnreachable("the transport is closed"))
        self._line.clear()
        open_connections = list(self._open)
        for connection in open_connections:
            connection.abort()
        for connection in open_connections:
            await connection.lost

    def expire(self, now: float) -> float | None:
        """Close what has been idle for too long; return when the next one will have been, or None."""
        oldest_allowed = now - self._limits.idle_seconds
        while self._idle and self._idle[0].idle_since <= oldest_allowed:
            self._idle[0].abort()
        return self._idle[0].idle_since + self._limits.idle_seconds if self._idle else None

    async def _place(self) -> Connection | None:
        """Return a connection that somebody left, or None for the right to make one."""
        if self._is_closed:
            raise UpstreamUnreachable("the transport is closed")
        if self._places < self._limits.connections_per_origin:
            self._places += 1
            return None
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                if waiter in self._line:
                    self._line.remove(waiter)
            elif waiter.exception() is None:
                self._pass_on(waiter.result())
            raise

    async def _fill_place(self) -> Connection:
        connection = Connection(self._limits, self._take_back, self._forget)
        try:
            await self._connect(connection)
            if self._is_closed:
                connection.abort()
            if connection.failure is not None:
                raise connection.failure
        except BaseException:
            self._leave_place()
            raise
        self._open.add(connection)
        return connection

    def _take_back(self, connection: Connection) -> None:
        if not self._hand_on(connection):
            self._idle.append(connection)
            self._on_idle()

    def _pass_on(self, place: Connection | None) -> None:
        """Give back a place that was handed over but not used."""
        if place is None:
            self._leave_place()
        elif place.failure is None:
            self._take_back(place)

    def _forget(self, connection: Connection) -> None:
        if connection in self._open:
            self._open.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._leave_place()

    def _leave_place(self) -> None:
        if not self._hand_on(None):
            self._places -= 1

    def _hand_on(self, place: Connection | None) -> bool:
        """Hand a place to the first in line; return False where nobody waits."""
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(place)
                return True
        return False
