"""What every request reads and only the composition root changes."""

from aqueduct.domain.snapshot import Snapshot


class State:
    """The snapshot in force, and whether new requests are still taken.

    A request takes the snapshot once and uses it to its end; a reload swaps in another one whole.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.is_draining = False
        self.is_ready = False

    def swap(self, snapshot: Snapshot) -> None:
        """Put another snapshot in force."""
        self.snapshot = snapshot
