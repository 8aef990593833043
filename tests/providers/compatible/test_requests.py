"""What a request becomes at a service that speaks OpenAI's format with quirks."""

import json
from typing import Any

import msgspec
import pytest
from tests.providers.asking import USER, asked
from tests.providers.compatible.asking import SCHEMA, built, chat, dropped, sent, target

from aqueduct.errors import InvalidRequest
from aqueduct.providers.compatible.rows import QUIRKS

SCHEMA_FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


@pytest.mark.parametrize("kind", QUIRKS)
def test_a_plain_question_travels_as_it_came(kind: str) -> None:
    body = sent(kind, temperature=0.5, top_k=7)
    assert body == {"model": "m-1", "messages": [USER], "temperature": 0.5, "top_k": 7}
    assert dropped(kind, temperature=0.5) == ()


@pytest.mark.parametrize("kind", QUIRKS)
def test_usage_is_asked_for_in_every_stream_that_can_be_asked(kind: str) -> None:
    body = sent(kind, stream=True)
    assert body.get("stream_options") == ({"include_usage": True} if QUIRKS[kind].has_stream_options else None)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("mistral", {"max_completion_tokens": 9, "seed": 3}, {"max_tokens": 9, "random_seed": 3}),
        ("cerebras", {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ("groq", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}),
        ("mistral", {"reasoning_effort": "low"}, {"reasoning_effort": "high"}),
        ("mistral", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}),
        ("lmstudio", {"response_format": {"type": "text"}}, {"response_format": {"type": "text"}}),
        ("tgi", {"response_format": SCHEMA_FORMAT}, {"response_format": {"type": "json_object", "value": SCHEMA}}),
        (
            "cohere-openai",
            {"response_format": SCHEMA_FORMAT},
            {"response_format": {"type": "json_object", "schema": SCHEMA}},
        ),
        ("vllm", {"response_format": SCHEMA_FORMAT}, {"response_format": SCHEMA_FORMAT}),
    ],
)
def test_a_field_is_spelled_as_the_service_does(kind: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    body = sent(kind, **given)
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == expected


def test_any_json_object_is_asked_for_by_a_schema_where_the_service_knows_no_other_way() -> None:
    format_ = sent("lmstudio", response_format={"type": "json_object"})["response_format"]
    assert (format_["type"], format_["json_schema"]["schema"]) == ("json_schema", {"type": "object"})


def test_the_developer_is_the_system_where_only_that_is_known() -> None:
    messages = [{"role": "developer", "content": 'be "developer"'}, USER]
    assert sent("vllm", messages=messages)["messages"] == [{"role": "system", "content": 'be "developer"'}, USER]
    assert sent("azure", messages=messages)["messages"] == messages


def test_what_was_thought_goes_back_under_the_name_that_the_service_knows() -> None:
    said = {"role": "assistant", "content": "4", "reasoning_content": "2+2"}
    assert sent("openrouter", messages=[USER, said, USER])["messages"][1]["reasoning"] == "2+2"
    assert sent("deepseek", messages=[USER, said, USER])["messages"][1]["reasoning_content"] == "2+2"
    assert "reasoning_content" not in sent("mistral", messages=[USER, said, USER])["messages"][1]
    assert dropped("mistral", messages=[USER, said, USER]) == ("messages[].reasoning_content",)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("groq", "logprobs", True),
        ("perplexity", "tools", [{"type": "function", "function": {"name": "f"}}]),
        ("perplexity", "stop", "x"),
        ("mistral", "logit_bias", {"1": 5}),
        ("ollama-openai", "logit_bias", {"1": 5}),
        ("deepseek", "modalities", ["text", "audio"]),
        ("vllm", "web_search_options", {}),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(kind: str, field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        built(kind, **{field: value})
    assert refusal.value.param == field
    at = target(kind, drop=[field])
    assert field not in sent(kind, at, **{field: value})
    assert dropped(kind, at, **{field: value}) == (field,)


def test_a_refused_field_that_asks_for_nothing_is_left_out_without_a_word() -> None:
    assert "logprobs" not in sent("groq", logprobs=False)
    assert dropped("groq", logprobs=False) == ()


def test_what_changes_little_is_left_out_and_named() -> None:
    given: dict[str, Any] = {"verbosity": "low", "prompt_cache_key": "k", "store": False, "user": "u"}
    assert sent("mistral", **given) == {"model": "m-1", "messages": [USER], "prompt_cache_key": "k"}
    assert dropped("mistral", **given) == ("verbosity",)
    assert dropped("groq", messages=[{**USER, "name": "Ann"}]) == ("messages[].name",)


def test_a_field_that_is_governed_is_refused_first() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        built("openrouter", models=["a", "b"])
    assert refusal.value.param == "models"


def test_a_governed_field_that_the_config_allows_travels() -> None:
    at = target("groq")
    allowed = msgspec.structs.replace(
        at, provider=msgspec.structs.replace(at.provider, governed_fields=frozenset({"service_tier"}))
    )
    assert sent("groq", allowed, service_tier="flex")["service_tier"] == "flex"
    assert dropped("groq", allowed, service_tier="flex") == ()
    assert dropped("groq", service_tier="auto") == ("service_tier",)


def test_several_choices_are_several_calls_where_the_service_gives_one() -> None:
    assert [len(chat(kind).calls(asked(n=3))) for kind in ("groq", "vllm", "perplexity")] == [3, 1, 3]


@pytest.mark.parametrize(
    ("base_path", "version", "path"),
    [
        ("", "v1", "/openai/v1/chat/completions"),
        ("/openai/v1", "v1", "/openai/v1/chat/completions"),
        ("/openai", "preview", "/openai/v1/chat/completions?api-version=preview"),
        ("", "2024-10-21", "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21"),
        ("/models", "2024-05-01-preview", "/models/chat/completions?api-version=2024-05-01-preview"),
    ],
)
def test_azure_is_asked_at_the_surface_of_its_version(base_path: str, version: str, path: str) -> None:
    request = built("azure", target("azure", "my gpt/4", base_path, api_version=version))
    assert (request.path, json.loads(request.body)["model"]) == (path, "my gpt/4")
    assert (b"api-key", b"key-1") in request.headers
    assert not any(name == b"authorization" for name, _ in request.headers)
