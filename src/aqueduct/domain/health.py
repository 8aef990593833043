"""How targets are, as the data plane sees it and administrators are shown."""

import msgspec


class TargetHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One target at one moment, as this process sees it.

    `state` is `closed` (in use), `open` (out of use until `open_until`, in seconds since the epoch) or `half_open`
    (tried by one request at a time); `reason` why, null while it is closed. `key` numbers the keys of its provider. The
    counts are of attempts since the process began. Durations are medians and 95th percentiles of late, in milliseconds:
    until the first content of streams, and of whole plain answers. `routes` says which requests rules, splits and
    mirrors bring here, in words.
    """

    target: str
    provider: str
    key: int
    models: tuple[str, ...]
    routes: tuple[str, ...] = ()
    state: str
    reason: str | None = None
    open_until: float | None = None
    in_flight: int = 0
    attempts: int = 0
    failures: int = 0
    first_content_median_ms: float | None = None
    first_content_p95_ms: float | None = None
    answer_median_ms: float | None = None
    answer_p95_ms: float | None = None
