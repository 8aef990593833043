"""Hypothesis strategies: requests that OpenAI's schema allows, and small changes that may break them."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Json = Any

words = st.text(st.characters(codec="utf-8", max_codepoint=0x1FFFF), max_size=12)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
integral = st.integers(-200, 200).map(float)
numbers = st.integers(-(2**40), 2**40) | integral | st.floats(-1e9, 1e9)
scalars = st.none() | st.booleans() | numbers | words
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(words, anything, max_size=3)


def record(
    required: Mapping[str, st.SearchStrategy[Json]], **optional: st.SearchStrategy[Json]
) -> st.SearchStrategy[Json]:
    """An object; an optional member may also be null."""
    return st.fixed_dictionaries(dict(required), optional={name: value | st.none() for name, value in optional.items()})


def tagged(kind: str, **required: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return record({"type": st.just(kind), **required})


def unknown_kind() -> st.SearchStrategy[Json]:
    return record(
        {"type": st.sampled_from(["video_url", "other", ""])}, text=anything, function=anything, file=anything
    )


parts = st.one_of(
    tagged("text", text=words),
    tagged("refusal", refusal=words),
    tagged("image_url", image_url=record({"url": words}, detail=words)),
    tagged("input_audio", input_audio=record({"data": words, "format": words})),
    tagged("file", file=record({}, filename=words, file_data=words, file_id=words)),
    unknown_kind(),
)
contents = words | st.lists(parts, min_size=1, max_size=3)
calls = st.one_of(
    tagged("function", id=words, function=record({"name": words, "arguments": words})),
    tagged("custom", id=words, custom=record({"name": words, "input": words})),
    unknown_kind(),
)
instructions = st.builds(
    lambda role, message: {"role": role, **message},
    st.sampled_from(["developer", "system", "user"]),
    record({"content": contents}, name=words),
)
replies = st.one_of(
    record({"role": st.just("assistant"), "content": contents}, name=words, refusal=words, tool_calls=st.lists(calls)),
    record({"role": st.just("assistant"), "tool_calls": st.lists(calls, min_size=1, max_size=3)}, content=contents),
    record({"role": st.just("assistant"), "audio": record({"id": words})}),
    record({"role": st.just("assistant"), "function_call": record({"name": words, "arguments": words})}),
)
results = record({"role": st.just("tool"), "content": contents, "tool_call_id": words}) | record(
    {"role": st.just("function"), "content": words | st.none(), "name": words}
)
messages = st.lists(instructions | replies | results, min_size=1, max_size=4)

functions = record({"name": names}, description=words, parameters=objects, strict=st.booleans())
grammars = tagged("grammar", grammar=record({"definition": words, "syntax": words}))
tools = st.one_of(
    tagged("function", function=functions),
    tagged(
        "custom", custom=record({"name": words}, description=words, format=tagged("text") | grammars | unknown_kind())
    ),
    unknown_kind(),
)
formats = st.one_of(
    tagged("text"),
    tagged("json_object"),
    tagged("json_schema", json_schema=record({"name": names}, schema=objects, strict=st.booleans(), description=words)),
    unknown_kind(),
)
choices = st.one_of(
    words,
    tagged("function", function=record({"name": words})),
    tagged("allowed_tools", allowed_tools=record({"mode": words, "tools": st.lists(objects, max_size=2)})),
)
shared = {
    "frequency_penalty": st.floats(-2, 2),
    "presence_penalty": st.floats(-2, 2),
    "logit_bias": st.dictionaries(words, st.integers(-100, 100), max_size=3),
    "n": st.integers(1, 128),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "stop": words | st.lists(words, min_size=1, max_size=4),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "user": words,
}
chats = record(
    {"model": names, "messages": messages},
    **shared,
    audio=record({"voice": words | record({"id": words}), "format": words}),
    function_call=words | record({"name": words}),
    functions=st.lists(functions, min_size=1, max_size=2),
    max_completion_tokens=st.integers(1, 2**31 - 1),
    metadata=st.dictionaries(words, words, max_size=16),
    modalities=st.lists(words, max_size=2),
    moderation=record({"model": words}, policy=record({}, input=record({"mode": words}))),
    parallel_tool_calls=st.booleans(),
    prediction=tagged("content", content=contents) | unknown_kind(),
    prompt_cache_options=record({}, ttl=words, mode=words),
    reasoning_effort=words,
    response_format=formats,
    safety_identifier=words,
    service_tier=words,
    store=st.booleans(),
    stream=st.booleans(),
    tools=st.lists(tools, max_size=2),
    verbosity=words,
    web_search_options=record(
        {}, search_context_size=words, user_location=record({"type": words, "approximate": record({}, city=words)})
    ),
    vendor_extension=anything,
)
prompts = st.one_of(
    words,
    st.lists(words, min_size=1, max_size=3),
    st.lists(st.integers(0, 1000), min_size=1, max_size=3),
    st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=3), min_size=1, max_size=3),
    st.none(),
)
completions = record(
    {"model": names, "prompt": prompts},
    **shared,
    echo=st.booleans(),
    logprobs=st.integers(0, 5),
    max_tokens=st.integers(0, 2**31 - 1),
    stream=st.booleans(),
    suffix=words,
    vendor_extension=anything,
)


@st.composite
def changed(draw: st.DrawFn, requests: st.SearchStrategy[Json]) -> Json:
    """A request in which one value, anywhere, was replaced, removed or joined by another."""
    request = draw(requests)
    container, key = draw(st.sampled_from(list(_places(request))))
    if draw(st.booleans()):
        container[key] = draw(anything)
    elif isinstance(container, dict):
        del container[key]
    else:
        container.append(draw(anything))
    return request


def _places(value: Json) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
