"""Writes a shape as a grammar in llguidance's dialect of Lark.

JSON is written the way models have seen it most, `{"a": 1, "b": [2, 3]}`, and no other way: white space that the model
may choose is white space that it may go on with for ever.
"""

import json

from aqueduct.providers.grammar.numbers import number_pattern
from aqueduct.providers.grammar.shape import Choice, Literal, Member, Number, Record, Sequence, Shape, Text
from aqueduct.providers.grammar.texts import text_rule

_COMMA = '", "'


def write_grammar(shape: Shape, *, or_text: bool = False) -> str:
    """Return the grammar of the shape's values, or of any text that does not begin with a curly bracket."""
    writer = _Writer()
    name = writer.name(shape)
    start = f"({name} | TEXT)?" if or_text else name
    text = [r"TEXT: /[^{](.|\n)*/"] if or_text else []
    return "\n".join(["%llguidance {}", f"start: {start}", *writer.rules, *text]) + "\n"


class _Writer:
    """Writes every shape once, as a rule of its own."""

    def __init__(self) -> None:
        self.rules: list[str] = []
        self._names: dict[int, str] = {}
        self._kept: list[Shape] = []

    def name(self, shape: Shape) -> str:
        """Return the name of the shape's rule, writing it the first time."""
        name = self._names.get(id(shape))
        if name is None:
            body = self._write(shape)
            name = self._names[id(shape)] = self._add(body)
            self._kept.append(shape)  # so that no other shape gets its id
        return name

    def _add(self, body: str) -> str:
        name = f"r{len(self.rules)}"
        self.rules.append(f"{name}: {body}")
        return name

    def _write(self, shape: Shape) -> str:
        match shape:
            case Literal(texts):
                return " | ".join(map(_quote, texts))
            case Text(minimum, maximum, patterns):
                return text_rule(minimum, maximum, patterns)
            case Number():
                return f"/{number_pattern(shape)}/"
            case Choice(options):
                return " | ".join(map(self.name, options))
            case Sequence():
                return f'"[" {self._items(shape)} "]"'
            case Record(members):
                return f'"{{" {self._members(members)} "}}"'

    def _items(self, sequence: Sequence) -> str:
        """Write the items from the last to the first: what follows an optional item is optional with it."""
        prefix = sequence.prefix[: sequence.maximum]
        text = ""
        if sequence.rest is not None and sequence.maximum > len(prefix):
            least, most = max(0, sequence.minimum - len(prefix)), sequence.maximum - len(prefix)
            item = self.name(sequence.rest)
            if prefix:
                return self._nest(prefix, sequence.minimum, _repeat(f"{_COMMA} {item}", least, most))
            text = f"{item} {_repeat(f'{_COMMA} {item}', max(0, least - 1), most - 1)}"
            return text if least else f"({text})?"
        return self._nest(prefix, sequence.minimum, text)

    def _nest(self, prefix: tuple[Shape, ...], minimum: int, text: str) -> str:
        for position in range(len(prefix) - 1, -1, -1):
            comma = f"{_COMMA} " if position else ""
            text = f"{comma}{self.name(prefix[position])} {text}".strip()
            if position >= minimum:
                text = f"({text})?"
        return text

    def _members(self, members: tuple[Member, ...]) -> str:
        """Write the members in order: one alternative for each that may come first, the rest behind commas."""
        pairs = [f'{self._key(member)} ": " {self.name(member.shape)}' for member in members]
        rest = ""
        firsts: list[str] = []
        for member, pair in zip(reversed(members), reversed(pairs), strict=True):
            if member.is_required:
                firsts.clear()
            firsts.append(f"{pair} {rest}".strip())
            text = f"({_COMMA} {pair}){'' if member.is_required else '?'} {rest}".strip()
            rest = self._add(text)
        if not firsts:
            return ""
        is_empty = not any(member.is_required for member in members)
        return f"({' | '.join(reversed(firsts))}){'?' if is_empty else ''}"

    def _key(self, member: Member) -> str:
        return (
            _quote(json.dumps(member.key, ensure_ascii=False)) if isinstance(member.key, str) else self.name(member.key)
        )


def _repeat(text: str, least: int, most: int) -> str:
    return f"({text}){{{least},{most}}}" if most else ""


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
