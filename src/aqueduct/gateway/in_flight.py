"""The bytes of request bodies that the whole process holds at once."""

from aqueduct.errors import Overloaded


class InFlight:
    """A counter with a ceiling, in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes

    def take(self, size: int) -> None:
        """Count `size` more bytes, or raise `Overloaded` and count nothing."""
        if self.bytes + size > self._max_bytes:
            raise Overloaded("The gateway is holding as many request bytes as it may. Try again shortly.")
        self.bytes += size

    def give(self, size: int) -> None:
        """Count `size` bytes less."""
        self.bytes -= size
