"""The official OpenAI client, sync and async, against the real process and the embedded model."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Literal

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import BaseModel
from tests.gateway_process import GatewayProcess

MODEL = "default"
HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Say hello."},
]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Gets the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
TIME: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "Gets the time.",
        "parameters": {"type": "object", "properties": {}},
    },
}
GREETING: ResponseFormatJSONSchema = {
    "type": "json_schema",
    "json_schema": {
        "name": "schema",
        "schema": {
            "type": "object",
            "properties": {"greeting": {"type": "string"}, "count": {"type": "integer"}},
            "required": ["greeting", "count"],
        },
    },
}


class Greeting(BaseModel):
    """What the model is asked to fill in."""

    language: Literal["English", "French"]
    words: list[str]
    polite: bool


@pytest.fixture
def client(embedded: GatewayProcess) -> Iterator[openai.OpenAI]:
    """The sync client."""
    with openai.OpenAI(base_url=embedded.url, api_key=embedded.token, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(embedded: GatewayProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    """The async client."""
    async with openai.AsyncOpenAI(base_url=embedded.url, api_key=embedded.token, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("prefix", ["", "/v1"], ids=["bare", "v1"])
def test_the_base_url_may_end_in_v1_or_not(embedded: GatewayProcess, prefix: str) -> None:
    with openai.OpenAI(base_url=embedded.url + prefix, api_key=embedded.token, max_retries=0) as client:
        assert client.models.retrieve(MODEL).id == MODEL
        assert client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4).choices
        assert list(client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4, stream=True))
        assert client.completions.create(model=MODEL, prompt="Hello", max_tokens=4).choices


def test_models_are_listed_and_retrieved(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["smollm2-135m", "default"]
    assert client.models.retrieve("default").id == "default"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_a_plain_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=20)
    assert answer.object == "chat.completion"
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 20
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id


def test_a_streamed_answer(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=20, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_a_stream_without_usage_ends_with_a_finish_reason(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=5, stream=True))
    assert chunks[-1].choices[0].finish_reason is not None
    assert all(chunk.usage is None for chunk in chunks)


def test_streamed_and_plain_answers_are_the_same_text(client: openai.OpenAI) -> None:
    plain = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=20, temperature=0, seed=1)
    stream = client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=20, temperature=0, seed=1, stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == plain.choices[0].message.content


@pytest.mark.parametrize("n", [2, 5])
def test_several_choices(client: openai.OpenAI, n: int) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, n=n, max_tokens=8, temperature=1)
    assert sorted(choice.index for choice in answer.choices) == list(range(n))
    assert all(choice.message.content for choice in answer.choices)
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 8


def test_several_choices_streamed(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=HELLO, n=2, max_tokens=8, stream=True, stream_options={"include_usage": True}
    )
    texts, reasons, ids = {0: "", 1: ""}, {}, set()
    usages = []
    for chunk in stream:
        ids.add(chunk.id)
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
        if chunk.usage:
            usages.append(chunk.usage)
    assert all(texts.values())
    assert set(reasons) == {0, 1}
    assert len(ids) == 1
    assert len(usages) == 1
    assert usages[0].completion_tokens > 8


@pytest.mark.parametrize("stop", ["e", ["e", "zzz"]], ids=["string", "list"])
def test_stop_sequences(client: openai.OpenAI, stop: str | list[str]) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, stop=stop, max_tokens=50)
    assert "e" not in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"


def test_max_completion_tokens_end_an_answer_with_length(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Tell me a long story."}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_log_probabilities(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=3, logprobs=True, top_logprobs=2)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    assert len(logprobs.content[0].top_logprobs) == 2


def test_tools_that_the_model_may_call(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[WEATHER, TIME], tool_choice="auto", max_tokens=60
    )
    (choice,) = answer.choices
    assert choice.message.content or choice.message.tool_calls
    for call in choice.message.tool_calls or ():
        assert call.type == "function"
        assert call.function.name in ("get_weather", "get_time")
        json.loads(call.function.arguments)


def check_weather(name: str, arguments: str) -> None:
    assert name == "get_weather"
    given = json.loads(arguments)
    assert set(given) == {"city", "unit"}
    assert isinstance(given["city"], str)
    assert given["unit"] in ("celsius", "fahrenheit")


def test_tools_of_which_the_model_must_call_one(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[WEATHER, TIME], tool_choice="required", max_tokens=100
    )
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    for call in choice.message.tool_calls:
        assert call.type == "function"
        assert call.id
        assert call.function.name in ("get_weather", "get_time")
        json.loads(call.function.arguments)


def test_a_tool_that_the_model_must_call_by_name(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=HELLO,
        tools=[TIME, WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        max_tokens=100,
    )
    (choice,) = answer.choices
    assert choice.message.tool_calls
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    check_weather(call.function.name, call.function.arguments)


def test_a_tool_call_streamed(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=HELLO,
        tools=[TIME, WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        max_tokens=100,
    ) as stream:
        (choice,) = stream.get_final_completion().choices
    assert choice.message.tool_calls
    (call,) = choice.message.tool_calls
    check_weather(call.function.name, call.function.arguments)


def test_an_answer_to_a_tool_call_is_taken_into_account(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Sunny, 25 degrees."},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], max_tokens=30)
    assert answer.choices[0].message.content or answer.choices[0].message.tool_calls


def check_greeting(text: str | None) -> None:
    value = json.loads(text or "")
    assert isinstance(value["greeting"], str)
    assert isinstance(value["count"], int)


def test_a_json_schema(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, response_format=GREETING, max_tokens=200)
    assert answer.choices[0].finish_reason == "stop"
    check_greeting(answer.choices[0].message.content)


def test_a_json_schema_streamed(client: openai.OpenAI) -> None:
    chunks = client.chat.completions.create(
        model=MODEL, messages=HELLO, response_format=GREETING, max_tokens=200, stream=True
    )
    check_greeting("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))


def test_a_pydantic_model_is_parsed(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Greeting, max_tokens=300)
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Greeting)


def test_a_json_object(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=HELLO, response_format={"type": "json_object"}, max_tokens=200
    )
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_plain_completions(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=10)
    assert answer.object == "text_completion"
    assert answer.choices[0].text
    streamed = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=10, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices)


async def test_the_async_client_gets_plain_and_streamed_answers(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=10)
    assert answer.choices[0].message.content
    text = ""
    async for chunk in await async_client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=10, stream=True
    ):
        text += chunk.choices[0].delta.content or ""
    assert text


async def test_the_async_client_gets_schemas_tools_and_models(async_client: openai.AsyncOpenAI) -> None:
    answer = await async_client.chat.completions.create(
        model=MODEL, messages=HELLO, response_format=GREETING, max_tokens=200
    )
    check_greeting(answer.choices[0].message.content)
    called = await async_client.chat.completions.create(
        model=MODEL, messages=HELLO, tools=[WEATHER], tool_choice="required", max_tokens=100
    )
    assert called.choices[0].message.tool_calls
    assert [model.id async for model in async_client.models.list()] == ["smollm2-135m", "default"]


async def test_the_async_client_leaves_a_stream_and_the_model_is_free_again(
    embedded: GatewayProcess, async_client: openai.AsyncOpenAI
) -> None:
    async with await async_client.chat.completions.create(
        model=MODEL, messages=HELLO, max_tokens=400, stream=True, extra_headers={"x-client-request-id": "left-early"}
    ) as stream:
        async for _ in stream:
            break
    record = embedded.find_usage(client_request_id="left-early")
    assert record["ending"] == "client_gone"
    assert 0 < record["units"]["output_tokens"] < 400
