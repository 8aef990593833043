"""The messages of a chat as a small model's template takes them: text, in the roles that it was trained on."""

from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest

_SYSTEM = "You are a helpful AI assistant."


def plain_messages(raw: msgspec.Raw, instructions: list[str]) -> list[dict[str, Any]]:
    """Return the messages in the roles system, user and assistant, calls and their results as text.

    The embedded model's template knows no tools. Without a system message it gets one: it makes the model sensible.
    """
    messages = [_plain(message) for message in _text_messages(raw)]
    if not any(message["role"] == "system" for message in messages):
        messages.insert(0, {"role": "system", "content": _SYSTEM})
    return _instructed(messages, instructions)


def template_messages(raw: msgspec.Raw, instructions: list[str]) -> list[dict[str, Any]]:
    """Return the messages for a model's own template, which renders calls and their results itself."""
    return _instructed(_text_messages(raw), instructions)


def _text_messages(raw: msgspec.Raw) -> list[dict[str, Any]]:
    """Return the messages with their contents as text; refuse parts that are anything else."""
    messages: list[dict[str, Any]] = msgspec.json.decode(raw)
    for index, message in enumerate(messages):
        message["content"] = _text(message.get("content"), f"messages[{index}].content")
        if refusal := message.pop("refusal", None):
            message["content"] = message["content"] or refusal
        if message["role"] == "developer":
            message["role"] = "system"
    return messages


def _text(content: Any, path: str) -> str:
    if not isinstance(content, list):
        return content or ""
    texts: list[str] = []
    for index, part in enumerate(content):
        if part["type"] not in ("text", "refusal"):
            raise InvalidRequest(
                f"This model takes text only, not content of the type '{part['type']}'.", param=f"{path}[{index}]"
            )
        texts.append(part[part["type"]])
    return "\n".join(texts)


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    content: str = message["content"]
    role = message["role"]
    if role in ("tool", "function"):
        return {"role": "user", "content": f"The function's result: {content}"}
    calls = [call["function"] for call in message.get("tool_calls") or () if "function" in call]
    if message.get("function_call"):
        calls.append(message["function_call"])
    written = [f'{{"name": "{call["name"]}", "arguments": {call["arguments"]}}}' for call in calls]
    return {"role": role, "content": "\n".join([*([content] if content else []), *written])}


def _instructed(messages: list[dict[str, Any]], instructions: list[str]) -> list[dict[str, Any]]:
    """Add instructions to the first system message: many templates allow no second one, and none further down."""
    if not instructions:
        return messages
    text = "\n\n".join(instructions)
    if messages and messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]
