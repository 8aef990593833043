"""What the tests of Cohere's adapter share: requests, targets, and what a body must look like.

The types are written by hand after those of Cohere's SDK, whose own check nothing and which installs much beside them.
"""

import json
from typing import Any, Literal

import msgspec
from tests.providers.asking import USER

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.providers.cohere.operation import CohereChat
from aqueduct.wire.chat import ChatRequest, parse_chat

CHAT = CohereChat()
COMMAND = "command-a-03-2025"
REASONING = "command-a-reasoning-08-2025"


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Text(_Strict, tag="text", tag_field="type"):
    text: str


class Thought(_Strict, tag="thinking", tag_field="type"):
    thinking: str


class ImageUrl(_Strict):
    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class Image(_Strict, tag="image_url", tag_field="type"):
    image_url: ImageUrl


class CalledFunction(_Strict):
    name: str
    arguments: str

    def __post_init__(self) -> None:
        assert isinstance(json.loads(self.arguments), dict)


class Call(_Strict):
    id: str
    type: Literal["function"]
    function: CalledFunction


class User(_Strict, tag="user", tag_field="role"):
    content: str | list[Text | Image]


class System(_Strict, tag="system", tag_field="role"):
    content: str


class Assistant(_Strict, tag="assistant", tag_field="role"):
    content: str | list[Text | Thought] | None = None
    tool_calls: list[Call] | None = None
    tool_plan: str | None = None

    def __post_init__(self) -> None:
        assert self.content is not None or self.tool_calls
        assert self.tool_plan is None or self.tool_calls


class ToolResult(_Strict, tag="tool", tag_field="role"):
    tool_call_id: str
    content: str


class Function(_Strict):
    name: str
    parameters: dict[str, Any]
    description: str | None = None


class Tool(_Strict):
    type: Literal["function"]
    function: Function


class Format(_Strict):
    type: Literal["json_object"]
    json_schema: dict[str, Any] | None = None


class Thinking(_Strict):
    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class Document(_Strict):
    data: dict[str, Any]
    id: str | None = None


class Body(_Strict):
    """The body of `POST /v2/chat`."""

    model: str
    messages: list[User | System | Assistant | ToolResult]
    stream: bool
    tools: list[Tool] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: list[str | Document] | None = None
    citation_options: dict[str, Any] | None = None
    response_format: Format | None = None
    safety_mode: str | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    k: int | None = None
    p: float | None = None
    logprobs: bool | None = None
    thinking: Thinking | None = None

    def __post_init__(self) -> None:
        ranges = {"p": (0.01, 0.99), "k": (0, 500), "frequency_penalty": (0, 1), "presence_penalty": (0, 1)}
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            assert value is None or least <= value <= most
        assert self.seed is None or self.seed >= 0
        assert len(self.stop_sequences or ()) <= 5
        assert self.response_format is None or not (self.tools or self.documents)
        assert self.tool_choice is None or self.tools
        budget = None if self.thinking is None else self.thinking.token_budget
        assert budget is None or budget > 0


def target(model: str = COMMAND, **provider: Any) -> Target:
    origin = Origin("https", "api.cohere.com", 443)
    made = Provider(name="cohere", kind="cohere", origin=origin, base_path="/v2", api_key="a-key", **provider)
    return Target(provider=made, model=model)


def chat(**members: Any) -> ChatRequest:
    body = {"model": "m", "messages": [USER], **members}
    return parse_chat(json.dumps(body).encode()).received("0190", 1_700_000_000)


def sent(model: str = COMMAND, **members: Any) -> dict[str, Any]:
    """Return the body that a request becomes."""
    return checked(chat(**members), target(model))


def checked(request: ChatRequest, place: Target) -> dict[str, Any]:
    """Build a request and insist that it is one of Cohere's."""
    raw = CHAT.build_request(request, place).body
    msgspec.json.decode(raw, type=Body)
    body: dict[str, Any] = json.loads(raw)
    return body


def dropped(model: str = COMMAND, **members: Any) -> set[str]:
    return set(CHAT.dropped(chat(**members), target(model)))


def sse(*events: dict[str, Any]) -> bytes:
    """Frame events as Cohere does."""
    framed = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return "".join(framed).encode() + b"data: [DONE]\n\n"


def message_delta(kind: str, index: int = 0, **message: Any) -> dict[str, Any]:
    """Return an event that says what is new in a message."""
    return {"type": kind, "index": index, "delta": {"message": message}}


START = message_delta("message-start", role="assistant", content=[], tool_plan="", tool_calls=[], citations=[])


def end(reason: str = "COMPLETE", **delta: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": reason, **delta}}
