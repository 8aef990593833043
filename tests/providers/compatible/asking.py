"""Requests to services that speak OpenAI's format, and what is made of their answers."""

import json
from collections.abc import Iterable
from typing import Any, cast

from tests.providers.asking import asked

from aqueduct.domain.http import Origin, UpstreamRequest
from aqueduct.domain.model import Provider, Target
from aqueduct.providers.base import StreamReader
from aqueduct.providers.compatible.operation import CompatibleOperation
from aqueduct.providers.registry import KINDS

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def chat(kind: str) -> CompatibleOperation:
    """Return the chat of a kind."""
    return cast("CompatibleOperation", KINDS[kind].adapter["chat"])


def target(kind: str, model: str = "m-1", base_path: str = "/v1", drop: Iterable[str] = (), **options: str) -> Target:
    """Return a model at a provider of a kind."""
    provider = Provider(
        name="p",
        kind=kind,
        origin=Origin("https", "api.example", 443),
        base_path=base_path,
        api_key="key-1",
        drop_fields=frozenset(drop),
        options={**{name: value or "" for name, value in KINDS[kind].options.items()}, **options},
    )
    return Target(provider=provider, model=model)


def built(kind: str, at: Target | None = None, **members: Any) -> UpstreamRequest:
    """Return what goes to the service."""
    return chat(kind).build_request(asked(**members), at or target(kind))


def sent(kind: str, at: Target | None = None, **members: Any) -> dict[str, Any]:
    """Return the body that goes to the service."""
    body: dict[str, Any] = json.loads(built(kind, at, **members).body)
    return body


def dropped(kind: str, at: Target | None = None, **members: Any) -> tuple[str, ...]:
    """Return what the client is told was left out."""
    return chat(kind).dropped(asked(**members), at or target(kind))


def read_stream(kind: str, pieces: Iterable[bytes], **members: Any) -> tuple[StreamReader, list[bytes]]:
    """Return a reader that was fed the pieces and their end, and the payloads that the client sees."""
    reader = chat(kind).stream_reader(asked(stream=True, **members))
    payloads = [event.payload for piece in pieces for event in reader.feed(piece)]
    payloads += [event.payload for event in reader.finish()]
    return reader, [payload for payload in payloads if payload]


def events(*chunks: dict[str, Any]) -> bytes:
    """Frame chunks as a stream, ended by `[DONE]`."""
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **members: Any) -> dict[str, Any]:
    """Return a chunk of one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice], **members}
