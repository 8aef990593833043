"""The `x-ratelimit` headers, as OpenAI's API sends them."""

from functools import lru_cache


def limit_template(kind: bytes, limit: int) -> bytes:
    """Return the header lines of one kind, `requests` or `tokens`, but for what is left and when it is whole again."""
    lines = b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%b\r\n"
    return lines % (kind, limit, kind, kind)


@lru_cache(maxsize=4096)
def format_duration(milliseconds: int) -> bytes:
    """Write a duration as `120ms`, `1.5s` or `6m0s`; most are of a window just used, between 60 and 61 seconds."""
    if milliseconds < 1000:
        return b"%dms" % milliseconds
    minutes, rest = divmod(milliseconds, 60_000)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".").encode()
    return b"%dm%bs" % (minutes, shown) if minutes else shown + b"s"
