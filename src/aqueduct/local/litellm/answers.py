"""The SDK's answers as OpenAI's: what it adds of its own is taken off, what OpenAI always has is put in."""

from typing import Any

import msgspec

_HEAD = ("id", "object", "created", "model")
_OWN = ("provider_specific_fields", "citations_provider_fields", "_hidden_params", "service_tier")


def plain_answer(answer: Any) -> bytes:
    """Return a `ModelResponse` as the body of a chat completion."""
    document = _read(answer)
    for choice in document.get("choices", ()):
        choice.setdefault("logprobs", None)
        choice.setdefault("finish_reason", None)
        message = choice.get("message")
        if isinstance(message, dict):
            message.setdefault("content", None)
            message.setdefault("refusal", None)
            _take_off(message)
        _take_off(choice)
    return msgspec.json.encode(document)


def read_chunk(chunk: Any) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return a chunk without its usage (None where nothing else was in it), and a chunk's head with the usage."""
    document = _read(chunk)
    usage = document.pop("usage", None)
    with_usage = None if usage is None else {**_head(document), "usage": usage}
    choices = document.get("choices", [])
    for choice in choices:
        choice.setdefault("finish_reason", None)
        delta = choice.setdefault("delta", {})
        _take_off(delta)
        _take_off(choice)
    is_empty = all(not choice["delta"] and choice["finish_reason"] is None for choice in choices)
    return (None if usage is not None and is_empty else document), with_usage


def usage_chunk(head: dict[str, Any]) -> dict[str, Any]:
    """Return OpenAI's last chunk, which has no choices."""
    return {**head, "choices": []}


def _read(value: Any) -> dict[str, Any]:
    """Return one of the SDK's pydantic models as plain values, without what is null."""
    document: dict[str, Any] = msgspec.json.decode(value.model_dump_json(exclude_none=True))
    _take_off(document)
    return document


def _head(document: dict[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in _HEAD if name in document}


def _take_off(members: dict[str, Any]) -> None:
    for name in _OWN:
        members.pop(name, None)
