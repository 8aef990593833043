"""The messages of a chat as Anthropic's `system` and its turns.

Messages of one role in a row are one turn; results of tools are the user's, and come first in their turn. What OpenAI
takes and Anthropic does not is mended where that changes nothing: empty text, ids with other characters, calls whose
arguments are not an object, a conversation that does not begin with the user.
"""

import re
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.extras import (
    NO_MESSAGE,
    MessageExtras,
    cache_control,
    message_extras,
    thinking_blocks,
)
from aqueduct.providers.anthropic.parts import CACHED, block_of, text_block
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
    SystemMessage,
    ToolCall,
    ToolMessage,
)

Block = dict[str, Any]

FILLER: Block = {"type": "text", "text": "."}
"""What the user is made to say where Anthropic wants a turn of the user's and there is none."""

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_ID = 56


class Conversation:
    """The messages, translated: `system` and `turns`, ready to be sent."""

    def __init__(self, request: ChatRequest) -> None:
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self.lacks_thinking = False
        """Whether the turn that called the tools whose results come last came back without its thinking."""
        self._ids = CallIds()
        extras = message_extras(request)
        for index, message in enumerate(request.parameters.messages):
            self._add(message, extras[index] if extras else NO_MESSAGE, f"messages[{index}]")
        self._begin_with_user()

    def _add(self, message: Message, extras: MessageExtras, path: str) -> None:
        if isinstance(message, DeveloperMessage | SystemMessage):
            self.system += _instructions(message.content, extras, path)
        elif isinstance(message, AssistantMessage):
            self._add_turn("assistant", self._said(message, extras, path))
        elif isinstance(message, ToolMessage | FunctionMessage):
            self._add_result(self._result(message, extras, path))
        else:
            self._add_turn("user", _blocks(message.content, extras, path))

    def _add_turn(self, role: str, blocks: list[Block]) -> None:
        if blocks and self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        elif blocks:
            self.turns.append({"role": role, "content": blocks})

    def _add_result(self, block: Block) -> None:
        """Put a result after those that are there, before whatever else is in the turn."""
        if not self.turns or self.turns[-1]["role"] != "user":
            self._add_turn("user", [block])
            return
        content = self.turns[-1]["content"]
        place = next((at for at, other in enumerate(content) if other["type"] != "tool_result"), len(content))
        content.insert(place, block)

    def _said(self, message: AssistantMessage, extras: MessageExtras, path: str) -> list[Block]:
        """Return what the model said: text and calls, and its thinking where it was between them."""
        if message.audio is not None:
            raise InvalidRequest("This model cannot hear an earlier spoken answer.", param=f"{path}.audio")
        rest = [] if message.content is None else _blocks(message.content, extras, path)
        if message.refusal and (block := text_block(message.refusal)):
            rest.append(block)
        calls = [self._call(call, f"{path}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls or ())]
        if message.function_call is not None:
            called = message.function_call
            calls.append(self._use(f"call_{called.name}", called.name, called.arguments))
        thinking = thinking_blocks(extras)
        if calls:
            self.lacks_thinking = not thinking
        return placed(thinking, [*rest, *calls])

    def _call(self, call: ToolCall, path: str) -> Block:
        if isinstance(call, FunctionToolCall):
            return self._use(call.id, call.function.name, call.function.arguments)
        if isinstance(call, CustomToolCall):
            return self._use(call.id, call.custom.name, msgspec.json.encode({"input": call.custom.input}).decode())
        raise InvalidRequest("This model knows calls of functions only.", param=path)

    def _use(self, call_id: str, name: str, arguments: str) -> Block:
        return {"type": "tool_use", "id": self._ids.begin(call_id), "name": name, "input": call_input(arguments)}

    def _result(self, message: ToolMessage | FunctionMessage, extras: MessageExtras, path: str) -> Block:
        call_id = message.tool_call_id if isinstance(message, ToolMessage) else f"call_{message.name}"
        block: Block = {"type": "tool_result", "tool_use_id": self._ids.current(call_id)}
        if message.content and (content := _blocks(message.content, extras, path)):
            block["content"] = content
            if cached := content[-1].pop("cache_control", None):
                block["cache_control"] = cached
        if extras.is_error is True:
            block["is_error"] = True
        return block

    def _begin_with_user(self) -> None:
        if not self.turns:
            if not self.system:
                raise InvalidRequest("This model needs a message that says something.", param="messages")
            # Instructions alone: they are what the user says.
            self.turns = [{"role": "user", "content": self.system}]
            self.system = []
        elif self.turns[0]["role"] == "assistant":
            self.turns.insert(0, {"role": "user", "content": [FILLER]})

    def end_with_user(self) -> None:
        """Let the user have the last word, for a model that does not go on from its own."""
        if self.turns[-1]["role"] == "assistant":
            self.turns.append({"role": "user", "content": [FILLER]})

    def end_as_beginning(self) -> bool:
        """Let the model's last words be the beginning of its answer, if they can be: text, with no space at its end."""
        last = self.turns[-1]["content"][-1]
        if self.turns[-1]["role"] != "assistant" or last["type"] != "text":
            return False
        last["text"] = last["text"].rstrip()
        return True


def lost_members(request: ChatRequest) -> list[str]:
    """Return the members of messages that Anthropic has no place for, each once: they are told to the client."""
    messages = request.parameters.messages
    has_name = any(getattr(message, "name", None) for message in messages if not isinstance(message, _NAMED_BY_CALL))
    contents = [message.content for message in messages if isinstance(message.content, list)]
    images = [part.image_url for content in contents for part in content if isinstance(part, ImagePart)]
    has_detail = any(image.detail not in (None, "auto") for image in images)
    found = {"messages.name": has_name, "messages.content.image_url.detail": has_detail}
    return [name for name, is_there in found.items() if is_there]


_NAMED_BY_CALL = ToolMessage | FunctionMessage
"""Messages that say with their name only what the call says already."""


class CallIds:
    """Ids of calls as Anthropic takes them: of few characters, and no two calls the same.

    Bedrock takes at most 64 characters beside.
    """

    def __init__(self) -> None:
        self._current: dict[str, str] = {}
        self._taken: set[str] = set()

    def begin(self, call_id: str) -> str:
        """Return the id of a new call."""
        clean = _clean(call_id)
        name, number = clean, 1
        while name in self._taken:
            number += 1
            name = f"{clean}_{number}"
        self._taken.add(name)
        self._current[call_id] = name
        return name

    def current(self, call_id: str) -> str:
        """Return the id of the last call that had this one."""
        return self._current.get(call_id) or _clean(call_id)


def _clean(call_id: str) -> str:
    return _NOT_IN_IDS.sub("_", call_id)[:_LONGEST_ID] or "call"


def _blocks(content: Content, extras: MessageExtras, path: str) -> list[Block]:
    """Return the blocks of a content, with its cache breakpoints."""
    whole = cache_control(extras.cache_control, f"{path}.cache_control")
    if isinstance(content, str):
        blocks = [block] if (block := text_block(content)) else []
    else:
        blocks = []
        for index, part in enumerate(content):
            where = f"{path}.content[{index}]"
            if block := block_of(part, where):
                own = cache_control(extras.part(index).cache_control, f"{where}.cache_control") or _breakpoint(part)
                blocks.append({**block, "cache_control": own} if own else block)
    if whole and blocks:
        blocks[-1] = {**blocks[-1], "cache_control": whole}
    return blocks


def _breakpoint(part: ContentPart) -> dict[str, Any] | None:
    return CACHED if part.prompt_cache_breakpoint is not None else None


def _instructions(content: Content, extras: MessageExtras, path: str) -> list[Block]:
    blocks = _blocks(content, extras, path)
    if any(block["type"] != "text" for block in blocks):
        raise InvalidRequest("This model takes its instructions as text only.", param=f"{path}.content")
    return blocks


def call_input(arguments: str) -> Any:
    """Return a call's arguments as an object, as they were written; what is none becomes one."""
    text = arguments.encode("utf-8", "replace")
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {"arguments": arguments} if arguments.strip() else {}
    return msgspec.Raw(text)


def placed(thinking: list[tuple[int | None, Block]], rest: list[Block]) -> list[Block]:
    """Return the blocks in the order in which the model wrote them; thinking without a place comes first."""
    blocks: list[Block] = []
    left = list(rest)
    for place, block in thinking:
        while place is not None and left and len(blocks) < place:
            blocks.append(left.pop(0))
        blocks.append(block)
    return blocks + left
