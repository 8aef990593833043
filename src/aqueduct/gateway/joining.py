"""A transport that can join two writes into one: a head and its first block cost one system call instead of two."""

import asyncio
from typing import Any


class JoiningTransport:
    """Hands everything on to the real transport; a write made while `holds_next` is set waits for the one after it."""

    __slots__ = ("_held", "_transport", "holds_next")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""
        self.holds_next = False

    def write(self, data: bytes) -> None:
        """Write, or keep back until the next write or the close."""
        if self.holds_next:
            self.holds_next = False
            self._held = data
        elif self._held:
            joined, self._held = self._held + data, b""
            self._transport.write(joined)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Write what was kept back, then close."""
        if self._held:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
