"""What is written: blocks of an `aqueduct.yaml` with notes above them, as text that the config loader reads back."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import yaml

from aqueduct.config.notes import MARK

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
"""What YAML, in one of its versions or another, takes for something else than a text."""

_MAX_NOTE = 400
_MAX_LINE = 120


class Variable(msgspec.Struct, frozen=True):
    """A variable of the environment, written `${NAME}`."""

    name: str


class Note(msgspec.Struct, frozen=True):
    """What somebody should know of a line of the file that was read."""

    line: int
    text: str

    @property
    def words(self) -> str:
        """The note in one printable line."""
        printable = "".join(character if character.isprintable() else " " for character in self.text)
        return f"line {self.line}: {' '.join(printable.split())[:_MAX_NOTE]}"


class Block(msgspec.Struct):
    """An item of a list: a mapping, with notes above it; a flat one stands in one line, if it is not too long."""

    entries: dict[str, Any]
    notes: list[Note] = []
    is_flat: bool = False


def write(sections: Mapping[str, Sequence[Block]], head: Sequence[str], notes: Sequence[Note]) -> str:
    """Return the whole file; `head` are comments, `notes` those that have no place of their own."""
    lines = [f"# {line}".rstrip() for line in head]
    lines += [MARK + note.words for note in notes]
    for name, blocks in sections.items():
        if not blocks:
            lines.append(f"{name}: []")
            continue
        lines.append(f"{name}:")
        for block in blocks:
            lines += _block(block, "  ")
    return "\n".join(lines) + "\n"


def _block(block: Block, indent: str) -> Iterator[str]:
    for note in block.notes:
        yield indent + MARK + note.words
    if block.is_flat and len(line := f"{indent}- {_flow(block.entries)}") <= _MAX_LINE:
        yield line
        return
    lead = f"{indent}- "
    for name, value in block.entries.items():
        if isinstance(value, list) and value and isinstance(value[0], Block):
            yield f"{lead}{name}:"
            for inner in value:
                yield from _block(inner, f"{indent}    ")
        else:
            yield f"{lead}{name}: {_flow(value)}"
        lead = f"{indent}  "


def _flow(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_text(name)}: {_flow(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case Variable(name):
            return f'"${{{name}}}"'
        case str():
            return _text(value.replace("$", "$$"))
        case _:
            return _number(value)


def _number(value: bool | int | Decimal) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    quoted: str = yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=10**9)
    return quoted.rstrip("\n")
