"""What the tests of Gemini's adapter share: requests, targets, and answers read in one way whatever they came as."""

import json
from dataclasses import dataclass, field
from typing import Any

import pydantic
from google.genai import types
from tests.providers.asking import USER

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.errors import UpstreamError
from aqueduct.providers.base import Event
from aqueduct.providers.gemini.adapter import GeminiOperation, VertexOperation
from aqueduct.wire.chat import ChatRequest, parse_chat

GEMINI = Provider(
    name="google",
    kind="gemini",
    origin=Origin("https", "generativelanguage.googleapis.com", 443),
    base_path="/v1beta",
    api_key="a-key",
)
VERTEX = Provider(
    name="cloud",
    kind="vertex",
    origin=Origin("https", "aiplatform.googleapis.com", 443),
    base_path="/v1beta1",
    options={"project": "a-project", "location": "europe-west4"},
)
CHAT = GeminiOperation()
VERTEX_CHAT = VertexOperation()


def target(model: str = "gemini-3.8-flash", **provider: Any) -> Target:
    made = Provider(name="google", kind="gemini", origin=GEMINI.origin, base_path="/v1beta", **provider)
    return Target(provider=made, model=model)


def chat(**members: Any) -> ChatRequest:
    body = {"model": "m", "messages": [USER], **members}
    return parse_chat(json.dumps(body).encode()).received("0190", 1_700_000_000)


def sent(model: str = "gemini-3.8-flash", **members: Any) -> dict[str, Any]:
    """Return the body that a request becomes."""
    body: dict[str, Any] = json.loads(CHAT.build_request(chat(**members), target(model)).body)
    validate(body)
    return body


@dataclass
class Heard:
    """What a client hears of one choice."""

    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    members: dict[str, Any] = field(default_factory=dict)
    logprobs: list[Any] = field(default_factory=list)

    @property
    def functions(self) -> list[tuple[str, Any]]:
        return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in self.calls]

    @property
    def message(self) -> dict[str, Any]:
        """The message as a client sends it back."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None, **self.members}
        return message | ({"tool_calls": self.calls} if self.calls else {})


def heard_of(body: bytes) -> list[Heard]:
    """Read a whole answer."""
    choices = []
    for choice in json.loads(body)["choices"]:
        message = choice["message"]
        known = {"role", "content", "refusal", "reasoning_content", "tool_calls"}
        choices.append(
            Heard(
                text=message["content"] or "",
                reasoning=message.get("reasoning_content", ""),
                calls=message.get("tool_calls", []),
                finish_reason=choice["finish_reason"],
                members={name: value for name, value in message.items() if name not in known},
                logprobs=(choice["logprobs"] or {}).get("content", []),
            )
        )
    return choices


def heard_in(events: list[Event]) -> dict[int, Heard]:
    """Put a stream together, as a client does."""
    choices: dict[int, Heard] = {}
    for event in events:
        for choice in json.loads(event.payload)["choices"]:
            heard = choices.setdefault(choice["index"], Heard())
            delta = choice["delta"]
            heard.text += delta.pop("content", None) or ""
            heard.reasoning += delta.pop("reasoning_content", None) or ""
            for call in delta.pop("tool_calls", ()):
                if call["index"] == len(heard.calls):
                    heard.calls.append({name: value for name, value in call.items() if name != "index"})
                else:
                    heard.calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
            delta.pop("role", None)
            heard.members |= delta
            heard.logprobs += (choice["logprobs"] or {}).get("content", [])
            heard.finish_reason = choice["finish_reason"] or heard.finish_reason
    return choices


def failure(pieces: list[bytes]) -> tuple[list[Event], UpstreamError]:
    """Give a reader a body that ends in an error; return the events before it, and the error."""
    reader = CHAT.stream_reader(chat(stream=True))
    events: list[Event] = []
    try:
        for piece in pieces:
            events += reader.feed(piece)
        events += reader.finish()
    except UpstreamError as error:
        return events + reader.pending, error
    raise AssertionError("the stream was whole")


def sse(*events: Any) -> bytes:
    """Frame events as Google does."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events)


def candidate(*parts: dict[str, Any], finish: str | None = "STOP", **members: Any) -> dict[str, Any]:
    """Return an answer, or an event, with one candidate."""
    made: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **members}
    if finish is not None:
        made["finishReason"] = finish
    return {"candidates": [made], "modelVersion": "gemini-3.8-flash"}


def validate(body: dict[str, Any]) -> None:
    """Insist that Google's own types take a body, member by member; they take nothing they do not know."""
    kinds: dict[str, Any] = {
        "contents": list[types.Content],
        "systemInstruction": types.Content,
        "tools": list[types.Tool],
        "toolConfig": types.ToolConfig,
        "generationConfig": types.GenerationConfig,
    }
    for name, value in body.items():
        pydantic.TypeAdapter(kinds[name]).validate_python(value)
    assert body["contents"]
    assert all(turn["parts"] and turn["role"] in ("user", "model") for turn in body["contents"])
