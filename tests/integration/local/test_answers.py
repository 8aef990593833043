"""What the adapter asks of the real embedded model, and what comes back.

That it obeys hard schemas too, however hot it is, is shown through the gateway, in `acceptance/test_schemas.py`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
from tests.integration.local.conftest import post
from tests.schemas import SEED

from aqueduct.domain.model import Provider, Target
from aqueduct.local import weights
from aqueduct.local.model import LocalModel
from aqueduct.local.process import Endpoint
from aqueduct.providers.base import Answer
from aqueduct.providers.local import LocalOperation
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.completions import parse_completion

TARGET = Target(provider=Provider(name="embedded", kind="local"), model="smollm2-135m")
CHAT = LocalOperation("chat")
QUESTION = [{"role": "user", "content": "Give me an example."}]
WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
    },
    "required": ["city", "days"],
}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoint]:
    path = weights.find(tmp_path_factory.mktemp("data"))
    assert path is not None
    model = LocalModel(path)
    await model.start()
    yield await model.ready()
    await model.close()


async def ask(endpoint: Endpoint, **members: Any) -> Answer:
    body = {"model": "m", "messages": QUESTION, "max_tokens": 200, **members}
    request = parse_chat(json.dumps(body).encode())
    sent = CHAT.build_request(request, TARGET)
    status, answer = await asyncio.to_thread(post, endpoint, sent.path, sent.body)
    assert status == 200, answer
    return CHAT.read_response(request, answer)


async def stream(endpoint: Endpoint, **members: Any) -> tuple[Any, list[Any]]:
    body = {"model": "m", "messages": QUESTION, "max_tokens": 200, "stream": True, **members}
    request = parse_chat(json.dumps(body).encode())
    sent = CHAT.build_request(request, TARGET)
    status, answer = await asyncio.to_thread(post, endpoint, sent.path, sent.body)
    assert status == 200, answer
    reader = CHAT.stream_reader(request)
    events = reader.feed(answer) + reader.finish()
    return reader, [json.loads(event.payload) for event in events if event.payload]


def wanting(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def is_satisfied(schema: Any, text: str) -> bool:
    validator = jsonschema_rs.validator_for(schema, validate_formats=True, ignore_unknown_formats=True)
    return bool(validator.is_valid(json.loads(text)))


async def test_a_schema_is_obeyed_in_a_stream_too(endpoint: Endpoint) -> None:
    reader, chunks = await stream(endpoint, response_format=wanting(SEED), temperature=1.5)
    assert is_satisfied(SEED, reader.contents()[0])
    assert len(chunks) > 5
    assert reader.units["output_tokens"] > 5


async def test_json_mode_gives_an_object(endpoint: Endpoint) -> None:
    answer = await ask(endpoint, response_format={"type": "json_object"})
    assert isinstance(json.loads(answer.contents[0]), dict)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_forced_call_is_made_plain_and_streamed(endpoint: Endpoint, choice: Any) -> None:
    answer = await ask(endpoint, tools=TOOLS, tool_choice=choice, temperature=1.5)
    (call,) = json.loads(answer.body)["choices"][0]["message"]["tool_calls"]
    assert (answer.finish_reason, call["function"]["name"]) == ("tool_calls", "weather")
    assert is_satisfied(WEATHER, call["function"]["arguments"])
    reader, chunks = await stream(endpoint, tools=TOOLS, tool_choice=choice, temperature=1.5)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    arguments = "".join(call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls") or ())
    assert reader.finish_reason == "tool_calls"
    assert is_satisfied(WEATHER, arguments)


async def test_limits_stops_and_seeds_are_honoured(endpoint: Endpoint) -> None:
    short = await ask(endpoint, max_tokens=3)
    assert (short.finish_reason, short.units["output_tokens"] if short.units else 0) == ("length", 3)
    one, other = [await ask(endpoint, seed=5, temperature=1.0, max_tokens=12) for _ in range(2)]
    assert json.loads(one.body)["choices"][0]["message"] == json.loads(other.body)["choices"][0]["message"]
    text = json.loads(one.body)["choices"][0]["message"]["content"]
    stopped = await ask(endpoint, seed=5, temperature=1.0, max_tokens=12, stop=[text[4:7]])
    assert stopped.finish_reason == "stop"
    assert text[4:7] not in stopped.contents[0]


async def test_log_probabilities_come_in_openai_s_format(endpoint: Endpoint) -> None:
    answer = await ask(endpoint, logprobs=True, top_logprobs=2, max_tokens=2)
    entries = json.loads(answer.body)["choices"][0]["logprobs"]["content"]
    assert [len(entry["top_logprobs"]) for entry in entries] == [2, 2]
    assert {"token", "logprob", "bytes"} <= entries[0].keys()


async def test_a_last_message_of_the_assistant_is_history(endpoint: Endpoint) -> None:
    messages = [*QUESTION, {"role": "assistant", "content": "Zebra crossing"}]
    # Of what is likely: by chance, it may say the same.
    answer = await ask(endpoint, messages=messages, max_tokens=8, temperature=0)
    assert not json.loads(answer.body)["choices"][0]["message"]["content"].startswith("Zebra crossing")


async def test_a_context_overflow_is_the_client_s_to_read(endpoint: Endpoint) -> None:
    request = parse_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 5000}]}).encode())
    sent = CHAT.build_request(request, TARGET)
    status, body = await asyncio.to_thread(post, endpoint, sent.path, sent.body)
    error = CHAT.read_error(status, (), body)
    assert getattr(error, "rejection").code == "context_length_exceeded"  # noqa: B009 - of one class of errors only


async def test_completions_go_on_with_texts_and_with_numbers(endpoint: Endpoint) -> None:
    operation = LocalOperation("completions")
    for prompt in ("Once upon a time", [504, 60]):
        request = parse_completion(json.dumps({"model": "m", "prompt": prompt, "max_tokens": 5}).encode())
        sent = operation.build_request(request, TARGET)
        status, body = await asyncio.to_thread(post, endpoint, sent.path, sent.body)
        assert status == 200
        answer = operation.read_response(request, body)
        assert json.loads(answer.body)["choices"][0]["text"]
        assert answer.units is not None
        assert answer.units["output_tokens"] == 5
