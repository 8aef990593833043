"""Objects that name a member twice, which no grammar can see coming, mended as JSON parsers read them."""

import json
from typing import Any


def without_repeats(text: str) -> str:
    """Return JSON with only the last of each repeated member; any other text as it is."""
    repeats = 0

    def merge(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        members = dict(pairs)
        repeats += len(pairs) - len(members)
        return members

    try:
        value = json.loads(text, object_pairs_hook=merge)
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, ensure_ascii=False) if repeats else text
