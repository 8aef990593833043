"""A YAML file as values that know their line. Anchors and merges are followed, within bounds; nothing is filled in."""

from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from aqueduct.errors import ConfigurationError

_MAX_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 32
_MAX_NODES = 200_000
"""A file of a few lines can stand for billions of values by its anchors."""

_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"


class Node(msgspec.Struct, frozen=True):
    """A value of the file: None, a bool, the text of any other scalar, a list or a mapping of nodes."""

    line: int
    value: Any

    @property
    def text(self) -> str | None:
        """The text of a scalar that is neither null nor a truth value."""
        return self.value if isinstance(self.value, str) else None

    @property
    def members(self) -> "dict[str, Node]":
        """The members of a mapping; none of anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> "list[Node]":
        """The items of a list; none of anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return self.value in (None, "", [], {})

    def texts(self) -> Iterator[str]:
        """Yield the texts of a list's items, or of a single one."""
        for node in self.items or [self]:
            if node.text is not None:
                yield node.text


EMPTY = Node(1, None)


def read_tree(data: bytes, name: str) -> Node:
    """Parse YAML bytes; `name` is what errors call the file. Raises `ConfigurationError` with the line at fault."""
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(f"{name}: is larger than {_MAX_BYTES} bytes")
    try:
        node = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: is not UTF-8 (byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{name}:{line}: {error.problem or 'is not YAML'}") from error
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split()) or "it is nested too deep"
        raise ConfigurationError(f"{name}: is not YAML: {reason}") from error
    return EMPTY if node is None else _Reader(name).read(node, 0)


class _Reader:
    """Turns YAML's nodes into ours."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def read(self, node: yaml.Node, depth: int) -> Node:
        line = node.start_mark.line + 1
        self._count += 1
        if depth > _MAX_DEPTH:
            raise ConfigurationError(f"{self._name}:{line}: is nested deeper than {_MAX_DEPTH} levels")
        if self._count > _MAX_NODES:
            raise ConfigurationError(f"{self._name}:{line}: the file stands for more than {_MAX_NODES} values")
        if isinstance(node, yaml.MappingNode):
            return Node(line, self._members(node, depth))
        if isinstance(node, yaml.SequenceNode):
            return Node(line, [self.read(item, depth + 1) for item in node.value])
        return Node(line, _scalar(node))

    def _members(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key, value in node.value:
            read = self.read(value, depth + 1)
            if key.tag == _MERGE:
                for mapping in reversed(read.items or [read]):
                    merged |= mapping.members
            elif not isinstance(key.value, str):
                raise ConfigurationError(f"{self._name}:{key.start_mark.line + 1}: a key must be a plain name")
            else:
                own[key.value] = read
        return merged | own


def _scalar(node: yaml.Node) -> str | bool | None:
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return str(node.value).lower() in ("yes", "true", "on")
    return str(node.value)
