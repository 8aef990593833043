import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.errors import InvalidRequest
from aqueduct.wire import json_object
from aqueduct.wire.json_object import MAX_DEPTH, read_members, read_object

KNOWN = frozenset({"model", "stop"})


def refusal(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read_object(body, KNOWN)
    return caught.value


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return f'{{"a":{opening * (depth - 1)}{closing * (depth - 1)}}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b"not json",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 01}',
        b'{"a": 1,}',
        b'{"a": 1} x',
        b'{"a": 1}{"a": 1}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\n"}',
        b'{"a": "\\q"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"\xff": 1}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_what_is_not_json_in_utf8_is_refused(body: bytes) -> None:
    error = refusal(body)
    assert (error.status, error.param, error.code) == (400, None, None)


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"model"', b"[{}]"])
def test_what_is_not_an_object_is_refused(body: bytes) -> None:
    assert refusal(body).message == "The request body must be a JSON object."


def test_members_keep_their_order_and_their_bytes() -> None:
    fields = read_object(b'{"b": [1,  2], "model" : "x", "a":1.50}', KNOWN)
    assert [(name, bytes(raw)) for name, raw in fields.items()] == [
        ("b", b"[1,  2]"),
        ("model", b'"x"'),
        ("a", b"1.50"),
    ]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model": "a", "model": "b"}', "model"),
        (b'{"model": "a", "m\\u006fdel": "a"}', "model"),
        (b'{"x": 1, "stop": 2, "x": 1}', "x"),
        (b'{"": 1, "": 1}', ""),
    ],
)
def test_a_duplicate_member_is_refused_by_name(body: bytes, param: str) -> None:
    assert refusal(body).param == param


@pytest.mark.parametrize("name", ["Model", "MODEL", "sTOP", "\u017ftop"])
def test_a_known_name_in_another_case_is_refused(name: str) -> None:
    error = refusal(json.dumps({name: 1}).encode())
    assert (error.param, error.code) == (name, "unknown_parameter")


def test_unknown_names_may_have_any_case() -> None:
    assert list(read_object(b'{"Vendor": 1, "vendor": 2}', KNOWN)) == ["Vendor", "vendor"]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_allowed_up_to_the_limit(opening: str, closing: str) -> None:
    body = nested(MAX_DEPTH, opening, closing).replace(b":}", b":1}")
    read_object(body, KNOWN)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 5_000, 200_000])
def test_deeper_nesting_is_refused(depth: int) -> None:
    assert "nested deeper" in refusal(nested(depth)).message


def test_brackets_in_strings_are_not_nesting() -> None:
    text = json.dumps({"a": '[{"\\"[' * 1000, "b": ["[", "{\\", '"'] * 200}).encode()
    read_object(text, KNOWN)


def test_many_shallow_values_are_not_nesting() -> None:
    read_object(json.dumps({"a": [[], {}, {"b": []}] * 1000}).encode(), KNOWN)


def test_too_many_containers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_object, "MAX_CONTAINERS", 1000)
    read_object(json.dumps({"a": [[]] * 998}).encode(), KNOWN)
    assert "more than 1000" in refusal(json.dumps({"a": [[]] * 999}).encode()).message


def test_nesting_is_counted_across_the_blocks_it_is_split_in(monkeypatch: pytest.MonkeyPatch) -> None:
    value: list[object] = []
    for _ in range(MAX_DEPTH - 2):
        value = ["[", value, "]"]
    body = json.dumps({"a": value}).encode()
    for block in itertools.chain(range(1, 12), [64]):
        monkeypatch.setattr(json_object, "_SPLIT_BYTES", block)
        read_object(body, KNOWN)
        refusal(b'{"a":["["],"b":[' + body + b"]}")


values = st.recursive(
    st.none() | st.text('"\\[]{}a', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\[]{}a', max_size=4), inner, max_size=3),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(st.dictionaries(st.text(max_size=3), values, max_size=3))
def test_the_depth_is_the_one_a_parser_finds(value: dict[str, object]) -> None:
    text = json.dumps(value).encode()
    brackets = json_object._outside_strings(json_object._marks(text))
    assert json_object._depth(brackets) == depth_of(value)


@given(st.lists(st.tuples(st.text(max_size=5), values), max_size=5))
def test_members_are_read_with_their_duplicates(members: list[tuple[str, object]]) -> None:
    text = "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in members) + "}"
    assert [(name, json.loads(bytes(raw))) for name, raw in read_members(text.encode())] == members


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_refusal(body: bytes) -> None:
    try:
        read_object(body, KNOWN)
    except InvalidRequest:
        return
    assert isinstance(json.loads(body), dict)
