"""What an answer may look like, in bounded pieces: every shape has finitely many values, all of them JSON."""

from fractions import Fraction

import msgspec


class Literal(msgspec.Struct, frozen=True):
    """One of several JSON texts."""

    texts: tuple[str, ...]


class Text(msgspec.Struct, frozen=True):
    """A string by its length in characters and the patterns it matches (as JSON Schema's `pattern`, all of them)."""

    minimum: int
    maximum: int
    patterns: tuple[str, ...] = ()


class Number(msgspec.Struct, frozen=True):
    """A number within a range (`is_open_*`: the bound itself is outside), a multiple of `step` if there is one."""

    minimum: Fraction
    maximum: Fraction
    is_open_minimum: bool = False
    is_open_maximum: bool = False
    is_integer: bool = False
    step: Fraction | None = None


class Sequence(msgspec.Struct, frozen=True):
    """An array: `prefix` by position, then any number of `rest`, `minimum` to `maximum` items in all."""

    prefix: "tuple[Shape, ...]"
    rest: "Shape | None"
    minimum: int
    maximum: int


class Member(msgspec.Struct, frozen=True):
    """A member of an object; a key that is a shape is the model's choice."""

    key: str | Text
    shape: "Shape"
    is_required: bool


class Record(msgspec.Struct, frozen=True):
    """An object with these members, in this order, and no others."""

    members: tuple[Member, ...]


class Choice(msgspec.Struct, frozen=True):
    """One of several shapes."""

    options: "tuple[Shape, ...]"


Shape = Literal | Text | Number | Sequence | Record | Choice

NULL = Literal(("null",))
TRUE = Literal(("true",))
FALSE = Literal(("false",))
BOOLEAN = Literal(("true", "false"))

_CHARACTERS_PER_TOKEN = 2.0
"""Generated prose has about four; a hot model, digits and brackets have fewer."""


def choose(options: list[Shape]) -> Shape | None:
    """Return the shape of any of these, literals gathered, or None when there are none."""
    texts: list[str] = []
    others: list[Shape] = []
    for option in options:
        for flat in option.options if isinstance(option, Choice) else (option,):
            if isinstance(flat, Literal):
                texts += [text for text in flat.texts if text not in texts]
            elif flat not in others:
                others.append(flat)
    if texts:
        others.append(Literal(tuple(texts)))
    if len(others) <= 1:
        return others[0] if others else None
    return Choice(tuple(others))


def longest_tokens(shape: Shape) -> float:
    """Estimate how many tokens the longest value of the shape takes."""
    match shape:
        case Literal(texts):
            return max(map(len, texts)) / _CHARACTERS_PER_TOKEN + 1
        case Text(_, maximum):
            return maximum / _CHARACTERS_PER_TOKEN + 2
        case Number():
            return 12
        case Choice(options):
            return max(map(longest_tokens, options))
        case Record(members):
            return 2 + sum(_key_tokens(member.key) + longest_tokens(member.shape) for member in members)
        case Sequence(prefix, rest, _, maximum):
            items = [longest_tokens(item) for item in prefix[:maximum]]
            others = max(0, maximum - len(prefix)) * longest_tokens(rest) if rest is not None else 0.0
            return 2 + sum(items) + others + maximum


def _key_tokens(key: str | Text) -> float:
    return 3 + (len(key) if isinstance(key, str) else key.maximum) / _CHARACTERS_PER_TOKEN
