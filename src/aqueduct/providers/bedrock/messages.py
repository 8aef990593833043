"""The messages of a chat as Converse's `system` and its turns.

Messages of one role in a row are one turn; results of tools are the user's, and come first in their turn. What OpenAI
takes and Bedrock does not is mended where that changes nothing: empty text, ids with other characters, calls whose
arguments are not an object, a conversation that does not begin with the user, a document with no word beside it.
"""

import base64
import binascii
import re
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.extras import (
    NO_MESSAGE,
    NO_PART,
    MessageExtras,
    cache_control,
    message_extras,
    thinking_blocks,
)
from aqueduct.providers.anthropic.messages import CallIds, call_input, placed
from aqueduct.providers.anthropic.parts import CACHED
from aqueduct.providers.bedrock.models import Family, Reasoning
from aqueduct.providers.bedrock.parts import Block, DocumentNames, block_of, text_block
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.messages import (
    AssistantMessage,
    Content,
    CustomToolCall,
    DeveloperMessage,
    FunctionMessage,
    FunctionToolCall,
    Message,
    SystemMessage,
    ToolCall,
    ToolMessage,
)

FILLER: Block = {"text": "."}
"""What the user is made to say where Bedrock wants words of the user's and there are none."""

_POINT = "cachePoint"
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64


class Conversation:
    """The messages, translated: `system` and `turns`, ready to be sent; `lost` are the members that have no place."""

    def __init__(self, request: ChatRequest, family: Family) -> None:
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self.lost: list[str] = []
        self.lacks_thinking = False
        """Whether the turn that called the tools whose results come last came back without its thinking."""
        self._family = family
        self._ids = CallIds()
        self._names = DocumentNames()
        extras = message_extras(request)
        for index, message in enumerate(request.parameters.messages):
            self._add(message, extras[index] if extras else NO_MESSAGE, f"messages[{index}]")
        self._begin_with_user()
        for turn in self.turns:
            _say_something_beside_documents(turn["content"])

    @property
    def has_calls(self) -> bool:
        """Whether a tool was called, or has answered: Bedrock then wants to know the tools."""
        return any("toolUse" in block or "toolResult" in block for turn in self.turns for block in turn["content"])

    def _add(self, message: Message, extras: MessageExtras, path: str) -> None:
        if isinstance(message, DeveloperMessage | SystemMessage):
            self.system += self._text(message.content, extras, path, place="system")
        elif isinstance(message, AssistantMessage):
            self._add_turn("assistant", self._said(message, extras, path))
        elif isinstance(message, ToolMessage | FunctionMessage):
            self._add_result(self._result(message, extras, path))
        else:
            self._add_turn("user", self._blocks(message.content, extras, path))

    def _add_turn(self, role: str, blocks: list[Block]) -> None:
        if blocks and self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        elif blocks:
            self.turns.append({"role": role, "content": blocks})

    def _add_result(self, blocks: list[Block]) -> None:
        """Put a result after those that are there, before whatever else is in the turn."""
        if not self.turns or self.turns[-1]["role"] != "user":
            self._add_turn("user", blocks)
            return
        content = self.turns[-1]["content"]
        place = 0
        for at, other in enumerate(content, 1):
            if "toolResult" in other or (_POINT in other and place == at - 1 and place):
                place = at
        content[place:place] = blocks

    def _said(self, message: AssistantMessage, extras: MessageExtras, path: str) -> list[Block]:
        """Return what the model said: text and calls, and its thinking where it was between them."""
        if message.audio is not None:
            raise InvalidRequest("This model cannot hear an earlier spoken answer.", param=f"{path}.audio")
        rest = [] if message.content is None else self._text(message.content, extras, path, place="messages")
        if message.refusal and (block := text_block(message.refusal)):
            rest.append(block)
        calls = [self._call(call, f"{path}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls or ())]
        if message.function_call is not None:
            called = message.function_call
            calls.append(self._use(f"call_{called.name}", called.name, called.arguments))
        thinking = self._thinking(extras)
        if calls:
            self.lacks_thinking = not thinking
        return placed(thinking, [*rest, *calls])

    def _thinking(self, extras: MessageExtras) -> list[tuple[int | None, Block]]:
        """Return the reasoning that can be sent back: only Claude signs what it thought, and wants it again."""
        if self._family.reasoning is not Reasoning.CLAUDE:
            return []
        blocks = ((place, _reasoning_block(block)) for place, block in thinking_blocks(extras))
        return [(place, block) for place, block in blocks if block is not None]

    def _call(self, call: ToolCall, path: str) -> Block:
        if isinstance(call, FunctionToolCall):
            return self._use(call.id, call.function.name, call.function.arguments)
        if isinstance(call, CustomToolCall):
            return self._use(call.id, call.custom.name, msgspec.json.encode({"input": call.custom.input}).decode())
        raise InvalidRequest("This model knows calls of functions only.", param=path)

    def _use(self, call_id: str, name: str, arguments: str) -> Block:
        clean = _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME] or "tool"
        return {"toolUse": {"toolUseId": self._ids.begin(call_id), "name": clean, "input": call_input(arguments)}}

    def _result(self, message: ToolMessage | FunctionMessage, extras: MessageExtras, path: str) -> list[Block]:
        call_id = message.tool_call_id if isinstance(message, ToolMessage) else f"call_{message.name}"
        blocks = self._blocks(message.content, extras, path) if message.content else []
        points = [block for block in blocks if _POINT in block]
        content = [block for block in blocks if _POINT not in block]
        if any("audio" in block for block in content):
            raise InvalidRequest("A tool's result can hold text, images and documents only.", param=f"{path}.content")
        result: Block = {"toolUseId": self._ids.current(call_id), "content": content or [FILLER]}
        if extras.is_error is True:
            if self._family.has_status:
                result["status"] = "error"
            else:
                self._lose("messages.is_error")
        return [{"toolResult": result}, *points[-1:]]

    def _text(self, content: Content, extras: MessageExtras, path: str, place: str) -> list[Block]:
        blocks = self._blocks(content, extras, path, place)
        if any("text" not in block and _POINT not in block for block in blocks):
            whose = "its instructions" if place == "system" else "its own earlier words"
            raise InvalidRequest(f"This model takes {whose} as text only.", param=f"{path}.content")
        return blocks

    def _blocks(self, content: Content, extras: MessageExtras, path: str, place: str = "messages") -> list[Block]:
        """Return the blocks of a content, a cache point after each that has a breakpoint."""
        whole = cache_control(extras.cache_control, f"{path}.cache_control")
        blocks: list[Block] = []
        if isinstance(content, str):
            blocks += [block] if (block := text_block(content)) else []
        else:
            for index, part in enumerate(content):
                where = f"{path}.content[{index}]"
                part_extras = extras.part(index) if extras is not NO_MESSAGE else NO_PART
                own = cache_control(part_extras.cache_control, f"{where}.cache_control")
                if own is None and part.prompt_cache_breakpoint is not None:
                    own = CACHED
                if found := block_of(part, part_extras, self._names, where):
                    blocks += [found, *self._point(own, place)]
        if blocks and _POINT not in blocks[-1]:
            blocks += self._point(whole, place)
        return blocks

    def _point(self, control: dict[str, Any] | None, place: str) -> list[Block]:
        if control is None:
            return []
        if place not in self._family.caches:
            self._lose("messages.cache_control")
            return []
        return [cache_point(control, self._family)]

    def _lose(self, member: str) -> None:
        if member not in self.lost:
            self.lost.append(member)

    def _begin_with_user(self) -> None:
        if not self.turns and not self.system:
            raise InvalidRequest("This model needs a message that says something.", param="messages")
        if self.turns and self.turns[0]["role"] == "assistant":
            self.turns.insert(0, {"role": "user", "content": [FILLER]})
        if not self.turns:
            # Instructions alone: they are what the user says.
            self.turns = [{"role": "user", "content": self.system}]
            self.system = []
        elif self.system and not self._family.has_system:
            self.turns[0] = {"role": "user", "content": [*self.system, *self.turns[0]["content"]]}
            self.system = []

    def end_with_user(self) -> None:
        """Let the user have the last word, for a model that does not go on from its own."""
        if self.turns[-1]["role"] == "assistant":
            self.turns.append({"role": "user", "content": [FILLER]})

    def end_as_beginning(self) -> bool:
        """Let the model's last words be the beginning of its answer, if they can be: text, with no space at its end."""
        last = self.turns[-1]["content"][-1]
        if self.turns[-1]["role"] != "assistant" or "text" not in last:
            return False
        last["text"] = last["text"].rstrip()
        return True


def cache_point(control: dict[str, Any], family: Family) -> Block:
    """Return a cache point; only Claude's may say how long."""
    ttl = {"ttl": control["ttl"]} if "ttl" in control and family.claude is not None else {}
    return {_POINT: {"type": "default", **ttl}}


def _reasoning_block(block: dict[str, Any]) -> Block | None:
    """Return a thinking block in Bedrock's form, None for encrypted data that cannot be Bedrock's."""
    if block["type"] == "thinking":
        return {"reasoningContent": {"reasoningText": {"text": block["thinking"], "signature": block["signature"]}}}
    try:
        base64.b64decode(block["data"], validate=True)
    except (binascii.Error, ValueError):
        return None
    return {"reasoningContent": {"redactedContent": block["data"]}}


def _say_something_beside_documents(content: list[Block]) -> None:
    """Add words to a turn that has a document and none: Bedrock refuses it otherwise."""
    if any("document" in block for block in content) and not any("text" in block for block in content):
        place = next(at for at, block in enumerate(content) if "document" in block)
        content.insert(place, FILLER)
