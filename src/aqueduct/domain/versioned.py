"""What everything that is administered shares."""

import msgspec


class Versioned(msgspec.Struct, frozen=True, kw_only=True):
    """When it was made, in seconds since the epoch, and a version that rises by one with every change."""

    created_at: float
    version: int = 1
