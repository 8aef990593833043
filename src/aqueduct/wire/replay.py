"""Turns a whole chat completion into the chunks that a stream of it would have had."""

from typing import Any

import msgspec

from aqueduct.wire.chat_answer import read_answer


def replay(body: bytes, *, wants_usage: bool) -> list[bytes]:
    """Return the payloads of the chunks, without `[DONE]`; usage comes last and only where it was asked for."""
    document = read_answer(body)
    usage = document.pop("usage", None)
    choices = document.pop("choices")
    head = {**document, "object": "chat.completion.chunk"}
    silent = {"usage": None} if wants_usage else {}
    payloads: list[dict[str, Any]] = []
    for choice in choices:
        index, message = choice["index"], choice["message"]
        if calls := message.get("tool_calls"):
            message["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
        delta = {name: value for name, value in message.items() if value is not None or name == "content"}
        payloads.append({**head, "choices": [_choice(index, delta, choice.get("logprobs"), None)], **silent})
        payloads.append({**head, "choices": [_choice(index, {}, None, choice["finish_reason"])], **silent})
    if wants_usage:
        payloads.append({**head, "choices": [], "usage": usage})
    return [msgspec.json.encode(payload) for payload in payloads]


def replay_completion(body: bytes, *, wants_usage: bool) -> list[bytes]:
    """Return the same for a plain completion: one chunk a choice."""
    document: dict[str, Any] = msgspec.json.decode(body)
    usage = document.pop("usage", None)
    choices = document.pop("choices")
    silent = {"usage": None} if wants_usage else {}
    payloads = [{**document, "choices": [choice], **silent} for choice in choices]
    if wants_usage:
        payloads.append({**document, "choices": [], "usage": usage})
    return [msgspec.json.encode(payload) for payload in payloads]


def _choice(index: int, delta: dict[str, Any], logprobs: Any, finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
