"""Reading an answer as JSON exactly as strictly as every client will.

Accepted is what `json.loads`, `JSON.parse` and every other reader take for the same value. Refused are therefore also
duplicate keys (some keep the first, some the last, some merge), `NaN` and `Infinity` (Python only), numbers that become
infinite, half surrogate pairs, and nesting beyond what common readers survive.

Standard library only: the worker process imports it.
"""

import json
import math
import re
from typing import Any

MAX_ANSWER_DEPTH = 128

_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(Exception):
    """The text is not JSON that every client reads alike; the message is a clause that says why."""


def read_json(text: str) -> Any:
    """Return the value of a JSON text, or raise `NotJson`."""
    _refuse_half_pairs(text)
    if _depth(text) > MAX_ANSWER_DEPTH:
        raise NotJson(f"it is nested deeper than {MAX_ANSWER_DEPTH} levels")
    try:
        value = json.loads(
            text, object_pairs_hook=_unique_members, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise NotJson(f"{reason} at line {error.lineno}, column {error.colno}") from None
    except ValueError:
        # The one thing left that `int` refuses: `sys.get_int_max_str_digits()`.
        raise NotJson("it holds an integer of thousands of digits") from None
    if _SURROGATE_ESCAPE.search(text):
        _refuse_half_pairs(json.dumps(value, ensure_ascii=False))
    return value


def _depth(text: str) -> int:
    """Return how deep the text nests, or 0 where it has too few brackets to nest too deep."""
    if text.count("[") + text.count("{") <= MAX_ANSWER_DEPTH:
        return 0
    depth = deepest = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        mark = match[0]
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise NotJson(f"an object has two members named {json.dumps(name)[:60]}")
        seen.add(name)
    return members


def _refuse_constant(name: str) -> Any:
    raise NotJson(f"{name} is not a JSON value")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson(f"the number {digits[:40]} is too large")
    return number


def _refuse_half_pairs(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotJson("a string holds half of a surrogate pair") from None
