"""The tools a model may call, and which of them it must call, as OpenAI's request has them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from aqueduct.wire.validation import OTHER, check_json_object

FunctionName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]
JsonObject = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
"""An object that only travels; checked to be one, never read."""


class Function(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A function the model may call; `parameters` is a JSON schema."""

    name: FunctionName
    description: str | None = None
    parameters: JsonObject | UnsetType = UNSET
    strict: bool | None = None

    def __post_init__(self) -> None:
        check_json_object(self.parameters, "parameters")


class FunctionTool(msgspec.Struct, tag_field="type", tag="function", frozen=True, gc=False):
    """A tool that is a function."""

    function: Function


class TextFormat(msgspec.Struct, tag_field="type", tag="text", frozen=True, gc=False):
    """A custom tool's input is any text."""


class Grammar(msgspec.Struct, frozen=True, gc=False):
    """A grammar and its language (`lark`, `regex`)."""

    definition: str
    syntax: str


class GrammarFormat(msgspec.Struct, tag_field="type", tag="grammar", frozen=True, gc=False):
    """A custom tool's input obeys a grammar."""

    grammar: Grammar


class OtherFormat(msgspec.Struct, tag_field="type", tag=OTHER, frozen=True, gc=False):
    """An input format of a type unknown here; it travels on."""


INPUT_FORMAT_TYPES = frozenset({"text", "grammar"})


class Custom(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A tool whose input is text rather than JSON."""

    name: str
    description: str | None = None
    format: TextFormat | GrammarFormat | OtherFormat | None = None


class CustomTool(msgspec.Struct, tag_field="type", tag="custom", frozen=True, gc=False):
    """A tool that is a custom one."""

    custom: Custom


class OtherTool(msgspec.Struct, tag_field="type", tag=OTHER, frozen=True, gc=False):
    """A tool of a type unknown here; it travels on."""


Tool = FunctionTool | CustomTool | OtherTool
TOOL_TYPES = frozenset({"function", "custom"})


class ToolName(msgspec.Struct, frozen=True, gc=False):
    """A tool by its name."""

    name: str


class FunctionChoice(msgspec.Struct, tag_field="type", tag="function", frozen=True, gc=False):
    """The model must call this function."""

    function: ToolName


class CustomChoice(msgspec.Struct, tag_field="type", tag="custom", frozen=True, gc=False):
    """The model must call this custom tool."""

    custom: ToolName


class AllowedTools(msgspec.Struct, frozen=True, gc=False):
    """The tools the model may (`auto`) or must (`required`) choose from."""

    mode: str
    tools: list[dict[str, Raw]]


class AllowedToolsChoice(msgspec.Struct, tag_field="type", tag="allowed_tools", frozen=True, gc=False):
    """The model's choice is narrowed to some of the tools."""

    allowed_tools: AllowedTools


class OtherChoice(msgspec.Struct, tag_field="type", tag=OTHER, frozen=True, gc=False):
    """A choice of a type unknown here; it travels on."""


ToolChoice = str | FunctionChoice | CustomChoice | AllowedToolsChoice | OtherChoice
CHOICE_TYPES = frozenset({"function", "custom", "allowed_tools"})
