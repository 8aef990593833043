"""The bytes to and from a Valkey server: replies are parsed where they are read, and no task is woken for it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from typing_extensions import override

ReplyError = hiredis.ReplyError
"""What the server answers instead of a reply."""


class Conversation(asyncio.Protocol):
    """A connection that is asked in batches; tells `hear` of replies and `end` of what it failed with, until left.

    It takes the socket over from a connection of redis-py, which has read everything that it asked for and goes on to
    own it. `ended` is for whoever is told to end: to say what it failed with.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        hear: Callable[[Sequence[Any]], None],
        end: Callable[[Exception], None],
    ) -> None:
        """Take over. Raises `ConnectionError` if the connection has ended meanwhile."""
        writer: asyncio.StreamWriter | None = connection._writer  # noqa: SLF001 -- no public name leads to the socket
        if writer is None or writer.transport.is_closing():
            raise ConnectionError("the server hung up")
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._hear = hear
        self._end = end
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)
        self._is_left = False
        self._transport = writer.transport
        self._transport.set_protocol(self)

    def write(self, block: bytes) -> None:
        """Send what may be many commands."""
        self._transport.write(block)

    def leave(self) -> None:
        """Hear no more."""
        self._is_left = True

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_left:
            return
        self._reader.feed(data)
        gets = self._reader.gets
        replies = []
        try:
            while (reply := gets()) is not _NOT_YET:
                replies.append(reply)
        except hiredis.ProtocolError as error:
            self._end(ConnectionError(f"the server does not speak its protocol: {error}"))
            return
        self._hear(replies)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_left:
            self._end(exc or ConnectionError("the server hung up"))


_NOT_YET = object()
