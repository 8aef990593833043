"""The messages of a chat as Cohere's.

Roles are the same but for developers, whose words are the system's. Source: Cohere's API reference, `ChatMessageV2`.
"""

from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.functions import object_text
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.messages import (
    AssistantMessage,
    Content,
    ContentPart,
    CustomToolCall,
    DeveloperMessage,
    FunctionMessage,
    FunctionToolCall,
    ImagePart,
    Message,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    part_text,
)

_DETAILS = frozenset({"auto", "low", "high"})


class _Reasoning(msgspec.Struct):
    """What a message has beyond OpenAI's schema: the reasoning of an earlier turn."""

    reasoning_content: Any = None


_reasonings = msgspec.json.Decoder(list[_Reasoning])


def read_messages(request: ChatRequest, *, thinks: bool) -> list[dict[str, Any]]:
    """Return the messages; raise `InvalidRequest` naming the part that cannot be carried.

    `thinks` is whether the model takes back what it thought; the plan before a call goes back to any.
    """
    messages = request.parameters.messages
    raw = request.fields["messages"]
    reasonings = _reasonings.decode(raw) if b'"reasoning_content"' in bytes(raw) else [_Reasoning()] * len(messages)
    return [
        _message(message, reasoning.reasoning_content, f"messages[{index}]", thinks=thinks)
        for index, (message, reasoning) in enumerate(zip(messages, reasonings, strict=True))
    ]


def lost_members(request: ChatRequest) -> list[str]:
    """Return the members of messages that Cohere has no place for, each once."""
    named = (
        message.name
        for message in request.parameters.messages
        if not isinstance(message, ToolMessage | FunctionMessage)  # theirs says what the call says already
    )
    return ["messages.name"] if any(named) else []


def _message(message: Message, reasoning: Any, path: str, *, thinks: bool) -> dict[str, Any]:
    if isinstance(message, DeveloperMessage | SystemMessage):
        return {"role": "system", "content": _text(message.content, f"{path}.content")}
    if isinstance(message, AssistantMessage):
        return _said(message, reasoning if isinstance(reasoning, str) else "", path, thinks=thinks)
    if isinstance(message, ToolMessage):
        content = _text(message.content, f"{path}.content")
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    if isinstance(message, FunctionMessage):
        return {"role": "tool", "tool_call_id": f"call_{message.name}", "content": message.content or ""}
    return {"role": "user", "content": _content(message.content, f"{path}.content")}


def _said(message: AssistantMessage, reasoning: str, path: str, *, thinks: bool) -> dict[str, Any]:
    """Return what the model said: text, and calls with the plan before them."""
    if message.audio is not None:
        raise InvalidRequest("This model cannot hear an earlier spoken answer.", param=f"{path}.audio")
    text = "" if message.content is None else _text(message.content, f"{path}.content")
    text = text or message.refusal or ""
    calls = [_call(call, f"{path}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls or ())]
    if (old := message.function_call) is not None:
        calls.append(_function_call(f"call_{old.name}", old.name, old.arguments))
    said: dict[str, Any] = {"role": "assistant"}
    if calls:
        said["tool_calls"] = calls
        if reasoning:
            said["tool_plan"] = reasoning
        return {**said, "content": text} if text else said
    if reasoning and thinks:
        said["content"] = [{"type": "thinking", "thinking": reasoning}, {"type": "text", "text": text}]
        return said
    return {**said, "content": text}


def _call(call: ToolCall, path: str) -> dict[str, Any]:
    if isinstance(call, FunctionToolCall):
        return _function_call(call.id, call.function.name, call.function.arguments)
    if isinstance(call, CustomToolCall):
        arguments = msgspec.json.encode({"input": call.custom.input}).decode()
        return _function_call(call.id, call.custom.name, arguments)
    raise InvalidRequest("This model knows calls of functions only.", param=path)


def _function_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": object_text(arguments)}}


def _content(content: Content, path: str) -> Any:
    if isinstance(content, str):
        return content
    return [_part(part, f"{path}[{index}]") for index, part in enumerate(content)]


def _part(part: ContentPart, path: str) -> dict[str, Any]:
    if isinstance(part, TextPart | RefusalPart):
        return {"type": "text", "text": part_text(part)}
    if not isinstance(part, ImagePart):
        raise InvalidRequest("This model takes text and images only.", param=path)
    url = msgspec.json.decode(part.image_url.url, type=str)
    if not url.lower().startswith(("data:image/", "https://", "http://")):
        raise InvalidRequest(
            "An image is expected as an address or as a `data:` URL of one.", param=f"{path}.image_url.url"
        )
    image: dict[str, Any] = {"url": url}
    if part.image_url.detail in _DETAILS:
        image["detail"] = part.image_url.detail
    return {"type": "image_url", "image_url": image}


def _text(content: Content, path: str) -> str:
    """Return a content that may be text only."""
    if isinstance(content, str):
        return content
    for index, part in enumerate(content):
        if not isinstance(part, TextPart | RefusalPart):
            raise InvalidRequest("This model takes text only here.", param=f"{path}[{index}]")
    return "\n".join(part_text(part) for part in content)
