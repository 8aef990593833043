"""One answer made of a stream's events."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scripted_upstream import DONE, ROLE, STOP, USAGE, chunk, event

from aqueduct.wire.assembly import assemble


def of(*chunks: Any) -> dict[str, Any]:
    return assemble(b"".join(event(each) for each in chunks) + DONE)


def test_texts_are_joined_and_the_rest_is_taken_once() -> None:
    found = of(ROLE, chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo."}), STOP, USAGE)
    assert found == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "upstream-model",
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    }


def test_tool_calls_are_merged_by_their_index() -> None:
    def calls(*each: dict[str, Any]) -> dict[str, Any]:
        return chunk({"tool_calls": list(each)})

    found = of(
        calls({"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": ""}}),
        calls({"index": 1, "id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}}),
        calls({"index": 0, "function": {"arguments": '{"x"'}}),
        calls({"index": 0, "function": {"arguments": ":1}"}}),
    )
    assert [each["function"] for each in found["choices"][0]["message"]["tool_calls"]] == [
        {"name": "f", "arguments": '{"x":1}'},
        {"name": "g", "arguments": "{}"},
    ]


def test_choices_come_in_the_order_of_their_numbers() -> None:
    def piece(index: int, text: str) -> dict[str, Any]:
        return {"object": "text_completion", "choices": [{"index": index, "text": text, "finish_reason": None}]}

    found = of(piece(1, "b"), piece(0, "a"), piece(1, "B"))
    assert [choice["text"] for choice in found["choices"]] == ["a", "bB"]


def test_an_error_in_the_stream_is_a_member_of_the_answer() -> None:
    found = of(chunk({"content": "Hel"}), {"error": {"message": "gone", "type": "x", "param": None, "code": "c"}})
    assert found["error"]["code"] == "c"
    assert found["choices"][0]["message"]["content"] == "Hel"


@pytest.mark.parametrize("data", [b"data: x\n\n", b"data: 1\n\n", b"data: []\n\n", b'data: {"choices":[1]}\n\n'])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        assemble(data)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["index", "delta", "message", "text", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.lists(st.fixed_dictionaries({}, optional={"choices": ANY, "usage": ANY, "x": ANY, "object": ANY}), max_size=5)
)
def test_whatever_an_upstream_sends_ends_in_an_answer_or_a_value_error(chunks: list[dict[str, Any]]) -> None:
    with contextlib.suppress(ValueError):
        of(*chunks)
