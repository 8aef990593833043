"""What the tests of Ollama's adapter share: requests, targets, and what a body must look like.

The types are written by hand after those of Ollama's server and SDK, which takes whatever it does not know.
"""

import base64
import json
from typing import Any, Literal

import msgspec
from tests.providers.asking import USER

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.providers.ollama.operation import OllamaChat
from aqueduct.wire.chat import ChatRequest, parse_chat

CHAT = OllamaChat()
SERVER = {"num_ctx": "server", "keep_alive": "server"}


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class CalledFunction(_Strict):
    name: str
    arguments: dict[str, Any]
    index: int = 0


class Call(_Strict):
    function: CalledFunction
    id: str = ""


class Message(_Strict):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    thinking: str = ""
    images: list[str] = []
    tool_calls: list[Call] = []
    tool_name: str = ""
    tool_call_id: str = ""

    def __post_init__(self) -> None:
        for image in self.images:
            base64.b64decode(image, validate=True)
        assert not self.images or self.role == "user"
        assert bool(self.tool_name) <= (self.role == "tool")
        assert not self.tool_calls or self.role == "assistant"


class Function(_Strict):
    name: str
    description: str
    parameters: dict[str, Any]

    def __post_init__(self) -> None:
        assert self.parameters["type"] == "object"


class Tool(_Strict):
    type: Literal["function"]
    function: Function


class Options(_Strict):
    num_ctx: int | None = None
    num_predict: int | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: list[str] | None = None


class Body(_Strict):
    """The body of `POST /api/chat`."""

    model: str
    messages: list[Message]
    stream: bool
    truncate: bool
    shift: bool
    tools: list[Tool] | None = None
    format: Literal["json"] | dict[str, Any] | None = None
    options: Options | None = None
    keep_alive: int | str | None = None
    think: bool | Literal["low", "medium", "high"] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


def target(model: str = "qwen3", **provider: Any) -> Target:
    provider = {"options": SERVER, **provider}
    made = Provider(
        name="lab", kind="ollama", origin=Origin("http", "10.0.0.5", 11434), base_path="/api", **provider
    )  # fmt: skip
    return Target(provider=made, model=model)


def chat(**members: Any) -> ChatRequest:
    body = {"model": "m", "messages": [USER], **members}
    return parse_chat(json.dumps(body).encode()).received("0190", 1_700_000_000)


def checked(request: ChatRequest, place: Target) -> dict[str, Any]:
    """Build a request and insist that it is one of Ollama's."""
    raw = CHAT.build_request(request, place).body
    msgspec.json.decode(raw, type=Body)
    body: dict[str, Any] = json.loads(raw)
    return body


def sent(**members: Any) -> dict[str, Any]:
    """Return the body that a request becomes."""
    return checked(chat(**members), target())


def dropped(**members: Any) -> set[str]:
    return set(CHAT.dropped(chat(**members), target()))


def line(content: str = "", **members: Any) -> dict[str, Any]:
    """Return a line of a stream that adds to the message."""
    inner: dict[str, Any] = {name: members.pop(name) for name in ("thinking", "tool_calls") if name in members}
    message: dict[str, Any] = {"role": "assistant", "content": content, **inner}
    return {"model": "qwen3", "created_at": "2026-08-13T10:09:58Z", "message": message, "done": False, **members}


def last(reason: str | None = "stop", content: str = "", **members: Any) -> dict[str, Any]:
    """Return the last line of a stream, which is what a whole answer looks like too."""
    reasons: dict[str, Any] = {} if reason is None else {"done_reason": reason}
    counts = {"prompt_eval_count": 26, "eval_count": 12}
    return {**line(content, **members), "done": True, **reasons, **counts}


def ndjson(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in lines)
