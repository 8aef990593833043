"""Requests to Bedrock's adapter, and what it makes of answers."""

import json
import struct
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from tests.providers.asking import asked

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, StructuredOutput, Target
from aqueduct.providers.base import Answer, StreamReader
from aqueduct.providers.bedrock.operation import BedrockChat

CHAT = BedrockChat()
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
GPT = "openai.gpt-oss-120b-1:0"


def target(
    model: str = HAIKU,
    *,
    drop_fields: Iterable[str] = (),
    way: StructuredOutput = StructuredOutput.NATIVE,
    **options: str,
) -> Target:
    """Return a model at Bedrock."""
    provider = Provider(
        name="bedrock",
        kind="bedrock",
        origin=Origin("https", "bedrock-runtime.eu-west-1.amazonaws.com", 443),
        drop_fields=frozenset(drop_fields),
        options={"region": "eu-west-1", "guardrail": "none", "guardrail_version": "DRAFT", **options},
    )
    return Target(provider=provider, model=model, structured_output=way)


def sent(at: Target | str = HAIKU, **members: Any) -> dict[str, Any]:
    """Return the body that goes to Bedrock."""
    to = target(at) if isinstance(at, str) else at
    body: dict[str, Any] = json.loads(CHAT.build_request(asked(**members), to).body)
    return body


def dropped(at: Target | str = HAIKU, **members: Any) -> tuple[str, ...]:
    """Return what the client is told was left out."""
    return CHAT.dropped(asked(**members), target(at) if isinstance(at, str) else at)


def turns(*messages: dict[str, Any], at: str = HAIKU, **members: Any) -> list[dict[str, Any]]:
    """Return the turns that these messages become."""
    found: list[dict[str, Any]] = sent(at, messages=list(messages), **members)["messages"]
    return found


def framed(headers: dict[str, str], payload: bytes) -> bytes:
    """Frame one message as AWS does."""
    head = b"".join(
        struct.pack(">B", len(name)) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    prelude += struct.pack(">I", crc32(prelude))
    whole = prelude + head + payload
    return whole + struct.pack(">I", crc32(whole))


def event(kind: str, **members: Any) -> bytes:
    """Frame one event of a stream."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return framed(headers, json.dumps({**members, "p": "abcdef"}).encode())


def exception(kind: str, message: str) -> bytes:
    """Frame an exception of a stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return framed(headers, json.dumps({"message": message}).encode())


USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}


def whole(*blocks: dict[str, Any], stop_reason: str = "end_turn", usage: dict[str, Any] | None = None) -> bytes:
    """Return a whole answer of Converse's."""
    message = {"role": "assistant", "content": blocks}
    answer = {"output": {"message": message}, "stopReason": stop_reason, "usage": usage or USAGE}
    return json.dumps({"metrics": {"latencyMs": 1}, **answer}).encode()


def streamed(*blocks: dict[str, Any], stop_reason: str = "end_turn", usage: dict[str, Any] | None = None) -> bytes:
    """Return the same answer as a stream: what a block says comes in two deltas."""
    events = [event("messageStart", role="assistant")]
    for index, block in enumerate(blocks):
        start, deltas = _parts(block)
        if start:
            events.append(event("contentBlockStart", contentBlockIndex=index, start=start))
        events += [event("contentBlockDelta", contentBlockIndex=index, delta=delta) for delta in deltas]
        events.append(event("contentBlockStop", contentBlockIndex=index))
    events.append(event("messageStop", stopReason=stop_reason))
    events.append(event("metadata", usage=usage or USAGE, metrics={"latencyMs": 1}))
    return b"".join(events)


def _parts(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it begins, and the deltas that make the rest of it."""

    def halves(text: str) -> list[str]:
        return [text[: len(text) // 2], text[len(text) // 2 :]]

    if "toolUse" in block:
        use = block["toolUse"]
        written = json.dumps(use["input"]) if use["input"] else ""
        start: dict[str, Any] = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        return start, [{"toolUse": {"input": half}} for half in halves(written)]
    if "reasoningContent" in block:
        thought = block["reasoningContent"]
        if "redactedContent" in thought:
            return {}, [{"reasoningContent": thought}]
        text = thought["reasoningText"]
        deltas: list[dict[str, Any]] = [{"reasoningContent": {"text": half}} for half in halves(text["text"])]
        return {}, [*deltas, {"reasoningContent": {"signature": text["signature"]}}]
    if "citationsContent" in block:
        cited = block["citationsContent"]
        deltas = [{"text": half} for content in cited["content"] for half in halves(content["text"])]
        return {}, [*deltas, *({"citation": citation} for citation in cited["citations"])]
    return {}, [{"text": half} for half in halves(block["text"])]


def plain(body: bytes, **members: Any) -> Answer:
    """Read a whole answer."""
    return CHAT.read_response(asked(**members), body)


def plain_message(body: bytes, **members: Any) -> dict[str, Any]:
    """Return the message that the client gets of a whole answer."""
    found: dict[str, Any] = json.loads(plain(body, **members).body)["choices"][0]["message"]
    return found


def read_stream(pieces: Iterable[bytes], **members: Any) -> tuple[StreamReader, list[dict[str, Any]]]:
    """Feed a stream in these pieces; return the reader and the chunks that the client sees."""
    reader = CHAT.stream_reader(asked(stream=True, **members))
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.finish()
    return reader, [json.loads(event.payload) for event in events if event.payload]
