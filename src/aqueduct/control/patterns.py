"""Names and patterns of models, as people give them."""

from collections.abc import Sequence

from aqueduct.errors import InvalidValue

MAX_PATTERNS = 1000
MAX_PATTERN_CHARACTERS = 200


def check_patterns(patterns: Sequence[str]) -> None:
    """Raise `InvalidValue` for names that no model can have, or for too many of them."""
    if len(patterns) > MAX_PATTERNS:
        raise InvalidValue(f"There can be {MAX_PATTERNS} names and patterns, not {len(patterns)}.")
    for pattern in patterns:
        if not 1 <= len(pattern) <= MAX_PATTERN_CHARACTERS or not pattern.isprintable():
            raise InvalidValue(
                f"A model's name or pattern has 1 to {MAX_PATTERN_CHARACTERS} printable characters: "
                f"`{pattern[:MAX_PATTERN_CHARACTERS]}`."
            )
