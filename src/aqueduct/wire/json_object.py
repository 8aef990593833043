"""A request body as JSON: one object, its top-level members in order and raw, or a refusal that says why.

What a member may hold is for the operation's own module to say.
"""

from collections.abc import Collection
from itertools import accumulate
from typing import NoReturn

import msgspec

from aqueduct.errors import InvalidRequest

MAX_DEPTH = 128
"""How deep objects and arrays may nest; parsers behind us give up at different depths."""

MAX_CONTAINERS = 200_000
"""How many objects and arrays a body may hold: each costs a hundred times its two bytes once it is parsed."""

_SPLIT_BYTES = 1 << 16
_LOOK_BYTES = 64
_FOLD_BRACES = bytes.maketrans(b"{}", b"[]")
_NOT_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_STEPS = bytes.maketrans(b"[]", b"\x01\xff")


class _Key(str):
    """A member's name that equals only itself, so that a dict of them keeps duplicates."""

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__


_encode = msgspec.json.Encoder().encode
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=str.__new__)


def read_members(text: bytes) -> list[tuple[str, msgspec.Raw]]:
    """Return the members of a JSON object in order, duplicates included.

    Raises what msgspec raises: `DecodeError`, `UnicodeDecodeError`, `RecursionError`.
    """
    return [(str(key), value) for key, value in _MEMBERS.decode(text).items()]


def read_object(body: bytes, known: Collection[str] = ()) -> dict[str, msgspec.Raw]:
    """Return the top-level members of `body`, in order.

    Raises `InvalidRequest` for what is not exactly one JSON object in UTF-8, or nests too deep or holds too much. So it
    does for a member that comes twice, or differs from a `known` name in case only: parsers behind us would read it
    differently.
    """
    try:
        fields = _FIELDS.decode(body)
        has_duplicate = not _is_compact(fields, body) and len(_MEMBERS.decode(body)) != len(fields)
    except msgspec.ValidationError:
        raise InvalidRequest("The request body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse_json(error, body)
    if not body.isascii():
        _check_unicode(body)
    if len(body) > MAX_DEPTH and body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_nesting(body)
    if has_duplicate:
        _refuse_duplicate(body)
    for name in fields:
        if name not in known:
            _check_case(name, known)
    return fields


def _is_compact(fields: dict[str, msgspec.Raw], body: bytes) -> bool:
    """Whether the body is these members and nothing else, without spaces, as most clients write it.

    Then none came twice, which is otherwise three times as dear to find out.
    """
    return body.find(b'": ', 0, _LOOK_BYTES) < 0 and body == _encode(fields)


def refuse_json(error: Exception, body: bytes) -> NoReturn:
    """Raise the `InvalidRequest` for what msgspec could not read as JSON."""
    if isinstance(error, RecursionError):
        raise _too_deep() from None
    if isinstance(error, UnicodeDecodeError):
        raise InvalidRequest("The request body is not valid UTF-8.") from None
    if not body.strip():
        raise InvalidRequest("The request body is empty; a JSON object was expected.") from None
    if body.startswith(b"\xef\xbb\xbf"):
        raise InvalidRequest("The request body begins with a byte order mark; send JSON without one.") from None
    detail = str(error).removeprefix("JSON is malformed: ").removesuffix(".")
    raise InvalidRequest(f"The request body could not be parsed as JSON: {detail}.") from None


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The request body is nested deeper than {MAX_DEPTH} levels.")


def _check_unicode(body: bytes) -> None:
    """Refuse bytes that are not UTF-8; the decoder does not look into strings that it only skips."""
    try:
        body.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8.") from None


def _check_nesting(body: bytes) -> None:
    """Refuse a well-formed body whose objects and arrays are too many or too deep, in time linear in its length."""
    brackets = _outside_strings(_marks(body))
    if len(brackets) > 2 * MAX_CONTAINERS:
        raise InvalidRequest(f"The request body holds more than {MAX_CONTAINERS} objects and arrays.")
    if _depth(brackets) > MAX_DEPTH:
        raise _too_deep()


def _marks(body: bytes) -> bytes:
    """Return the quotes and brackets of a JSON text, braces as brackets, with as few quotes as tell strings apart."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes in a row are an empty string, or the seam of two strings with nothing but punctuation between them.
    # Without them the rest is inside or outside a string as before.
    return unescaped.translate(_FOLD_BRACES, _NOT_MARKS).replace(b'""', b"")


def _outside_strings(marks: bytes) -> bytes:
    """Return the brackets that no pair of quotes encloses, splitting a little at a time to stay small in memory."""
    kept = bytearray()
    parity = 0
    for start in range(0, len(marks), _SPLIT_BYTES):
        pieces = marks[start : start + _SPLIT_BYTES].split(b'"')
        kept += b"".join(pieces[parity::2])
        parity = (parity + len(pieces) - 1) % 2
    return bytes(kept)


def _depth(brackets: bytes) -> int:
    steps = memoryview(brackets.translate(_STEPS)).cast("b")
    return max(accumulate(steps), default=0)


def _refuse_duplicate(body: bytes) -> NoReturn:
    seen: set[str] = set()
    for name, _ in read_members(body):
        if name in seen:
            raise InvalidRequest(f"Duplicate parameter: '{name[:64]}' was given more than once.", param=name[:64])
        seen.add(name)
    raise AssertionError("a duplicate was counted but not found")


def _check_case(name: str, known: Collection[str]) -> None:
    folded = name.casefold()
    if folded in known:
        raise InvalidRequest(
            f"Unknown parameter: '{name}'. Did you mean '{folded}'?", param=name, code="unknown_parameter"
        )
