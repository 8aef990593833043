"""Requests to Anthropic's adapter, and what it makes of answers."""

import json
from collections.abc import Iterable
from typing import Any

from tests.providers.asking import asked

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, StructuredOutput, Target
from aqueduct.providers.anthropic.operation import AnthropicChat
from aqueduct.providers.base import Answer, StreamReader

CHAT = AnthropicChat()
HAIKU = "claude-haiku-4-5-20251001"


def target(
    model: str = HAIKU,
    *,
    drop_fields: Iterable[str] = (),
    way: StructuredOutput = StructuredOutput.NATIVE,
    **options: str,
) -> Target:
    """Return a model at Anthropic's."""
    provider = Provider(
        name="anthropic",
        kind="anthropic",
        origin=Origin("https", "api.example", 443),
        base_path="/v1",
        api_key="sk-ant-key",
        drop_fields=frozenset(drop_fields),
        options={"version": "2023-06-01", **options},
    )
    return Target(provider=provider, model=model, structured_output=way)


def sent(at: Target | str = HAIKU, **members: Any) -> dict[str, Any]:
    """Return the body that goes to Anthropic."""
    to = target(at) if isinstance(at, str) else at
    body: dict[str, Any] = json.loads(CHAT.build_request(asked(**members), to).body)
    return body


def dropped(at: Target | str = HAIKU, **members: Any) -> tuple[str, ...]:
    """Return what the client is told was left out."""
    return CHAT.dropped(asked(**members), target(at) if isinstance(at, str) else at)


def turns(*messages: dict[str, Any], at: str = HAIKU) -> list[dict[str, Any]]:
    """Return the turns that these messages become."""
    body = sent(at, messages=list(messages))
    found: list[dict[str, Any]] = body["messages"]
    return found


def framed(*events: dict[str, Any]) -> bytes:
    """Frame events as Anthropic does."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events
    )


def message(*blocks: dict[str, Any], stop_reason: str = "end_turn", **members: Any) -> bytes:
    """Return a whole message of Anthropic's."""
    usage = {"input_tokens": 3, "output_tokens": 2}
    whole = {
        "type": "message",
        "model": HAIKU,
        "content": blocks,
        "stop_reason": stop_reason,
        "usage": usage,
        **members,
    }
    return json.dumps(whole).encode()


def streamed(*blocks: dict[str, Any], stop_reason: str = "end_turn", usage: dict[str, Any] | None = None) -> bytes:
    """Return the same message as a stream: what a block says comes in two deltas."""
    begun = {"model": HAIKU, "content": [], "usage": usage or {"input_tokens": 3, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        empty, deltas = _parts(block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": stop_reason, "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": {"output_tokens": 2}}, {"type": "message_stop"}]
    return framed(*events)


def _parts(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it begins, and the deltas that make the rest of it."""

    def halves(text: str) -> list[str]:
        return [text[: len(text) // 2], text[len(text) // 2 :]]

    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": half} for half in halves(block["text"])]
            cited = [{"type": "citations_delta", "citation": each} for each in block.get("citations") or ()]
            return {"type": "text", "text": ""}, [*cited, *deltas]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": half} for half in halves(block["thinking"])]
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
        case "tool_use":
            written = json.dumps(block["input"]) if block["input"] else ""
            deltas = [{"type": "input_json_delta", "partial_json": half} for half in halves(written)]
            return {**block, "input": {}}, deltas
        case _:
            return block, []


def plain(body: bytes, **members: Any) -> Answer:
    """Read a whole message."""
    return CHAT.read_response(asked(**members), body)


def plain_message(body: bytes, **members: Any) -> dict[str, Any]:
    """Return the message that the client gets of a whole one."""
    found: dict[str, Any] = json.loads(plain(body, **members).body)["choices"][0]["message"]
    return found


def read_stream(pieces: Iterable[bytes], **members: Any) -> tuple[StreamReader, list[dict[str, Any]]]:
    """Feed a stream in these pieces; return the reader and the chunks that the client sees."""
    reader = CHAT.stream_reader(asked(stream=True, **members))
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.finish()
    return reader, [json.loads(event.payload) for event in events if event.payload]


def streamed_message(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the chunks of one choice together, as a client does: texts are joined, entries of lists by their index."""
    whole: dict[str, Any] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            _merge(whole, choice["delta"])
    for call in whole.get("tool_calls", ()):
        call.pop("index")
    return whole


def _merge(whole: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if isinstance(value, str) and name != "type":
            whole[name] = whole.get(name, "") + value
        elif isinstance(value, dict):
            _merge(whole.setdefault(name, {}), value)
        elif isinstance(value, list):
            for entry in value:
                entries = whole.setdefault(name, [])
                place = entry.get("index", len(entries))
                if place == len(entries):
                    entries.append({})
                _merge(entries[place], entry)
        else:
            whole[name] = value
