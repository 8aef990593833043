"""Whether a string or a number satisfies keywords: asked of the validator, whose patterns are linear in time."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

KEYWORDS = frozenset(
    {"type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "pattern", "format"}
)
_REGEX = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)


class Unknown(Exception):
    """The keywords cannot be judged."""


def holds(keywords: Mapping[str, Any], value: Any) -> bool:
    """Whether the value satisfies those of the keywords that speak of strings and numbers; raises `Unknown`."""
    schema = {keyword: argument for keyword, argument in keywords.items() if keyword in KEYWORDS}
    if not schema:
        return True
    try:
        validator = jsonschema_rs.validator_for(
            schema, offline=True, validate_formats=True, ignore_unknown_formats=True, pattern_options=_REGEX
        )
        return validator.is_valid(value)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise Unknown from error
