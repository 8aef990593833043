"""Reads a YAML file into plain values that remember the line each came from, and fills in `${ENV}`.

The environment is put in after the YAML is parsed, so a value can never become structure.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from aqueduct.config.choices import likely, valid_keys, valid_values
from aqueduct.errors import ConfigurationError

Shape = TypeVar("Shape", bound=msgspec.Struct)
_MAX_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 32
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_VARIABLE = re.compile(r"\$(\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|\{[^}]*\}?)")


class Source:
    """Plain values of a file, and the line (from 1) of every path such as `$.models[0].name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.value: Any = None
        self.lines: dict[str, int] = {}

    def line(self, path: str) -> int:
        """Return the line of `path`, or of the nearest thing around it."""
        while path not in self.lines and path not in ("$", ""):
            path = path[: max(path.rfind("."), path.rfind("["))]
        return self.lines.get(path, 1)

    def error(self, path: str, message: str) -> ConfigurationError:
        """Return an error that points at the line of `path`."""
        return ConfigurationError(f"{self.name}:{self.line(path)}: {message}")

    def convert(self, shape: type[Shape]) -> Shape:
        """Return the values as structs; raise an error that points at the first that does not fit."""
        try:
            return msgspec.convert(self.value, shape)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `")
            path = path.removesuffix("`") or "$"
            if unknown := re.search(r"unknown field `(.+)`", message):
                name = unknown[1]
                meant = likely(name, valid_keys(shape, path))
                hint = f" (did you mean '{meant}'?)" if meant else ""
                raise self.error(f"{path}.{name}", f"'{name}' is not known here{hint}") from error
            hint = _hint(message, shape, path)
            where = path.removeprefix("$").removeprefix(".") or "the file"
            raise self.error(path, f"{where}: {message}{hint}") from error


def _hint(message: str, shape: type[msgspec.Struct], path: str) -> str:
    """Return what helps with an error, in brackets: the values that there are, or that something wants quotes."""
    if message.startswith("Invalid enum value"):
        return f" (one of: {', '.join(valid_values(shape, path))})"
    is_unquoted = re.match(r"Expected `str[^`]*`, got `(int|float|bool)`", message)
    return " (put it in quotes)" if is_unquoted else ""


def read_source(path: Path, environment: Mapping[str, str], skipped: Collection[str] = ()) -> Source:
    """Read and parse the file at `path`; raise `ConfigurationError` with the line at fault.

    The sections named in `skipped` are somebody else's: they are taken as None, whatever variables they want.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigurationError(f"{path}: is larger than {_MAX_BYTES} bytes")
    return parse_source(data, str(path), environment, skipped)


def parse_source(data: bytes, name: str, environment: Mapping[str, str], skipped: Collection[str] = ()) -> Source:
    """Parse YAML bytes; `name` is what errors call the file."""
    source = Source(name)
    try:
        node = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name}: is not UTF-8 (byte {error.start})") from error
    except yaml.MarkedYAMLError as error:
        last_line = max(1, len(data.splitlines()))
        line = min(error.problem_mark.line + 1, last_line) if error.problem_mark else last_line
        raise ConfigurationError(f"{name}:{line}: {error.problem or 'is not YAML'}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: is not YAML: {error}") from error
    source.value = {} if node is None else _Builder(source, environment, skipped).build(node, "$", 0)
    if source.value is None:
        source.value = {}
    return source


class _Builder:
    """Turns YAML nodes into plain values; aliases are refused, so that a small file stays small."""

    def __init__(self, source: Source, environment: Mapping[str, str], skipped: Collection[str]) -> None:
        self._source = source
        self._environment = environment
        self._skipped = skipped
        self._seen: set[int] = set()
        self._constructor = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._source.lines[path] = node.start_mark.line + 1
        if depth > _MAX_DEPTH:
            raise self._source.error(path, f"is nested deeper than {_MAX_DEPTH} levels")
        if not isinstance(node, yaml.ScalarNode):
            if id(node) in self._seen:
                raise self._source.error(path, "YAML aliases of mappings and lists are not supported")
            self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._build_mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        return self._build_scalar(node, path)

    def _build_mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            here = f"{path}.{key}"
            if not isinstance(key, str) or key_node.tag == "tag:yaml.org,2002:merge":
                raise self._source.error(path, "a key must be a plain name")
            if key in mapping:
                self._source.lines[here] = key_node.start_mark.line + 1
                raise self._source.error(here, f"'{key}' is given twice")
            is_skipped = depth == 0 and key in self._skipped
            mapping[key] = None if is_skipped else self.build(value_node, here, depth + 1)
        return mapping

    def _build_scalar(self, node: yaml.Node, path: str) -> Any:
        if node.tag == _TIMESTAMP:
            # An Azure API version is one, and is wanted as it is written; what is to be a day is read from the text.
            return node.value
        try:
            value = self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self._source.error(path, f"is not a plain value: {error}") from error
        return _VARIABLE.sub(lambda match: self._fill(match, path), value) if isinstance(value, str) else value

    def _fill(self, match: re.Match[str], path: str) -> str:
        if match[1] == "$":
            return "$"
        name = match[2]
        if name is None:
            raise self._source.error(path, "`${` starts a variable: write `${NAME}`, or `$$` for a dollar sign")
        if name not in self._environment:
            raise self._source.error(path, f"the environment variable {name} is not set")
        return self._environment[name]
