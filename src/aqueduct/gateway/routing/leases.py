"""Who may try a target that is half open, where several gateways share what they know of it: one of them at a time.

Pure: what is wanted is asked for elsewhere (`gateway/sharing/`), beside the path of requests, and the answer noted
here. A gateway that is alone may always.
"""

from collections.abc import Callable

DENIED_SECONDS = 0.5
"""How long a refusal holds: by then the one who tries has said more, or may have gone."""
ASKING_SECONDS = 0.01
"""After how long a request that has nowhere else to go looks again whether the answer is there."""

_NEVER = float("-inf")


class Leases:
    """What was granted and denied to this gateway, by a target's id; instants are on the clock of whoever drives it."""

    def __init__(self) -> None:
        self.is_shared = False
        """Whether others are asked; while they cannot be, this gateway is alone."""
        self.wanted: set[str] = set()
        """What is to be asked for."""
        self.returned: set[str] = set()
        """What is needed no more."""
        self.wake: Callable[[], None] = _nothing
        """Called when there is something to ask for or to return."""
        self._granted: dict[str, float] = {}
        self._denied: dict[str, float] = {}

    def has(self, identity: str, now: float) -> bool:
        """Whether this gateway may try a target now; where that is not known, it is asked for."""
        if not self.is_shared or now < self._granted.get(identity, _NEVER):
            return True
        if identity not in self.wanted and now >= self._denied.get(identity, _NEVER):
            self.wanted.add(identity)
            self.wake()
        return False

    def is_pending(self, identity: str) -> bool:
        """Whether it was asked for, and nobody has answered yet."""
        return self.is_shared and identity in self.wanted

    def grant(self, identity: str, until: float) -> None:
        """Note that it is this gateway's turn, unless it has had it already."""
        self.wanted.discard(identity)
        if identity not in self.returned:
            self._granted[identity] = until

    def deny(self, identity: str, until: float) -> None:
        """Note that it is another gateway's turn."""
        self.wanted.discard(identity)
        self._granted.pop(identity, None)
        self._denied[identity] = until

    def give_back(self, identity: str) -> None:
        """It was tried: whatever came of it, the next may be another gateway's turn."""
        if self._granted.pop(identity, None) is not None:
            self.returned.add(identity)
            self.wake()

    def end(self) -> None:
        """Nobody can be asked any more."""
        self.is_shared = False
        for known in (self.wanted, self.returned, self._granted, self._denied):
            known.clear()


def _nothing() -> None:
    pass
