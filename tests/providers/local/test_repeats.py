"""A member that a model names twice."""

import json

import pytest

from aqueduct.providers.local import LocalOperation
from aqueduct.providers.local_repeats import without_repeats
from aqueduct.wire.chat import parse_chat


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ('{"a": 1, "b": 2, "a": 3}', '{"a": 3, "b": 2}'),
        ('[{"x": {"é": 1, "é": 2}}]', '[{"x": {"é": 2}}]'),
        ('{"a":1,  "b":[2]}', '{"a":1,  "b":[2]}'),
        ('{"a": 1', '{"a": 1'),
        ("", ""),
    ],
)
def test_the_last_of_repeated_members_counts_and_nothing_else_changes(text: str, mended: str) -> None:
    assert without_repeats(text) == mended


def test_an_answer_that_is_to_be_json_is_mended_and_any_other_is_not() -> None:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": '{"a":1,"a":2}'}}
    body = json.dumps({"choices": [choice]}).encode()
    plain = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    for members, content in (
        (plain, '{"a":1,"a":2}'),
        ({**plain, "response_format": {"type": "json_object"}}, '{"a": 2}'),
    ):
        answer = LocalOperation("chat").read_response(parse_chat(json.dumps(members).encode()), body)
        assert answer.contents == {0: content}
