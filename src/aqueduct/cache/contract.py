"""What keeps answers for a time."""

from typing import Protocol


class AnswerStore(Protocol):
    """Keeps bytes by their key. It may forget any of them at any time, and nothing in it ever fails."""

    async def get(self, key: str) -> bytes | None:
        """Return what is kept, or None, also where that is not known soon enough to be of use."""

    def put(self, key: str, value: bytes, ttl_seconds: float) -> None:
        """Keep something, in the place of what was there; nobody waits for it."""

    async def run(self) -> None:
        """Do what is to be done beside the requests, until cancelled."""

    async def close(self) -> None:
        """Let go of what is open."""
