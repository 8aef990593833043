"""Compiling one schema and judging one answer: the same words and options in the event loop and in the worker.

Needs nothing but jsonschema-rs and the standard library, because the worker process imports it.

`format` is asserted for every format the validator knows: an answer then satisfies clients that assert formats and
those that do not, and OpenAI's own strict mode treats them as constraints. Unknown formats are annotations.
"""

from typing import Any

import jsonschema_rs
from jsonschema_rs import FancyRegexOptions, RegexOptions, ValidationError, Validator

from aqueduct.gateway.schema.reading import NotJson, read_json

MAX_SCHEMA_DEPTH = 64
MAX_WORDS = 300
_MAX_PATH = 120

# Linear in the text, whatever the pattern.
_LINEAR = RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
# For lookaround and back-references, which the linear engine has not; each match gives up after so many steps.
_BACKTRACKING = FancyRegexOptions(backtrack_limit=100_000, size_limit=1 << 20, dfa_size_limit=1 << 20)


class BadSchema(Exception):
    """The schema cannot be compiled; the message is a sentence that says where and why."""


def compile_schema(schema: dict[str, Any] | bool) -> Validator:
    """Return a validator of the draft that `$schema` names (2020-12 where it is silent), or raise `BadSchema`."""
    if _is_deeper(schema, MAX_SCHEMA_DEPTH):
        raise BadSchema(f"The schema is nested deeper than {MAX_SCHEMA_DEPTH} levels.")
    try:
        return _compile(schema, _LINEAR)
    except (ValidationError, ValueError):
        pass
    try:
        return _compile(schema, _BACKTRACKING)
    except ValidationError as error:
        raise BadSchema(sentence(error)) from None
    except ValueError as error:
        # Not about a place in the schema, such as "Recursion limit reached".
        raise BadSchema(f"{error}."[:MAX_WORDS]) from None


def is_satisfied(validator: Validator, text: str) -> bool:
    """Whether `text` is JSON that satisfies the schema; raises `NotJson`."""
    instance = read_json(text)
    try:
        return validator.is_valid(instance)
    except ValueError:
        # "Recursion limit reached" on a schema that refers to itself without coming to an end.
        return False


def violation_words(validator: Validator, text: str) -> str | None:
    """Return None when `text` satisfies the schema, else a sentence that tells a model what to mend."""
    try:
        instance = read_json(text)
    except NotJson as error:
        return not_json(error)
    try:
        # The verdict alone is cheap; the words for a failed `anyOf` inside `anyOf` may cost a thousand times as much.
        if validator.is_valid(instance):
            return None
        validator.validate(instance)
    except ValidationError as error:
        return sentence(error)
    except ValueError as error:
        return f"The answer could not be checked: {error}."[:MAX_WORDS]
    return None


def not_json(error: NotJson) -> str:
    """Return the sentence for an answer that cannot be read."""
    return f"The answer is not JSON: {error}."[:MAX_WORDS]


def sentence(error: ValidationError) -> str:
    """Return one sentence with the place and the validator's words, at most `MAX_WORDS` characters long."""
    path = _path(error.instance_path)
    place = f"At {path}: " if path else "At the top level: "
    words = error.message
    room = MAX_WORDS - len(place) - 1
    return f"{place}{words if len(words) <= room else words[: room - 1] + '…'}."


def _compile(schema: dict[str, Any] | bool, pattern_options: RegexOptions | FancyRegexOptions) -> Validator:
    return jsonschema_rs.validator_for(
        schema,
        # The default opens `file://` and `http://` references.
        offline=True,
        validate_formats=True,
        ignore_unknown_formats=True,
        pattern_options=pattern_options,
        # Stands in the messages where the whole value would: it may be a megabyte.
        mask="the value",
    )


def _path(steps: list[str | int]) -> str:
    """Write a path as OpenAI does in `param`: `items[2].name`."""
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        if len(path) > _MAX_PATH:
            return path[: _MAX_PATH - 1] + "…"
    return path


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())
            elif isinstance(node, list):
                below.extend(node)
        if not below:
            return False
        level = below
    return True
