"""Redaction of members by name and by path."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.domain.redaction import REDACTED, compile_redaction, is_pattern, redact

CHAT: dict[str, Any] = {
    "model": "one",
    "user": "ada",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "user", "content": "secret", "user": "bob"},
    ],
}


def redacted(document: Any, *patterns: str) -> Any:
    return redact(document, compile_redaction(patterns))


def test_a_bare_name_is_redacted_wherever_it_is() -> None:
    found = redacted(CHAT, "user", "image_url")
    assert found["user"] == found["messages"][1]["user"] == REDACTED
    assert found["messages"][0]["content"][1] == {"type": "image_url", "image_url": REDACTED}
    assert found["messages"][1]["content"] == "secret"


@pytest.mark.parametrize("path", ["messages[*].content", "messages.content", "*.content", "$.messages[*].CONTENT"])
def test_a_path_is_redacted_from_the_top_through_arrays(path: str) -> None:
    found = redacted(CHAT, path)
    assert [message["content"] for message in found["messages"]] == [REDACTED, REDACTED]
    assert found["user"] == "ada"
    assert redacted({"inside": CHAT}, "$.messages") == {"inside": CHAT}


def test_a_name_behind_the_root_is_redacted_there_alone() -> None:
    found = redacted(CHAT, "$.user")
    assert (found["user"], found["messages"][1]["user"]) == (REDACTED, "bob")


def test_a_star_is_any_member() -> None:
    assert redacted({"a": 1, "b": {"c": 2}}, "*") == {"a": REDACTED, "b": REDACTED}
    assert redacted({"a": {"x": 1, "y": 1}, "b": {"x": 2}}, "*.x") == {
        "a": {"x": REDACTED, "y": 1},
        "b": {"x": REDACTED},
    }


def test_names_match_in_any_case() -> None:
    assert redacted({"Messages": [{"CONTENT": "x"}], "USER": 1}, "messages.content", "User") == {
        "Messages": [{"CONTENT": REDACTED}],
        "USER": REDACTED,
    }


def test_the_document_itself_is_left_alone() -> None:
    before = {"user": "ada", "deep": [{"user": "bob"}]}
    redacted(before, "user")
    assert before == {"user": "ada", "deep": [{"user": "bob"}]}


@pytest.mark.parametrize("text", ["", ".", "a..b", "a[0]", "a[*", "a b", "$.", "x" * 300, "a.", "[*]", "a\n"])
def test_what_names_no_member_is_no_pattern(text: str) -> None:
    assert not is_pattern(text)


DOCUMENTS = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "A", "user"]), inner),
    max_leaves=20,
)


@given(DOCUMENTS)
def test_nothing_that_a_bare_name_means_is_left(document: Any) -> None:
    def values(found: Any) -> list[Any]:
        if isinstance(found, list):
            return [value for each in found for value in values(each)]
        if isinstance(found, dict):
            own = [value for name, value in found.items() if name.casefold() == "a"]
            return own + [value for each in found.values() for value in values(each)]
        return []

    assert all(value == REDACTED for value in values(redacted(document, "a")))
