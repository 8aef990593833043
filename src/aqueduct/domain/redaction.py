"""Redaction: takes members out of JSON documents, by name or by path.

A bare name (`user`) is that member wherever it is; a path (`messages[*].content`, `choices.*.text`) begins at the top,
as does a name behind `$.`. A `*` is any member. Arrays are passed through, so that `[*]` may be left out. Names match
in any case: what differs from a known name in its case is refused by the gateway, but may be captured.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

REDACTED = "[redacted]"
"""What stands in the place of a member's value."""

MAX_PATTERNS = 100
MAX_PATTERN_CHARACTERS = 200
_SEGMENT = r"[^.\[\]\s\x00-\x1f]+(?:\[\*\])*"
_PATTERN = re.compile(rf"(?:\$\.)?{_SEGMENT}(?:\.{_SEGMENT})*")

Path = tuple[str, ...]


class Redaction(NamedTuple):
    """Patterns, read."""

    names: frozenset[str]
    paths: tuple[Path, ...]


def is_pattern(text: str) -> bool:
    """Whether a text names members."""
    return len(text) <= MAX_PATTERN_CHARACTERS and _PATTERN.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def compile_redaction(patterns: tuple[str, ...]) -> Redaction:
    """Read patterns."""
    names: set[str] = set()
    paths: list[Path] = []
    for pattern in patterns:
        folded = pattern.casefold()
        path = tuple(folded.removeprefix("$.").replace("[*]", "").split("."))
        if path == (folded,) and folded != "*":
            names.add(folded)
        else:
            paths.append(path)
    return Redaction(frozenset(names), tuple(paths))


def redact(document: Any, redaction: Redaction) -> Any:
    """Return the document with the value of every member that is meant replaced; raises `RecursionError`."""
    return _redact(document, redaction.names, redaction.paths)


def _redact(value: Any, names: frozenset[str], paths: Sequence[Path]) -> Any:
    if isinstance(value, list):
        return [_redact(each, names, paths) for each in value]
    if not isinstance(value, dict) or not (names or paths):
        return value
    redacted: dict[str, Any] = {}
    for name, member in value.items():
        folded = name.casefold()
        below = [path[1:] for path in paths if path[0] in (folded, "*")]
        is_meant = folded in names or () in below
        redacted[name] = REDACTED if is_meant else _redact(member, names, below)
    return redacted
