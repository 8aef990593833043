"""The messages of a chat and the parts of their contents, as OpenAI's `ChatCompletionRequestMessage` has them.

Optional members may be null: clients send back what they were sent. Large values that only travel stay raw.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from aqueduct.wire.validation import OTHER, Violation, check_json_string

JsonString = Annotated[Raw, Meta(extra_json_schema={"type": "string"})]
"""A string too large to copy (an image, a recording); checked to be one, never read."""


class CacheBreakpoint(msgspec.Struct, frozen=True, gc=False):
    """Where the cached part of a prompt ends."""

    mode: str


class Part(msgspec.Struct, tag_field="type", frozen=True, gc=False, kw_only=True):
    """One part of a message's content."""

    prompt_cache_breakpoint: CacheBreakpoint | None = None


class TextPart(Part, tag="text", frozen=True, gc=False, kw_only=True):
    """Text."""

    text: str


class RefusalPart(Part, tag="refusal", frozen=True, gc=False, kw_only=True):
    """The words in which the model refused earlier on."""

    refusal: str


class ImageUrl(msgspec.Struct, frozen=True, gc=False):
    """An image by its address, or whole in a `data:` URL."""

    url: JsonString
    detail: str | None = None

    def __post_init__(self) -> None:
        check_json_string(self.url, "url")


class ImagePart(Part, tag="image_url", frozen=True, gc=False, kw_only=True):
    """An image."""

    image_url: ImageUrl


class InputAudio(msgspec.Struct, frozen=True, gc=False):
    """A recording in base64, and its format (`wav`, `mp3`)."""

    data: JsonString
    format: str

    def __post_init__(self) -> None:
        check_json_string(self.data, "data")


class AudioPart(Part, tag="input_audio", frozen=True, gc=False, kw_only=True):
    """A recording."""

    input_audio: InputAudio


class InputFile(msgspec.Struct, frozen=True, gc=False):
    """A file in base64 or by the id of an uploaded one."""

    filename: str | None = None
    file_data: Annotated[Raw, Meta(extra_json_schema={"type": ["string", "null"]})] | UnsetType = UNSET
    file_id: str | None = None

    def __post_init__(self) -> None:
        check_json_string(self.file_data, "file_data", optional=True)


class FilePart(Part, tag="file", frozen=True, gc=False, kw_only=True):
    """A file."""

    file: InputFile


class OtherPart(Part, tag=OTHER, frozen=True, gc=False, kw_only=True):
    """A part of a type unknown here; it travels on."""


ContentPart = TextPart | ImagePart | AudioPart | FilePart | RefusalPart | OtherPart
ATTACHMENTS = (ImagePart, FilePart)
PART_TYPES = frozenset({"text", "image_url", "input_audio", "file", "refusal"})

Parts = Annotated[list[ContentPart], Meta(min_length=1)]
Content = str | Parts


class FunctionCall(msgspec.Struct, frozen=True, gc=False):
    """A call the model made; `arguments` is JSON in a string, as the model wrote it."""

    name: str
    arguments: str


class FunctionToolCall(msgspec.Struct, tag_field="type", tag="function", frozen=True, gc=False):
    """A call of a function tool."""

    id: str
    function: FunctionCall


class CustomCall(msgspec.Struct, frozen=True, gc=False):
    """What the model wrote for a custom tool."""

    name: str
    input: str


class CustomToolCall(msgspec.Struct, tag_field="type", tag="custom", frozen=True, gc=False):
    """A call of a custom tool."""

    id: str
    custom: CustomCall


class OtherToolCall(msgspec.Struct, tag_field="type", tag=OTHER, frozen=True, gc=False):
    """A call of a type unknown here; it travels on."""


ToolCall = FunctionToolCall | CustomToolCall | OtherToolCall
CALL_TYPES = frozenset({"function", "custom"})


class AudioReference(msgspec.Struct, frozen=True, gc=False):
    """An earlier spoken answer of the model, by id."""

    id: str


class DeveloperMessage(msgspec.Struct, tag_field="role", tag="developer", frozen=True, gc=False, kw_only=True):
    """Instructions to the model, in the newer models' name for them."""

    content: Content
    name: str | None = None


class SystemMessage(msgspec.Struct, tag_field="role", tag="system", frozen=True, gc=False, kw_only=True):
    """Instructions to the model."""

    content: Content
    name: str | None = None


class UserMessage(msgspec.Struct, tag_field="role", tag="user", frozen=True, gc=False, kw_only=True):
    """What the user said."""

    content: Content
    name: str | None = None


class AssistantMessage(msgspec.Struct, tag_field="role", tag="assistant", frozen=True, gc=False, kw_only=True):
    """What the model said; `content` may be missing where it did something else."""

    content: Content | None = None
    refusal: str | None = None
    name: str | None = None
    audio: AudioReference | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None

    def __post_init__(self) -> None:
        if self.content is None and not self.tool_calls and self.is_silent:
            raise Violation("expected a string or an array, or `tool_calls`", member="content", code="invalid_type")

    @property
    def is_silent(self) -> bool:
        """Whether neither a refusal, nor a recording, nor a call in the old form stands in for the content."""
        return self.refusal is None and self.audio is None and self.function_call is None


class ToolMessage(msgspec.Struct, tag_field="role", tag="tool", frozen=True, gc=False, kw_only=True):
    """What a tool answered."""

    content: Content
    tool_call_id: str
    name: str | None = None


class FunctionMessage(msgspec.Struct, tag_field="role", tag="function", frozen=True, gc=False, kw_only=True):
    """What a function answered, in the old form."""

    content: str | None
    name: str


Message = DeveloperMessage | SystemMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage
ROLES = ("developer", "system", "user", "assistant", "tool", "function")


def message_texts(message: Message) -> list[str]:
    """Return every text of a message that the model reads: contents, refusals, names and arguments of calls."""
    content = message.content
    texts = [content] if isinstance(content, str) else [part_text(part) for part in content or ()]
    if isinstance(message, AssistantMessage):
        texts.append(message.refusal or "")
        for call in message.tool_calls or ():
            texts += _call_texts(call)
        if message.function_call is not None:
            texts += [message.function_call.name, message.function_call.arguments]
    return [text for text in texts if text]


def has_attachment(content: Iterable[object]) -> bool:
    """Whether a content made of parts holds an image or a file."""
    for part in content:  # noqa: SIM110 -- chats pay for this, and a generator costs three times as much
        if part.__class__ in ATTACHMENTS:
            return True
    return False


def part_text(part: ContentPart) -> str:
    """Return the text of a part, empty for one that is not text."""
    if isinstance(part, TextPart):
        return part.text
    return part.refusal if isinstance(part, RefusalPart) else ""


def _call_texts(call: ToolCall) -> list[str]:
    if isinstance(call, FunctionToolCall):
        return [call.function.name, call.function.arguments]
    if isinstance(call, CustomToolCall):
        return [call.custom.name, call.custom.input]
    return []
