"""Whatever a client may ask for becomes a body that Google's own types take, or a refusal that names the parameter."""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.gemini.exchange import CHAT, target, validate

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest
from aqueduct.wire.chat import ChatRequest, parse_chat

MODELS = ("gemini-2.0-flash", "gemini-2.5-pro", "gemini-2.5-flash-image", "gemini-3-pro-preview", "gemini-3.8-flash")
TEXTS = st.text(max_size=12)
NAMES = st.sampled_from(["weather", "now", "_x", "1st", "-dash"])
URLS = st.sampled_from(["data:image/png;base64,YQ==", "gs://b/a.png", "https://example.com/a.png", "data:,", "x"])
PARTS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXTS),
    st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, URLS),
    st.builds(
        lambda data, format_: {"type": "input_audio", "input_audio": {"data": data, "format": format_}},
        st.sampled_from(["YQ==", "?"]),
        st.sampled_from(["wav", "mp3", ""]),
    ),
    st.builds(
        lambda **file: {"type": "file", "file": file},
        filename=st.sampled_from([None, "a.pdf", "b.txt"]),
        file_data=st.sampled_from([None, "YQ==", "data:application/pdf;base64,YQ==", "data:text/csv,a"]),
        file_id=st.sampled_from([None, "file-1", "gs://b/c.pdf"]),
    ),
    st.just({"type": "made_up", "made_up": 1}),
)
CONTENTS = TEXTS | st.lists(PARTS, min_size=1, max_size=3)
WORDS = TEXTS | st.lists(st.builds(lambda text: {"type": "text", "text": text}, TEXTS), min_size=1, max_size=2)
EXTRA = st.sampled_from(
    [{}, {"extra_content": {"google": {"thought_signature": "c2ln"}}}, {"extra_content": {"google": 5}}]
)
CALLS = st.builds(
    lambda call_id, name, arguments, extra: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
        **extra,
    },
    st.sampled_from(["c1", "c2", "c3"]),
    NAMES,
    st.sampled_from(["{}", '{"a": 1}', "", "[]", "{", '{"a": 1e999}']),
    EXTRA,
)
MESSAGES = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "developer"]), WORDS
    ),
    st.builds(lambda content: {"role": "user", "content": content}, CONTENTS),
    st.builds(
        lambda content, calls, extra: {"role": "assistant", "content": content, "tool_calls": calls or None, **extra},
        WORDS,
        st.lists(CALLS, max_size=3),
        EXTRA,
    ),
    st.builds(lambda refusal: {"role": "assistant", "content": None, "refusal": refusal}, TEXTS),
    st.builds(
        lambda call_id, content: {"role": "tool", "tool_call_id": call_id, "content": content},
        st.sampled_from(["c1", "c2", "gone"]),
        CONTENTS,
    ),
)
SCHEMAS = st.sampled_from(
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": ["integer", "null"]}, "b": {}}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object"},
        {},
    ]
)
TOOLS = st.lists(
    st.builds(
        lambda name, parameters, strict: {
            "type": "function",
            "function": {"name": name, "parameters": parameters, "strict": strict},
        },
        NAMES,
        SCHEMAS,
        st.booleans(),
    )
    | st.just({"type": "custom", "custom": {"name": "c"}}),
    min_size=1,
    max_size=3,
)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "max_tokens": st.integers(1, 9999),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "stop": st.lists(st.text(max_size=3), min_size=1, max_size=4) | st.text(max_size=3),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "logprobs": st.booleans(),
    "n": st.integers(1, 4),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "odd"]),
    "parallel_tool_calls": st.booleans(),
    "modalities": st.sampled_from([["text"], ["text", "image"], ["audio"]]),
    "logit_bias": st.sampled_from([{}, {"1": 1}]),
    "web_search_options": st.just({}),
    "stream": st.booleans(),
    "verbosity": st.just("low"),
    "response_format": st.one_of(
        st.just({"type": "text"}),
        st.just({"type": "json_object"}),
        st.builds(lambda schema: {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}, SCHEMAS),
    ),
}
CHOICES = st.sampled_from(
    [
        "none",
        "auto",
        "required",
        "odd",
        {"type": "function", "function": {"name": "weather"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "now"}}]},
        },
        {"type": "custom", "custom": {"name": "c"}},
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(OPTIONS)), max_size=5, unique=True))
    request: dict[str, Any] = {"model": "m", "messages": draw(st.lists(MESSAGES, min_size=1, max_size=6))}
    request |= {name: draw(OPTIONS[name]) for name in names}
    if draw(st.booleans()):
        request["tools"] = draw(TOOLS)
        request["tool_choice"] = draw(CHOICES)
    return request


def built(request: ChatRequest, place: Target) -> tuple[dict[str, Any], str | None]:
    """Return the body, and no name; or no body, and the name of what was refused."""
    try:
        return json.loads(CHAT.build_request(request, place).body), None
    except InvalidRequest as refusal:
        return {}, refusal.param or "nothing"


@given(request=requests(), model=st.sampled_from(MODELS))
@settings(max_examples=150)
def test_any_request_is_built_or_refused_by_name(request: dict[str, Any], model: str) -> None:
    parsed = parse_chat(json.dumps(request).encode())
    place = target(model)
    body, refused = built(parsed, place)
    if refused is not None:
        assert re.split(r"[.\[]", refused)[0] in request
        return
    validate(body)
    assert len(CHAT.calls(parsed)) == request.get("n", 1)
    CHAT.flows(parsed, place)
    carried = json.dumps(body, ensure_ascii=False)
    for message in request["messages"]:
        if isinstance(message["content"], str):
            assert json.dumps(message["content"], ensure_ascii=False)[1:-1] in carried
    assert not {"messages", "tools", "response_format", "n"} & set(CHAT.dropped(parsed, place))
