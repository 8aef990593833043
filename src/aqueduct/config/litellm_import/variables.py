"""The variables that the new config wants: those that LiteLLM's names, and one for each secret that stands in it."""

import re
from collections.abc import Iterator

import msgspec

from aqueduct.config.litellm_import.output import Variable
from aqueduct.config.litellm_import.tree import Node

ENVIRONMENT = "os.environ/"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_SECRETS = frozenset({"anything", "dummy", "empty", "fake", "fake-key", "no-key", "none", "not-needed", "null"})
"""What people write where a key is asked for and none is needed."""


class Wanted(msgspec.Struct):
    """A variable to set; `line` is where its value stands in the file that was read, None where it does not."""

    name: str
    line: int | None = None


class Variables:
    """Those wanted so far, by name; no secret is ever handed back."""

    def __init__(self, root: Node) -> None:
        self.wanted: dict[str, Wanted] = {}
        self._names: dict[str, str] = {}
        # What the file names means what it means there: no secret may be called by such a name.
        self._reserved = {_config_name(text.removeprefix(ENVIRONMENT)) for text in _every_reference(root)}

    def want(self, name: str) -> Variable:
        """Return a variable by its name, made one that the config can hold."""
        name = _config_name(name)
        self.wanted.setdefault(name, Wanted(name))
        return Variable(name)

    def value(self, node: Node) -> str | Variable | None:
        """Return a value that is no secret: its text, or the variable it names."""
        text = node.text
        if text is None or not text:
            return None
        return self.want(text.removeprefix(ENVIRONMENT)) if text.startswith(ENVIRONMENT) else text

    def secret(self, node: Node, suggestion: str) -> str | Variable | None:
        """Return a secret: the variable it names, or one that stands for it from now on."""
        value = self.value(node)
        if not isinstance(value, str) or value.lower() in _NO_SECRETS:
            return value
        name = self._names.get(value)
        if name is None:
            name = self._free_name(_made_name(suggestion))
            self._names[value] = name
            self.wanted[name] = Wanted(name, node.line)
        return Variable(name)

    def _free_name(self, name: str) -> str:
        number, free = 1, name
        while free in self.wanted or free in self._reserved:
            number += 1
            free = f"{name}_{number}"
        return free


def _every_reference(node: Node) -> Iterator[str]:
    for inner in (*node.items, *node.members.values()):
        yield from _every_reference(inner)
    if node.text is not None and node.text.startswith(ENVIRONMENT):
        yield node.text


def _config_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else _made_name(name)


def _made_name(text: str) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper() or "VARIABLE"
    return f"_{name}" if name[0].isdigit() else name
