"""The `x-ratelimit` headers, as OpenAI's API sends them."""

from functools import lru_cache


def limit_fields(kind: bytes, limit: int, remaining: int, reset_ms: int | None) -> bytes:
    """Return the header lines of one kind, `requests` or `tokens`: the limit, what is left, when it is whole again."""
    if reset_ms is None:
        return b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\n" % (kind, limit, kind, remaining)
    return b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n" % (
        kind,
        limit,
        kind,
        remaining,
        kind,
        format_duration(reset_ms),
    )


@lru_cache(maxsize=4096)
def format_duration(milliseconds: int) -> bytes:
    """Write a duration as `120ms`, `1.5s` or `6m0s`; most are of a window just used, between 60 and 61 seconds."""
    if milliseconds < 1000:
        return b"%dms" % milliseconds
    minutes, rest = divmod(milliseconds, 60_000)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".").encode()
    return b"%dm%bs" % (minutes, shown) if minutes else shown + b"s"
