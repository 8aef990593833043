"""The messages of a chat as Ollama's: a text each, images beside it, and calls whose arguments are objects.

Results of tools carry the name of their tool there and come in the order of their calls; here they carry the call's id,
so that names and order are found by it. Source: Ollama's API reference, `POST /api/chat`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.base64_data import is_base64, split_data_url, without_spaces
from aqueduct.providers.functions import object_text
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.messages import (
    AssistantMessage,
    Content,
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
    UserMessage,
    part_text,
)

_IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/jpg", "image/webp"})


class _Reasoning(msgspec.Struct):
    """What a message has beyond OpenAI's schema: the reasoning of an earlier turn."""

    reasoning_content: Any = None


_reasonings = msgspec.json.Decoder(list[_Reasoning])


def read_messages(request: ChatRequest) -> list[dict[str, Any]]:
    """Return the messages; raise `InvalidRequest` naming the part that cannot be carried."""
    messages = request.parameters.messages
    raw = request.fields["messages"]
    reasonings = _reasonings.decode(raw) if b'"reasoning_content"' in bytes(raw) else [_Reasoning()] * len(messages)
    builder = _Builder()
    for index, (message, reasoning) in enumerate(zip(messages, reasonings, strict=True)):
        builder.add(message, reasoning.reasoning_content, f"messages[{index}]")
    return builder.finish()


def lost_members(request: ChatRequest) -> list[str]:
    """Return the members of messages that Ollama has no place for, each once: they are told to the client."""
    messages = request.parameters.messages
    has_name = any(message.name for message in messages if not isinstance(message, ToolMessage | FunctionMessage))
    contents = [message.content for message in messages if isinstance(message.content, list)]
    images = [part.image_url for content in contents for part in content if isinstance(part, ImagePart)]
    has_detail = any(image.detail not in (None, "auto") for image in images)
    found = {"messages.name": has_name, "messages.content.image_url.detail": has_detail}
    return [name for name, is_there in found.items() if is_there]


class _Builder:
    """Puts messages one after another; the results of a turn's calls wait until all are there."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []
        """The ids of the last turn's calls that have no result yet."""
        self._order: dict[str, int] = {}
        self._results: list[tuple[int, dict[str, Any]]] = []

    def finish(self) -> list[dict[str, Any]]:
        """Return the messages."""
        self._end_results()
        return self._messages

    def add(self, message: Message, reasoning: Any, path: str) -> None:
        """Add one message."""
        if isinstance(message, ToolMessage | FunctionMessage):
            self._add_result(message, path)
            return
        self._end_results()
        if isinstance(message, AssistantMessage):
            self._messages.append(self._said(message, reasoning, path))
        elif isinstance(message, DeveloperMessage | SystemMessage):
            self._messages.append({"role": "system", "content": _text(message.content, f"{path}.content")})
        else:
            self._messages.append(_asked(message, path))

    def _said(self, message: AssistantMessage, reasoning: Any, path: str) -> dict[str, Any]:
        if message.audio is not None:
            raise InvalidRequest("This model cannot hear an earlier spoken answer.", param=f"{path}.audio")
        text = "" if message.content is None else _text(message.content, f"{path}.content")
        said: dict[str, Any] = {"role": "assistant", "content": text or message.refusal or ""}
        if isinstance(reasoning, str) and reasoning:
            said["thinking"] = reasoning
        calls = [_named(call, f"{path}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls or ())]
        if (old := message.function_call) is not None:
            calls.append((f"call_{old.name}", old.name, old.arguments))
        if calls:
            said["tool_calls"] = self._begin_calls(calls)
        return said

    def _begin_calls(self, calls: Sequence[tuple[str, str, str]]) -> list[dict[str, Any]]:
        self._waiting = [call_id for call_id, _, _ in calls]
        self._order = {call_id: place for place, call_id in enumerate(self._waiting)}
        self._names |= {call_id: name for call_id, name, _ in calls}
        return [
            {
                "id": call_id,
                "function": {"index": place, "name": name, "arguments": _raw(arguments)},
            }
            for place, (call_id, name, arguments) in enumerate(calls)
        ]

    def _add_result(self, message: ToolMessage | FunctionMessage, path: str) -> None:
        given = message.tool_call_id if isinstance(message, ToolMessage) else f"call_{message.name}"
        # An id that no call had is taken for the next call that waits: other protocols have none to send back.
        call_id = given if given in self._names or not self._waiting else self._waiting[0]
        if call_id in self._waiting:
            self._waiting.remove(call_id)
        name = self._names.get(call_id) or message.name
        if name is None:
            raise InvalidRequest(
                "No earlier message calls a tool by this id, so that its name is not known.",
                param=f"{path}.tool_call_id",
            )
        text = _text(message.content or "", f"{path}.content")
        result = {"role": "tool", "content": text, "tool_name": name, "tool_call_id": call_id}
        self._results.append((self._order.get(call_id, len(self._order)), result))

    def _end_results(self) -> None:
        self._results.sort(key=lambda result: result[0])
        self._messages += [result for _, result in self._results]
        self._results = []


def _named(call: ToolCall, path: str) -> tuple[str, str, str]:
    """Return a call's id, name and arguments."""
    if isinstance(call, FunctionToolCall):
        return call.id, call.function.name, call.function.arguments
    if isinstance(call, CustomToolCall):
        return call.id, call.custom.name, msgspec.json.encode({"input": call.custom.input}).decode()
    raise InvalidRequest("This model knows calls of functions only.", param=path)


def _raw(arguments: str) -> msgspec.Raw:
    """Return a call's arguments as an object, as they were written."""
    return msgspec.Raw(object_text(arguments).encode("utf-8", "replace"))


def _asked(message: UserMessage, path: str) -> dict[str, Any]:
    """Return what the user said: the texts as one, the images beside it."""
    if isinstance(message.content, str):
        return {"role": "user", "content": message.content}
    texts: list[str] = []
    images: list[str] = []
    for index, part in enumerate(message.content):
        where = f"{path}.content[{index}]"
        if isinstance(part, ImagePart):
            images.append(_image(part, f"{where}.image_url.url"))
        elif isinstance(part, TextPart | RefusalPart):
            texts.append(part_text(part))
        else:
            raise InvalidRequest("This model takes text and images only.", param=where)
    asked: dict[str, Any] = {"role": "user", "content": "\n".join(texts)}
    return {**asked, "images": images} if images else asked


def _image(part: ImagePart, path: str) -> str:
    """Return an image's data in base64; addresses are fetched by the gateway, before an adapter sees them."""
    media_type, data, is_encoded = split_data_url(msgspec.json.decode(part.image_url.url, type=str)) or ("", "", False)
    if media_type not in _IMAGE_TYPES or not data or not is_encoded:
        raise InvalidRequest(
            "This model takes images as `data:` URLs in base64, of the types image/png, image/jpeg and image/webp.",
            param=path,
        )
    data = without_spaces(data)
    if not is_base64(data):
        raise InvalidRequest("The data is not base64.", param=path)
    return data


def _text(content: Content, path: str) -> str:
    """Return a content that may be text only."""
    if isinstance(content, str):
        return content
    for index, part in enumerate(content):
        if not isinstance(part, TextPart | RefusalPart):
            raise InvalidRequest("This model takes text only here.", param=f"{path}[{index}]")
    return "\n".join(part_text(part) for part in content)
