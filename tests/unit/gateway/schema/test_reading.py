"""What counts as JSON in an answer."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.gateway.schema.reading import MAX_ANSWER_DEPTH, NotJson, read_json

_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_values = st.recursive(_scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(_values)
def test_reads_back_whatever_json_can_say(value: object) -> None:
    assert read_json(json.dumps(value)) == value
    if json.dumps(value, ensure_ascii=False).isascii():
        assert read_json(json.dumps(value, indent=2)) == value


@given(st.text())
def test_reads_no_text_that_the_standard_library_refuses(text: str) -> None:
    try:
        value = read_json(text)
    except NotJson:
        return
    assert json.loads(text) == value or (isinstance(value, float) and math.isnan(value))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expecting value at line 1, column 1"),
        ("I am sorry", "expecting value at line 1, column 1"),
        ('{"a": 1,}', "at line 1, column"),
        ('```json\n{"a": 1}\n```', "expecting value at line 1, column 1"),
        ('{"a": 1} {"a": 2}', "extra data at line 1, column 10"),
        ("{'a': 1}", "expecting property name"),
        ('\ufeff{"a": 1}', "BOM"),
        ("NaN", "NaN is not a JSON value"),
        ("[-Infinity]", "-Infinity is not a JSON value"),
        ("[1e400]", "the number 1e400 is too large"),
        ("[-1e400]", "the number -1e400 is too large"),
        ("01", "extra data"),
        ("1" * 5000, "an integer of thousands of digits"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', 'an object has two members named "c"'),
        ('{"a": 1, "\\u0061": 2}', 'an object has two members named "a"'),
        ('"\\ud800"', "half of a surrogate pair"),
        ('"\ud800"', "half of a surrogate pair"),
        ('"a\nb"', "invalid control character"),
        ("[" * (MAX_ANSWER_DEPTH + 1) + "]" * (MAX_ANSWER_DEPTH + 1), "nested deeper than 128"),
        ("[" * 100_000, "nested deeper than 128"),
        ('{"a":' * 5_000, "nested deeper than 128"),
    ],
)
def test_refuses_what_some_client_would_not_read_or_read_otherwise(text: str, reason: str) -> None:
    with pytest.raises(NotJson) as refusal:
        read_json(text)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' \r\n\t{"a": [1, 2.5, -0]} ', {"a": [1, 2.5, 0]}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\u2028"', "\u2028"),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("1e308", 1e308),
        ("null", None),
        ('{"[": "{[\\"{", "x": []}', {"[": '{[\\"{'.replace("\\", ""), "x": []}),
    ],
)
def test_reads_every_form_that_clients_agree_on(text: str, value: object) -> None:
    assert read_json(text) == value


def test_reads_nesting_up_to_the_limit_and_brackets_inside_strings_do_not_count() -> None:
    read_json("[" * MAX_ANSWER_DEPTH + "]" * MAX_ANSWER_DEPTH)
    read_json(json.dumps(["[" * 500, "{" * 500, '\\"[' * 200]))
    read_json(json.dumps([[] for _ in range(500)]))
