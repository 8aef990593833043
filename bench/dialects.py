"""Streams as other providers than OpenAI send them, built once: what a translated event costs is measured with these.

Each event is as long as the provider's own are, and carries one short piece of text.
"""

import dataclasses
import json
import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

_TEXT = " hello"


@dataclasses.dataclass(frozen=True)
class Dialect:
    """A provider's stream as blocks of a chunked body: what comes first, one piece of text, and what comes last.

    `path` is the end of the path, without its query, at which the provider is asked for a stream.
    """

    path: str
    media_type: str
    first: bytes
    piece: bytes
    last: bytes

    @property
    def head(self) -> bytes:
        """The answer's head."""
        lines = ("HTTP/1.1 200 OK", f"content-type: {self.media_type}", "transfer-encoding: chunked")
        return "\r\n".join((*lines, "", "")).encode()


def _block(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _named(event: str, value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event with a name, whose `type` is the name."""
    return _block(b"event: %s\ndata: %s\n\n" % (event.encode(), _json({"type": event, **value})))


def _anthropic() -> Dialect:
    usage = {"input_tokens": 19, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "output_tokens": 1}
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": []}
    start = {"message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}}
    stop = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {**usage, "output_tokens": 200}}
    return Dialect(
        path="/messages",
        media_type="text/event-stream; charset=utf-8",
        first=_named("message_start", start)
        + _named("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        piece=_named("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": _TEXT}}),
        last=_named("content_block_stop", {"index": 0}) + _named("message_delta", stop) + _named("message_stop", {}),
    )


def _gemini() -> Dialect:
    usage = {"promptTokenCount": 19, "candidatesTokenCount": 10, "totalTokenCount": 29}
    rest = {"usageMetadata": usage, "modelVersion": "gemini-3-flash", "responseId": "AbC123"}

    def event(text: str, **members: str) -> bytes:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, **members, "index": 0}
        return _block(b"data: %s\r\n\r\n" % _json({"candidates": [candidate], **rest}))

    return Dialect(
        path=":streamGenerateContent",
        media_type="text/event-stream",
        first=b"",
        piece=event(_TEXT),
        last=event("", finishReason="STOP"),
    )


def _bedrock() -> Dialect:
    def message(kind: str, value: Mapping[str, Any]) -> bytes:
        fields = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
        headers = b"".join(
            struct.pack(">B", len(name)) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
            for name, text in fields.items()
        )
        payload = _json({**value, "p": "abcdefghijkl"})
        prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
        whole = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
        return _block(whole + struct.pack(">I", crc32(whole)))

    usage = {"inputTokens": 19, "outputTokens": 200, "totalTokens": 219}
    return Dialect(
        path="/converse-stream",
        media_type="application/vnd.amazon.eventstream",
        first=message("messageStart", {"role": "assistant"}),
        piece=message("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": _TEXT}}),
        last=message("contentBlockStop", {"contentBlockIndex": 0})
        + message("messageStop", {"stopReason": "end_turn"})
        + message("metadata", {"usage": usage, "metrics": {"latencyMs": 900}}),
    )


def _cohere() -> Dialect:
    def content(kind: str, members: Mapping[str, Any]) -> bytes:
        return _named(kind, {"index": 0, "delta": {"message": {"content": members}}})

    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    tokens = {"input_tokens": 19, "output_tokens": 200}
    end = {"delta": {"finish_reason": "COMPLETE", "usage": {"billed_units": tokens, "tokens": tokens}}}
    return Dialect(
        path="/v2/chat",
        media_type="text/event-stream",
        first=_named("message-start", {"id": "AbC123", "delta": {"message": empty}})
        + content("content-start", {"type": "text", "text": ""}),
        piece=content("content-delta", {"text": _TEXT}),
        last=_named("content-end", {"index": 0}) + _named("message-end", end),
    )


def _ollama() -> Dialect:
    def line(text: str, **members: Any) -> bytes:
        told = {"model": "llama3.2", "created_at": "2026-01-01T00:00:00.123456789Z"}
        message = {"role": "assistant", "content": text}
        return _block(_json({**told, "message": message, "done": False, **members}) + b"\n")

    counts = {"total_duration": 9, "load_duration": 1, "prompt_eval_count": 19, "eval_count": 200}
    return Dialect(
        path="/api/chat",
        media_type="application/x-ndjson",
        first=b"",
        piece=line(_TEXT),
        last=line("", done=True, done_reason="stop", **counts),
    )


DIALECTS: Mapping[str, Dialect] = {
    "anthropic": _anthropic(),
    "gemini": _gemini(),
    "bedrock": _bedrock(),
    "cohere": _cohere(),
    "ollama": _ollama(),
}
"""By the kind of provider whose adapter reads it."""

BASE_PATHS: Mapping[str, str] = {
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "bedrock": "",
    "cohere": "/v2",
    "ollama": "/api",
}
"""Where the mock upstream is such a provider."""

MODELS: Mapping[str, str] = {
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-3-flash",
    "bedrock": "amazon.nova-lite-v1:0",
    "cohere": "command-a-03-2025",
    "ollama": "llama3.2",
}
"""What is asked for there."""
