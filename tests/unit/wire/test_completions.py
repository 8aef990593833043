import json
from typing import Any

import pytest

from aqueduct.errors import InvalidRequest
from aqueduct.wire.completions import CompletionRequest, parse_completion
from aqueduct.wire.request import Request


def parsed(**members: Any) -> CompletionRequest:
    return parse_completion(json.dumps({"model": "m", "prompt": "p", **members}).encode())


@pytest.mark.parametrize(
    ("members", "param", "code"),
    [
        ({"model": None}, "model", "invalid_type"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"prompt": []}, "prompt", "empty_array"),
        ({"prompt": [[]]}, "prompt[0]", "empty_array"),
        ({"prompt": ["a", 1]}, "prompt", "invalid_type"),
        ({"prompt": [1, [1]]}, "prompt", "invalid_type"),
        ({"prompt": [["a"]]}, "prompt[0][0]", "invalid_type"),
        ({"prompt": [1.5]}, "prompt[0]", "invalid_type"),
        ({"best_of": 21}, "best_of", "integer_above_max_value"),
        ({"best_of": 1, "n": 2}, "best_of", None),
        ({"best_of": 2, "n": 1, "stream": True}, "best_of", None),
        ({"echo": 1}, "echo", "invalid_type"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"logprobs": True}, "logprobs", "invalid_type"),
        ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"suffix": 1}, "suffix", "invalid_type"),
        ({"stop": list("abcde")}, "stop", "array_above_max_length"),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"Prompt": "p"}, "Prompt", "unknown_parameter"),
    ],
)
def test_a_wrong_member_is_refused_by_its_path(members: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**members)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


@pytest.mark.parametrize(("body", "param"), [(b'{"model": "m"}', "prompt"), (b'{"prompt": "p"}', "model")])
def test_model_and_prompt_are_required(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_completion(body)
    assert (caught.value.param, caught.value.code) == (param, "missing_required_parameter")


@pytest.mark.parametrize(
    ("prompt", "prompts", "text"),
    [
        ("once", 1, "once"),
        (["once", "twice"], 2, "once\ntwice"),
        ([1, 2, 3], 1, "1\n2\n3"),
        ([[1, 2], [3]], 2, "[1, 2]\n[3]"),
        (None, 1, ""),
    ],
)
def test_every_prompt_has_its_choices(prompt: Any, prompts: int, text: str) -> None:
    request: Request = parsed(prompt=prompt, n=3)
    assert (request.choices, request.input_text()) == (3 * prompts, text)


def test_a_request_answers_what_the_gateway_asks_of_it() -> None:
    request: Request = parsed(stream=True, stream_options={"include_usage": True}, user="u")
    assert (request.operation, request.model, request.end_user, request.schema) == ("completions", "m", "u", None)
    assert (request.is_stream, request.wants_usage) == (True, True)
    changed = request.with_fields(model="other", prompt=["a", "b"], stream=None)
    assert (changed.model, changed.choices, changed.is_stream) == ("other", 2, False)


@pytest.mark.parametrize("name", ["best_of", "echo", "logprobs", "max_tokens", "n", "stop", "suffix", "user", "seed"])
def test_null_is_accepted_for_optional_members(name: str) -> None:
    assert bytes(parsed(**{name: None}).fields[name]) == b"null"
