"""Makes one answer of a stream's events, as if the client had not asked for a stream; for people to read.

The pieces are put together as the official clients do it: texts are joined, members of lists that have an `index` are
merged by it, what names something (a role, an id, a function) is taken once.
"""

from typing import Any

import msgspec

from aqueduct.wire.sse import DONE_PAYLOAD, SseSplitter

_TAKEN_WHOLE = frozenset(
    {"role", "id", "index", "type", "name", "model", "object", "finish_reason", "usage", "created"}
)
_CHUNK = ".chunk"


class _Pieces:
    """A text whose pieces are joined once, at the end."""

    def __init__(self, first: str) -> None:
        self.texts = [first]


def assemble(stream: bytes) -> dict[str, Any]:
    """Return the answer that whole events make up; an `error` event is a member of it.

    Raises `ValueError` (which msgspec's errors are) or `RecursionError` for events that are no JSON objects.
    """
    splitter = SseSplitter(max_event_bytes=len(stream))
    document: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for payload in [*splitter.feed(stream), *splitter.finish()]:
        if payload == DONE_PAYLOAD:
            continue
        chunk = msgspec.json.decode(payload, type=dict[str, Any])
        for choice in msgspec.convert(chunk.pop("choices", None) or [], list[dict[str, Any]]):
            _add_choice(choices, choice)
        # What an answer says of itself, each chunk says whole.
        document.update((name, value) for name, value in chunk.items() if value is not None or name not in document)
    if choices:
        document["choices"] = [choices[index] for index in sorted(choices)]
    if isinstance(kind := document.get("object"), str):
        document["object"] = kind.removesuffix(_CHUNK)
    whole: dict[str, Any] = _join(document)
    return whole


def _add_choice(choices: dict[int, dict[str, Any]], choice: dict[str, Any]) -> None:
    index = msgspec.convert(choice.get("index", 0), int)
    known = choices.setdefault(index, {"index": index})
    if (delta := choice.pop("delta", None)) is not None:
        choice["message"] = delta
    _fold(known, choice)


def _fold(known: dict[str, Any], more: dict[str, Any]) -> None:
    """Add the members of a piece to what is known of an object; nothing takes nothing's place only."""
    for name, value in more.items():
        if value is None:
            known.setdefault(name, None)
        elif name in _TAKEN_WHOLE or known.get(name) is None:
            known[name] = value if name in _TAKEN_WHOLE else _begin(value)
        else:
            known[name] = _merge(known[name], value)


def _begin(value: Any) -> Any:
    """Return a first piece, ready for others."""
    match value:
        case str():
            return _Pieces(value)
        case dict():
            begun: dict[str, Any] = {}
            _fold(begun, value)
            return begun
        case list():
            return _merge([], value)
        case _:
            return value


def _merge(known: Any, more: Any) -> Any:
    match known, more:
        case _Pieces(), str():
            known.texts.append(more)
        case dict(), dict():
            _fold(known, more)
        case list(), list():
            _merge_lists(known, more)
        case _:
            return _begin(more)
    return known


def _merge_lists(known: list[Any], more: list[Any]) -> None:
    places = {each["index"]: each for each in known if isinstance(each, dict) and isinstance(each.get("index"), int)}
    for each in more:
        place = places.get(each["index"]) if isinstance(each, dict) and isinstance(each.get("index"), int) else None
        if place is not None:
            _fold(place, each)
            continue
        begun = _begin(each) if isinstance(each, dict) else each
        known.append(begun)
        if isinstance(begun, dict) and isinstance(begun.get("index"), int):
            places[begun["index"]] = begun


def _join(value: Any) -> Any:
    match value:
        case _Pieces():
            return "".join(value.texts)
        case dict():
            return {name: _join(member) for name, member in value.items()}
        case list():
            return [_join(each) for each in value]
        case _:
            return value
