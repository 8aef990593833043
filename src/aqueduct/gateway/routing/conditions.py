"""Turns the conditions of rules into functions, once for each snapshot."""

import operator
import re
from collections.abc import Callable
from random import Random

from aqueduct.domain.steering import (
    AllOf,
    AnyOf,
    Choices,
    Condition,
    Flag,
    Length,
    Not,
    Percentage,
    Text,
)
from aqueduct.gateway.routing.facts import Facts, compile_texts
from aqueduct.gateway.routing.grouping import compile_grouping, fraction

Test = Callable[[Facts], bool]

_MAX_MATCHED_CHARACTERS = 1000
"""How long a text may be that an expression looks at: clients choose it, and expressions can take their time."""
_PERCENT = 100.0


def compile_condition(condition: Condition, salt: bytes, rng: Random) -> Test:
    """Return whether a request meets a condition, as a function; percentages are drawn by the salt."""
    match condition:
        case AllOf() | AnyOf():
            tests = [compile_condition(each, salt, rng) for each in condition.conditions]
            if len(tests) == 1:
                return tests[0]
            combine = all if isinstance(condition, AllOf) else any
            return lambda facts: combine(test(facts) for test in tests)
        case Not():
            unwanted = compile_condition(condition.condition, salt, rng)
            return lambda facts: not unwanted(facts)
        case Percentage():
            return _percentage(condition, salt, rng)
    return _of_request(condition)


def _of_request(condition: Flag | Length | Choices | Text) -> Test:
    match condition:
        case Flag():
            return _flag(condition)
        case Length():
            return _length(condition)
        case Text():
            return _text(condition)
        case Choices():
            return lambda facts: facts.request.choices >= condition.at_least


def _flag(condition: Flag) -> Test:
    read, is_wanted = operator.attrgetter(condition.name), condition.is_wanted
    return lambda facts: read(facts) is is_wanted


def _length(condition: Length) -> Test:
    longer, shorter = condition.longer_than, condition.shorter_than

    def test(facts: Facts) -> bool:
        size = facts.input_tokens
        return (longer is None or size > longer) and (shorter is None or size < shorter)

    return test


def _text(condition: Text) -> Test:
    texts = compile_texts(condition.source, condition.key)
    if condition.is_present is not None:
        is_present = condition.is_present
        return lambda facts: any(text is not None for text in texts(facts)) is is_present
    if condition.pattern is not None:
        matches = re.compile(condition.pattern, re.DOTALL).fullmatch
        return lambda facts: any(
            text is not None and len(text) <= _MAX_MATCHED_CHARACTERS and matches(text) is not None
            for text in texts(facts)
        )
    values = frozenset(condition.values)
    return lambda facts: not values.isdisjoint(texts(facts))


def _percentage(condition: Percentage, salt: bytes, rng: Random) -> Test:
    most, key = condition.value / _PERCENT, compile_grouping(condition.by, rng)
    return lambda facts: fraction(key(facts), salt) < most
