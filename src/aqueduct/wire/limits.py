"""The `x-ratelimit` headers, as OpenAI's API sends them."""

from functools import lru_cache


def limit_fields(kind: str, limit: int, remaining: int, reset_seconds: float | None) -> bytes:
    """Return the header lines of one kind, `requests` or `tokens`: the limit, what is left, when it is whole again."""
    lines = f"x-ratelimit-limit-{kind}: {limit}\r\nx-ratelimit-remaining-{kind}: {remaining}\r\n"
    if reset_seconds is not None:
        lines += f"x-ratelimit-reset-{kind}: {_format(round(reset_seconds * 1000))}\r\n"
    return lines.encode("ascii")


def format_duration(seconds: float) -> str:
    """Write a duration as `120ms`, `1.5s` or `6m0s`."""
    return _format(round(seconds * 1000))


@lru_cache(maxsize=4096)
def _format(milliseconds: int) -> str:
    # Most of them are those of a window that was just used: between 60 and 61 seconds.
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{shown}s" if minutes else f"{shown}s"
