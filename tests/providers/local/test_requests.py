"""What reaches a local model of a client's request: an allow-list, with limits and defaults."""

import json
from typing import Any

import pytest

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.errors import InvalidRequest
from aqueduct.providers.local import LocalOperation
from aqueduct.providers.local_fields import dropped_fields
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.completions import parse_completion

EMBEDDED = Target(provider=Provider(name="embedded", kind="local"), model="smollm2-135m")
OWN_FILE = Target(provider=Provider(name="own", kind="local"), model="mine", model_path="/models/mine.gguf")
USER = {"role": "user", "content": "Hello"}
SYSTEM = {"role": "system", "content": "You are a helpful AI assistant."}
TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    },
    {"type": "function", "function": {"name": "time"}},
]
TEXT = {"type": "text", "text": "What is this?"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}


def chat_request(**members: Any) -> Any:
    return parse_chat(json.dumps({"model": "m", "messages": [USER], **members}).encode())


def sent(target: Target = EMBEDDED, **members: Any) -> dict[str, Any]:
    request = LocalOperation("chat").build_request(chat_request(**members), target)
    body: dict[str, Any] = json.loads(request.body)
    return body


def completion_request(**members: Any) -> Any:
    return parse_completion(json.dumps({"model": "m", "prompt": "Once", **members}).encode())


def completion_sent(**members: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        LocalOperation("completions").build_request(completion_request(**members), EMBEDDED).body
    )
    return body


def test_a_plain_chat_gets_a_limit_a_system_message_and_a_low_temperature() -> None:
    assert sent() == {"messages": [SYSTEM, USER], "max_tokens": 512, "temperature": 0.2, "dry_multiplier": 0.8}


def test_what_the_client_says_stands() -> None:
    own = {"role": "system", "content": "Be brief."}
    body = sent(messages=[own, USER], temperature=1.5, max_tokens=7, top_p=0.5, stop=["a", "b"])
    assert body["messages"] == [own, USER]
    assert (body["temperature"], body["max_tokens"], body["top_p"], body["stop"]) == (1.5, 7, 0.5, ["a", "b"])
    assert sent(max_completion_tokens=9)["max_tokens"] == 9


def test_any_other_file_keeps_its_own_temperature_and_template() -> None:
    request = LocalOperation("chat").build_request(chat_request(), OWN_FILE)
    assert request.origin == Origin("local", "/models/mine.gguf", 0)
    assert json.loads(request.body) == {"messages": [USER], "max_tokens": 2048}


def test_only_fields_on_the_list_travel() -> None:
    unknown: dict[str, Any] = {
        "n_predict": -1,
        "grammar": "root ::= .",
        "cache_prompt": False,
        "id_slot": 0,
        "samplers": [],
        "made_up": 1,
    }
    assert sent(**unknown) == sent()
    assert dropped_fields(chat_request(**unknown)) == tuple(unknown)


def test_what_changes_nothing_is_left_out_and_named() -> None:
    harmless: dict[str, Any] = {
        "user": "u",
        "metadata": {"a": "b"},
        "store": False,
        "reasoning_effort": "low",
        "service_tier": "auto",
    }
    assert sent(**harmless) == sent()
    assert dropped_fields(chat_request(**harmless)) == tuple(harmless)
    assert dropped_fields(chat_request(temperature=1, n=2, tools=TOOLS, seed=1, stream=True, user=None)) == ()


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "nope"}}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
        ({"messages": [USER, {"role": "user", "content": [TEXT, IMAGE]}]}, "messages[1].content[1]"),
    ],
)  # fmt: skip
def test_what_would_change_the_answer_is_refused_by_its_path(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        sent(**members)
    assert raised.value.param == param
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("members", "param"),
    [({"suffix": "x"}, "suffix"), ({"echo": True}, "echo"), ({"best_of": 2}, "best_of"), ({"logprobs": 1}, "logprobs"),
     ({"max_tokens": 0}, "max_tokens")],
)  # fmt: skip
def test_completions_refuse_what_the_server_would_ignore(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        completion_sent(**members)
    assert raised.value.param == param


def test_completions_carry_every_kind_of_prompt() -> None:
    for prompt in ("Once", ["Once", "Twice"], [1, 2], [[1, 2], [3]]):
        assert completion_sent(prompt=prompt, echo=False, best_of=1, suffix=None)["prompt"] == prompt
    assert completion_sent(prompt=None)["prompt"] == ""


def test_choices_are_calls_of_their_own_with_seeds_of_their_own() -> None:
    operation = LocalOperation("chat")
    calls = operation.calls(chat_request(n=3, seed=7))
    assert [json.loads(operation.build_request(call, EMBEDDED).body)["seed"] for call in calls] == [7, 8, 9]
    assert all(call.choices == 1 for call in calls)
    assert len(operation.calls(chat_request(n=2))) == 2
    single = chat_request()
    assert operation.calls(single) == (single,)


def test_prompts_times_choices_come_in_the_order_of_the_prompts() -> None:
    operation = LocalOperation("completions")
    calls = operation.calls(completion_request(prompt=["a", "b"], n=2))
    bodies = [json.loads(operation.build_request(call, EMBEDDED).body) for call in calls]
    assert [body["prompt"] for body in bodies] == ["a", "a", "b", "b"]
    with pytest.raises(InvalidRequest):
        operation.calls(completion_request(prompt=["a"] * 100, n=2))


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63), 2**32 - 1])
def test_seeds_fit_into_what_the_server_takes(seed: int) -> None:
    operation = LocalOperation("chat")
    for call in operation.calls(chat_request(n=2, seed=seed)):
        assert 0 <= json.loads(operation.build_request(call, EMBEDDED).body)["seed"] < 2**32 - 1


def test_a_stream_asks_for_usage_and_log_probabilities_for_one_alternative() -> None:
    body = sent(stream=True, logprobs=True)
    assert body["stream_options"] == {"include_usage": True}
    assert (body["logprobs"], body["top_logprobs"]) == (True, 1)
    assert sent(logprobs=True, top_logprobs=3)["top_logprobs"] == 3


def test_a_schema_becomes_a_grammar_and_a_word_to_the_model() -> None:
    body = sent(response_format=FORMAT)
    assert body["grammar"].startswith("%llguidance")
    assert "response_format" not in body
    assert "dry_multiplier" not in body
    assert '"a"' in body["messages"][0]["content"]
    assert sent(response_format={"type": "text"}) == sent()


def test_what_an_exact_grammar_holds_flows() -> None:
    operation = LocalOperation("chat")
    assert operation.flows(chat_request(response_format=FORMAT), EMBEDDED)
    assert not operation.flows(chat_request(response_format=FORMAT, stop="}"), EMBEDDED)
    assert not operation.flows(chat_request(response_format={"type": "json_object"}), EMBEDDED)
    assert operation.flows(chat_request(), EMBEDDED)


def test_calls_and_their_results_are_told_to_the_embedded_model_as_text() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Hi"},
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "noon"},
    ]
    told = sent(messages=messages)["messages"]
    assert told == [
        {"role": "system", "content": "Hi"},
        USER,
        {"role": "assistant", "content": '{"name": "time", "arguments": {}}'},
        {"role": "user", "content": "The function's result: noon"},
    ]
    own = sent(OWN_FILE, messages=messages)["messages"]
    assert own[2]["tool_calls"] == [call]
    assert own[3]["role"] == "tool"


def test_free_choice_of_tools_is_left_to_a_model_that_has_its_own_way_with_them() -> None:
    assert sent(OWN_FILE, tools=TOOLS)["tools"] == TOOLS
    assert "grammar" in sent(OWN_FILE, tools=TOOLS, tool_choice="required")
    assert "tools" not in sent(tools=TOOLS)
    assert "grammar" not in sent(tools=TOOLS, tool_choice="none")


def test_a_message_of_a_context_overflow_is_the_client_s_to_read() -> None:
    message = "request (5031 tokens) exceeds the available context size (3072 tokens), try increasing it"
    body = json.dumps({"error": {"code": 400, "message": message, "type": "exceed_context_size_error"}}).encode()
    error = LocalOperation("chat").read_error(400, (), body)
    rejection = error.rejection  # type: ignore[attr-defined]  # UpstreamRejected has it
    assert (rejection.code, rejection.param) == ("context_length_exceeded", "messages")
