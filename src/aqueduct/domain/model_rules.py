"""Which models may be used: lists of names and patterns, compiled to one fast question.

In a pattern `*` stands for any run of characters, and nothing else is special.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from aqueduct.domain.subject import Subjected

WILDCARD = "*"


class ModelRule(Subjected, frozen=True, kw_only=True):
    """What one subject may use: `allow` of None is every model, `deny` takes models away again.

    A subject gets no more than those above it have, unless it stops inheriting (`inherits` is false): then the rules
    above it do not matter to it or to those below, but for those that a higher rank has set.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    inherits: bool = True


class NameSet:
    """Names and patterns; `in` costs a look-up, and one regular expression where there are patterns."""

    __slots__ = ("_match", "_names")

    def __init__(self, names: Iterable[str]) -> None:
        given = frozenset(names)
        self._names = frozenset(name for name in given if WILDCARD not in name)
        self._match = compile_patterns(tuple(sorted(given - self._names)))

    def __contains__(self, name: str) -> bool:
        """Whether the name is one of those meant."""
        return name in self._names or (self._match is not None and self._match.fullmatch(name) is not None)


def matches(pattern: str, name: str) -> bool:
    """Whether a name or pattern means this name."""
    if WILDCARD not in pattern:
        return pattern == name
    expression = compile_patterns((pattern,))
    return expression is not None and expression.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def compile_patterns(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return the expression that matches any of the patterns; None for no pattern."""
    return re.compile("|".join(map(as_expression, patterns)), re.DOTALL) if patterns else None


def as_expression(pattern: str) -> str:
    """Write one pattern as a regular expression that takes linear time.

    A run between two literal parts ends at the first place it can, and is never tried again (an atomic group): a later
    place could match nothing that the first does not. Plain `.*` would be tried in every combination.
    """
    first, *middle, last = pattern.split(WILDCARD)
    runs = "".join(f"(?>.*?{re.escape(part)})" for part in middle if part)
    return f"{re.escape(first)}{runs}.*{re.escape(last)}"


class ModelFilter:
    """The rules that apply to one caller, as one predicate."""

    __slots__ = ("_allowed", "_denied")

    def __init__(self, allowed: Sequence[NameSet] = (), denied: NameSet | None = None) -> None:
        self._allowed = tuple(allowed)
        self._denied = denied

    def allows(self, asked: str, model: str) -> bool:
        """Whether a model may be used by the name that was asked for: its own, or an alias.

        A list that allows means either of them; one that denies the model's own name denies its aliases with it.
        """
        for names in self._allowed:
            if asked not in names and model not in names:
                return False
        return self._denied is None or (asked not in self._denied and model not in self._denied)


UNFILTERED = ModelFilter()


def compile_rules(levels: Iterable[ModelRule]) -> ModelFilter:
    """Compile the rules of a caller's subjects, the widest first; what a higher rank has set is always inherited."""
    in_force: list[ModelRule] = []
    for rule in levels:
        if not rule.inherits:
            in_force = [above for above in in_force if above.rank > rule.rank]
        in_force.append(rule)
    allowed = [NameSet(rule.allow) for rule in in_force if rule.allow is not None]
    denied = {name for rule in in_force for name in rule.deny}
    if not allowed and not denied:
        return UNFILTERED
    return ModelFilter(allowed, NameSet(denied) if denied else None)
