"""Typed decoding of a body, and what is wrong with it in the words and codes of OpenAI's API.

The types say what is valid; this module only decodes and explains. A union of objects told apart by their `type` is
closed for msgspec but open for clients: an unknown type travels on. And `1.0` is an integer for JSON Schema, not for
msgspec. So where decoding fails, members of such unions that have a type of their own are put aside and whole numbers
are taken for integers, and only if the rest still fails is the request refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.wire.json_object import refuse_json

T = TypeVar("T", bound=msgspec.Struct)
Path = tuple[str, ...]
Travelling = msgspec.Raw | msgspec.UnsetType
"""A value that is checked by its first byte and otherwise only handed on."""

OTHER = "other"
"""The tag of the struct that stands for every type a union does not know."""

_LOCATION = re.compile(r"(?P<detail>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])")
_MISMATCH = re.compile(r"Expected `(.+)`, got `(.+)`")
_BOUND = re.compile(r"Expected `(\w+)`( of length)? (>=|<=) (-?[\d.]+)")
_PATTERN = re.compile(r"Expected `str` matching regex '(.*)'")
_MISSING = re.compile(r"Object missing required field `(.+)`")

_EXPECTED = {
    "bool": "a boolean",
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_KINDS = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "array",
    dict: "object",
}
_RANGE_CODES = {
    ("int", ">="): "integer_below_min_value",
    ("int", "<="): "integer_above_max_value",
    ("float", ">="): "decimal_below_min_value",
    ("float", "<="): "decimal_above_max_value",
}
_LENGTH_CODES = {
    ("str", ">="): "string_below_min_length",
    ("str", "<="): "string_above_max_length",
    ("array", ">="): "empty_array",
    ("array", "<="): "array_above_max_length",
    ("object", ">="): "object_below_min_properties",
    ("object", "<="): "object_above_max_properties",
}
_NOTHING = object()


class Violation(ValueError):
    """What a struct's own check found; `member` is the path below the struct, empty for the struct itself."""

    def __init__(self, message: str, *, member: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.member = member
        self.code = code


def check_json_string(value: Travelling, member: str, *, optional: bool = False) -> None:
    """Raise `Violation` unless the raw value is a JSON string (or null, if optional); its text is never copied."""
    if value is not msgspec.UNSET:
        first = memoryview(value)[0]
        if first != 0x22 and not (optional and first == 0x6E):
            raise Violation("expected a string", member=member, code="invalid_type")


def check_json_object(value: Travelling, member: str) -> None:
    """Raise `Violation` unless the raw value is a JSON object or null; it is not parsed."""
    if value is not msgspec.UNSET and memoryview(value)[0] not in b"{n":
        raise Violation("expected an object", member=member, code="invalid_type")


class Rules(msgspec.Struct, frozen=True):
    """What the types of an operation cannot say; in a path, `*` is every item or member.

    `open_unions` maps a path to the types known there, `integers` are the paths of integers, `supported` maps the name
    of a closed tag (`role`) to its values.
    """

    open_unions: Mapping[Path, frozenset[str]] = {}
    integers: tuple[Path, ...] = ()
    supported: Mapping[str, tuple[str, ...]] = {}

    def narrowed_to(self, name: str) -> "Rules":
        """Return the rules for one top-level member."""
        return Rules(
            {path: known for path, known in self.open_unions.items() if path[0] == name},
            tuple(path for path in self.integers if path[0] == name),
            self.supported,
        )

    def relax(self, value: Any) -> bool:
        """Replace in a decoded body what is valid though its type is not; tell whether there was any."""
        relaxed = [_put_aside(value, path, known) for path, known in self.open_unions.items()]
        relaxed += [_take_for_integers(value, path) for path in self.integers]
        return any(relaxed)


class Validator(Generic[T]):
    """Decodes a body into a struct."""

    def __init__(self, type_: type[T], rules: Rules) -> None:
        self._type = type_
        self._decoder = msgspec.json.Decoder(type_)
        self._rules = rules
        self._members: dict[str, Validator[Any]] = {}

    def decode(self, body: bytes) -> T:
        """Return the typed parameters of a body that `read_object` has passed; raise `InvalidRequest`."""
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            return self._decode_leniently(body, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse_json(error, body)

    def decode_member(self, name: str, document: bytes) -> Any:
        """Return the typed value of one member, the only one of a JSON object; raise `InvalidRequest`."""
        validator = self._members.get(name)
        if validator is None:
            validator = self._members[name] = self._narrowed_to(name)
        return getattr(validator.decode(document), name)

    def _narrowed_to(self, name: str) -> "Validator[Any]":
        member = next(field for field in msgspec.structs.fields(self._type) if field.name == name)
        return Validator(msgspec.defstruct("Member", [(name, member.type)]), self._rules.narrowed_to(name))

    def _decode_leniently(self, body: bytes, error: msgspec.ValidationError) -> T:
        try:
            value = msgspec.json.decode(body)
        except msgspec.DecodeError:
            # A number that no type can hold; the typed decoder said where, if it was the one that failed on it.
            self._refuse(error, None)
        if not self._rules.relax(value):
            self._refuse(error, value)
        try:
            return self._decoder.decode(msgspec.json.encode(value))
        except msgspec.ValidationError as remaining:
            self._refuse(remaining, value)

    def _refuse(self, error: msgspec.ValidationError, value: Any) -> NoReturn:
        raise explain(error, value, self._rules.supported) from None


def _put_aside(value: Any, path: Path, known: frozenset[str]) -> bool:
    """Replace every object at `path` whose type is not `known` by a placeholder; tell whether there was one."""
    found = False
    for container, key in _places(value, path):
        item = container[key]
        kind = item.get("type") if isinstance(item, dict) else None
        if isinstance(kind, str) and kind not in known:
            container[key] = {"type": OTHER}
            found = True
    return found


def _take_for_integers(value: Any, path: Path) -> bool:
    """Replace every whole number at `path` by an integer; tell whether there was one."""
    found = False
    for container, key in _places(value, path):
        number = container[key]
        if isinstance(number, float) and number.is_integer():
            container[key] = int(number)
            found = True
    return found


def _places(value: Any, path: Path) -> Iterator[tuple[Any, Any]]:
    """Yield (container, key or index) for all that is at `path` in a decoded JSON value."""
    step, rest = path[0], path[1:]
    keys: list[Any] = []
    if isinstance(value, list):
        keys = list(range(len(value))) if step == "*" else []
    elif isinstance(value, dict):
        keys = list(value) if step == "*" else [step] if step in value else []
    for key in keys:
        if rest:
            yield from _places(value[key], rest)
        else:
            yield value, key


def explain(error: msgspec.ValidationError, value: Any, supported: Mapping[str, tuple[str, ...]]) -> InvalidRequest:
    """Turn msgspec's complaint about `value` (the decoded body, or None if it is not at hand) into OpenAI's terms."""
    match = _LOCATION.fullmatch(str(error))
    detail, path = (match["detail"], match["path"] or "") if match else (str(error), "")
    param, actual = _locate(path, value, detail)
    if match and match["key"] and isinstance(actual, dict):
        actual = next((key for key in actual if _breaks(key, detail)), _NOTHING)
    if isinstance(error.__cause__, Violation):
        cause = error.__cause__
        param = ".".join(filter(None, (param, cause.member)))
        return InvalidRequest(f"Invalid value for '{param}': {cause.message}.", param=param, code=cause.code)
    if missing := _MISSING.match(detail):
        param = f"{param}.{missing[1]}" if param else missing[1]
        return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    return _explain_value(detail, param, actual, supported)


def _explain_value(detail: str, param: str, actual: Any, supported: Mapping[str, tuple[str, ...]]) -> InvalidRequest:
    code: str | None = "invalid_value"
    if mismatch := _MISMATCH.match(detail):
        code = "invalid_type"
        wanted = " or ".join(_EXPECTED.get(name, name) for name in mismatch[1].split(" | ") if name != "null")
        got = "a decimal number" if mismatch[2] == "float" else _EXPECTED.get(mismatch[2], mismatch[2])
        message = f"Invalid type for '{param}': expected {wanted or 'null'}, but got {got} instead."
    elif bound := _BOUND.match(detail):
        message, code = _explain_bound(bound, param, actual)
    elif pattern := _PATTERN.match(detail):
        # Python's end of the string is `\Z`; every other dialect of patterns, OpenAI's too, writes `$`.
        shown = pattern[1].replace(r"\\Z", "$")
        message = f"Invalid '{param}': the string must match the pattern '{shown}'."
    elif (values := supported.get(param.rpartition(".")[2])) and detail.startswith("Invalid value"):
        got = f"'{actual[:64]}'" if isinstance(actual, str) else "what was given"
        message = f"Invalid value for '{param}': {got} is none of {', '.join(values)}."
    else:
        message = f"Invalid value for '{param}'."
    return InvalidRequest(message, param=param or None, code=code)


def _explain_bound(bound: re.Match[str], param: str, actual: Any) -> tuple[str, str | None]:
    kind, is_length, operator, limit = bound.groups()
    side = "at least" if operator == ">=" else "at most"
    if is_length:
        has = f", but got one of length {len(actual)}" if isinstance(actual, str | list | dict) else ""
        message = f"Invalid '{param}': expected {_EXPECTED.get(kind, kind)} of length {side} {limit}{has}."
        return message, _LENGTH_CODES.get((kind, operator))
    limit = limit.removesuffix(".0")
    has = f", but got {actual}" if isinstance(actual, int | float) and abs(actual) < 1e18 else ""
    message = f"Invalid '{param}': expected a value of {side} {limit}{has}."
    return message, _RANGE_CODES.get((kind, operator))


def _locate(path: str, value: Any, detail: str) -> tuple[str, Any]:
    """Return the path as OpenAI writes it and the value that is there (a placeholder where it is not known)."""
    param = ""
    for member, index, wildcard in _STEP.findall(path):
        name = _offender(value, detail) if wildcard else member
        if index:
            param += f"[{index}]"
            value = value[int(index)] if isinstance(value, list) else _NOTHING
        elif name:
            param = f"{param}.{name[:64]}" if param else name[:64]
            value = value.get(name, _NOTHING) if isinstance(value, dict) else _NOTHING
    return param, value


def _offender(value: Any, detail: str) -> str:
    """Return the key of the first member that `detail` is about: msgspec names the mapping only."""
    if isinstance(value, dict):
        for name, member in value.items():
            if _breaks(member, detail):
                return str(name)
    return ""


def _breaks(member: Any, detail: str) -> bool:
    if mismatch := _MISMATCH.match(detail):
        return _KINDS.get(type(member)) == mismatch[2]
    if bound := _BOUND.match(detail):
        _, is_length, operator, limit = bound.groups()
        size = len(member) if is_length else member
        return bool(size < float(limit) if operator == ">=" else size > float(limit))
    return False
