import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.wire.usage_edit import without_member


def without(payload: bytes, name: str = "usage") -> bytes:
    fields = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    edited = without_member(payload, name, fields)
    assert without_member(payload, name) == edited
    return edited


@pytest.mark.parametrize(
    ("payload", "edited"),
    [
        (b'{"id":"a","usage":null}', b'{"id":"a"}'),
        (b'{"id":"a","usage":{"total_tokens":5}}', b'{"id":"a"}'),
        (b'{"usage":null,"id":"a"}', b'{"id":"a"}'),
        (b'{"usage":null}', b"{}"),
        (b'{"id":1,"usage":null,"x":2}', b'{"id":1,"x":2}'),
        (b' { "id" : 1 , "usage" : null , "x" : 2 } ', b' { "id" : 1 , "x" : 2 } '),
        (b'{"usage":1 ,"id":1 }', b'{"id":1 }'),
        (b'{ "id": 1, "usage": null }', b'{ "id": 1}'),
        (b'{"x":{"usage":null},"id":"a"}', b'{"x":{"usage":null},"id":"a"}'),
        (b'{"usage":1,"id":"a","usage":null}', b'{"id":"a"}'),
        (b'{"u\\u0073age":1,"id":"\\"usage\\":null}"}', b'{"id":"\\"usage\\":null}"}'),
        (b'{"id":","}', b'{"id":","}'),
        (b"{}", b"{}"),
    ],
)
def test_the_member_goes_and_the_rest_stays(payload: bytes, edited: bytes) -> None:
    assert without(payload) == edited


spaces = st.sampled_from([b"", b"", b" ", b"\n\t "])
keys = st.sampled_from(["usage", "id", "", 'us"age', "usa\\ge", "é"]) | st.text(max_size=4)
texts = st.sampled_from(['"usage":null}', "\\", '"', ',"usage":null', "é"]) | st.text(max_size=5)
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=5,
)


@st.composite
def members(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """Members as (name, text), each with what stands around it."""
    found = []
    for name, value in draw(st.lists(st.tuples(keys, values), max_size=6)):
        written = json.dumps(name, ensure_ascii=draw(st.booleans())).encode()
        text = json.dumps(
            value, ensure_ascii=False, separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))
        ).encode()
        space = [draw(spaces) for _ in range(4)]
        found.append((name, space[0] + written + space[1] + b":" + space[2] + text + space[3]))
    return found


@given(members(), spaces)
def test_any_object_loses_the_member_and_nothing_else(members: list[tuple[str, bytes]], space: bytes) -> None:
    payload = b"{" + b",".join(text for _, text in members) + b"}" + space
    edited = without_member(payload, "usage")
    kept = [text for name, text in members if name != "usage"]
    assert edited == (payload if len(kept) == len(members) else b"{" + b",".join(kept) + b"}" + space)
    assert pairs(edited) == [pair for pair in pairs(payload) if pair[0] != "usage"]


def pairs(text: bytes) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    return found
