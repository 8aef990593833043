"""Answers of an adapter, read in one way whether they came whole or as a stream."""

import json
from dataclasses import dataclass, field
from typing import Any

from aqueduct.errors import UpstreamError
from aqueduct.providers.base import Event, StreamReader

_KNOWN = frozenset({"role", "content", "refusal", "reasoning_content", "tool_calls"})


@dataclass
class Heard:
    """What a client hears of one choice."""

    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str | None = None
    annotations: list[Any] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)

    @property
    def functions(self) -> list[tuple[str, Any]]:
        return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in self.calls]

    @property
    def message(self) -> dict[str, Any]:
        """The message as a client sends it back."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text if self.text or not self.calls else None}
        message |= {"reasoning_content": self.reasoning} if self.reasoning else {}
        message |= {"annotations": self.annotations} if self.annotations else {}
        return message | ({"tool_calls": self.calls} if self.calls else {})


def heard_of(body: bytes) -> Heard:
    """Read a whole answer of one choice."""
    (choice,) = json.loads(body)["choices"]
    message = choice["message"]
    assert message.keys() <= _KNOWN | {"annotations"}
    return Heard(
        text=message["content"] or "",
        reasoning=message.get("reasoning_content", ""),
        calls=message.get("tool_calls", []),
        finish_reason=choice["finish_reason"],
        annotations=message.get("annotations", []),
        logprobs=(choice["logprobs"] or {}).get("content", []),
    )


def heard_in(events: list[Event]) -> Heard:
    """Put a stream of one choice together, as a client does."""
    heard = Heard()
    for event in events:
        for choice in json.loads(event.payload)["choices"]:
            delta = choice["delta"]
            heard.text += delta.get("content") or ""
            heard.reasoning += delta.get("reasoning_content") or ""
            heard.annotations += delta.get("annotations", ())
            for call in delta.get("tool_calls", ()):
                if call["index"] == len(heard.calls):
                    heard.calls.append({name: value for name, value in call.items() if name != "index"})
                else:
                    heard.calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
            heard.logprobs += (choice["logprobs"] or {}).get("content", [])
            heard.finish_reason = choice["finish_reason"] or heard.finish_reason
    return heard


def feed(reader: StreamReader, pieces: list[bytes]) -> list[Event]:
    """Give a reader a body in pieces; raise what it raises."""
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish()


def failure(reader: StreamReader, pieces: list[bytes]) -> UpstreamError:
    """Give a reader a body that ends in an error; return the error."""
    try:
        feed(reader, pieces)
    except UpstreamError as error:
        return error
    raise AssertionError("the stream was whole")


def told(message: dict[str, Any], finish_reason: str, usage: dict[str, Any]) -> dict[str, Any]:
    """Return what matters of an answer of ours."""
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    return {
        "text": message.get("content") or "",
        "calls": calls,
        "finish_reason": finish_reason,
        "usage": (usage["prompt_tokens"], usage["completion_tokens"]),
    }
