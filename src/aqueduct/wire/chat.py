"""`POST /chat/completions`: the request, checked against OpenAI's `CreateChatCompletionRequest`."""

from typing import Annotated, Any, Self

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from typing_extensions import override

from aqueduct.errors import InvalidJsonSchema, InvalidRequest
from aqueduct.wire.generation import INTEGERS, MAX_COUNT, Parameters, ParsedRequest, check_stream_options
from aqueduct.wire.json_object import read_object
from aqueduct.wire.messages import CALL_TYPES, PART_TYPES, ROLES, Content, Message, has_attachment, message_texts
from aqueduct.wire.request import StrictFunction
from aqueduct.wire.tools import (
    CHOICE_TYPES,
    INPUT_FORMAT_TYPES,
    TOOL_TYPES,
    Function,
    FunctionName,
    FunctionTool,
    JsonObject,
    Tool,
    ToolChoice,
    ToolName,
)
from aqueduct.wire.validation import OTHER, Rules, Validator, check_json_object

AnswerSchema = dict[str, Any] | bool | None

MAX_SCHEMA_BYTES = 256 * 1024
"""How large the JSON schema of a `response_format` may be; OpenAI's own limits allow about half of it."""


class TextResponse(msgspec.Struct, tag_field="type", tag="text", frozen=True, gc=False):
    """The answer is any text."""


class JsonObjectResponse(msgspec.Struct, tag_field="type", tag="json_object", frozen=True, gc=False):
    """The answer is a JSON object."""


class JsonSchema(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A JSON schema and its name; `schema` stays raw until it is asked for."""

    name: FunctionName
    description: str | None = None
    schema: JsonObject | UnsetType = UNSET
    strict: bool | None = None

    def __post_init__(self) -> None:
        check_json_object(self.schema, "schema")


class JsonSchemaResponse(msgspec.Struct, tag_field="type", tag="json_schema", frozen=True, gc=False):
    """The answer satisfies a JSON schema."""

    json_schema: JsonSchema


class OtherResponse(msgspec.Struct, tag_field="type", tag=OTHER, frozen=True, gc=False):
    """A format of a type unknown here; it travels on."""


ResponseFormat = TextResponse | JsonObjectResponse | JsonSchemaResponse | OtherResponse
RESPONSE_TYPES = frozenset({"text", "json_object", "json_schema"})


class PredictedContent(msgspec.Struct, tag_field="type", tag="content", frozen=True, gc=False):
    """Text that the answer will mostly repeat."""

    content: Content


class OtherPrediction(msgspec.Struct, tag_field="type", tag=OTHER, frozen=True, gc=False):
    """A prediction of a type unknown here; it travels on."""


class VoiceId(msgspec.Struct, frozen=True, gc=False):
    """A custom voice by its id."""

    id: str


class AudioOptions(msgspec.Struct, frozen=True, gc=False):
    """How a spoken answer sounds."""

    voice: str | VoiceId
    format: str


class ApproximateLocation(msgspec.Struct, frozen=True, gc=False):
    """Roughly where the user is."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


class UserLocation(msgspec.Struct, frozen=True, gc=False):
    """Where the user is."""

    type: str
    approximate: ApproximateLocation


class WebSearchOptions(msgspec.Struct, frozen=True, gc=False):
    """How the model searches the web."""

    user_location: UserLocation | None = None
    search_context_size: str | None = None


class PromptCacheOptions(msgspec.Struct, frozen=True, gc=False):
    """How the prompt is cached."""

    ttl: str | None = None
    mode: str | None = None


class ModerationMode(msgspec.Struct, frozen=True, gc=False):
    """What moderation does (`score`, `block`)."""

    mode: str


class ModerationPolicy(msgspec.Struct, frozen=True, gc=False):
    """What is moderated, and how."""

    input: ModerationMode | None = None
    output: ModerationMode | None = None


class Moderation(msgspec.Struct, frozen=True, gc=False):
    """A moderation model and its policy."""

    model: str
    policy: ModerationPolicy | None = None


MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]


class ChatParameters(Parameters, kw_only=True, gc=False):
    """The typed parameters of a chat; null stands for the default everywhere."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    audio: AudioOptions | None = None
    function_call: str | ToolName | None = None
    functions: Annotated[list[Function], Meta(min_length=1, max_length=128)] | None = None
    logprobs: bool | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=16)] | None = None
    modalities: list[str] | None = None
    moderation: Moderation | None = None
    parallel_tool_calls: bool | None = None
    prediction: PredictedContent | OtherPrediction | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    response_format: ResponseFormat | None = None
    safety_identifier: Annotated[str, Meta(max_length=64)] | None = None
    service_tier: str | None = None
    store: bool | None = None
    tool_choice: ToolChoice | None = None
    tools: list[Tool] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    verbosity: str | None = None
    web_search_options: WebSearchOptions | None = None


KNOWN_FIELDS = frozenset(ChatParameters.__struct_fields__)

_VALIDATOR = Validator(
    ChatParameters,
    Rules(
        open_unions={
            ("messages", "*", "content", "*"): PART_TYPES,
            ("messages", "*", "tool_calls", "*"): CALL_TYPES,
            ("prediction",): frozenset({"content"}),
            ("prediction", "content", "*"): PART_TYPES,
            ("response_format",): RESPONSE_TYPES,
            ("tool_choice",): CHOICE_TYPES,
            ("tools", "*"): TOOL_TYPES,
            ("tools", "*", "custom", "format"): INPUT_FORMAT_TYPES,
        },
        integers=(*INTEGERS, ("max_completion_tokens",), ("top_logprobs",)),
        supported={"role": ROLES},
    ),
)


class ChatRequest(ParsedRequest[ChatParameters]):
    """A checked request for a chat completion; `schema` is the JSON schema its answer must satisfy, or None."""

    operation = "chat"
    validator = _VALIDATOR

    def __init__(self, fields: dict[str, Raw], parameters: ChatParameters, schema: AnswerSchema) -> None:
        super().__init__(fields, parameters)
        self.schema = schema
        self.is_held = schema is not None or (parameters.tools is not None and any(map(_is_strict, parameters.tools)))

    @property
    def choices(self) -> int:
        """How many choices the answer has."""
        return self.parameters.n or 1

    @property
    @override
    def has_attachments(self) -> bool:
        for message in self.parameters.messages:
            content = message.content
            if isinstance(content, list) and has_attachment(content):
                return True
        return False

    @property
    def max_output_tokens(self) -> int | None:
        """How much each choice may be at the most, reasoning included."""
        return self.parameters.max_completion_tokens or self.parameters.max_tokens

    @property
    def end_user(self) -> str | None:
        """The client's own name for the person behind the request."""
        return self.parameters.user or self.parameters.safety_identifier

    @override
    def strict_functions(self) -> dict[str, StrictFunction]:
        """Return the functions that are `strict` and have parameters, by name.

        Raises `InvalidJsonSchema` for parameters that are too large or hold what no number type can.
        """
        strict: dict[str, StrictFunction] = {}
        for index, tool in enumerate(self.parameters.tools or ()):
            if isinstance(tool, FunctionTool) and _is_strict(tool):
                path = f"tools[{index}].function.parameters"
                schema = _read_schema(tool.function.parameters, path)
                if schema is not None:
                    strict[tool.function.name] = StrictFunction(schema, path)
        return strict

    def with_fields(self, **changes: Any) -> Self:
        """Return the same request with top-level members replaced (None removes one)."""
        fields, parameters = self._changed(changes)
        schema = read_schema(parameters.response_format) if "response_format" in changes else self.schema
        return type(self)(fields, parameters, schema).received(self.id, self.received_at)

    def input_text(self) -> str:
        """Return all the text that goes into the model, tools and schema as JSON, for counting."""
        texts = [text for message in self.parameters.messages for text in message_texts(message)]
        for name in ("tools", "functions", "response_format"):
            raw = self.fields.get(name)
            if raw is not None:
                texts.append(bytes(raw).decode())
        return "\n".join(texts)


def parse_chat(body: bytes) -> ChatRequest:
    """Return the request in `body`, or raise `InvalidRequest` (`InvalidJsonSchema`) naming what is wrong with it."""
    fields = read_object(body, KNOWN_FIELDS)
    parameters = _VALIDATOR.decode(body)
    check_stream_options(parameters)
    _check_combinations(parameters)
    return ChatRequest(fields, parameters, read_schema(parameters.response_format))


def _check_combinations(parameters: ChatParameters) -> None:
    """Refuse parameters that contradict each other, as OpenAI does."""
    if parameters.top_logprobs and parameters.logprobs is not True:
        raise InvalidRequest(
            "The parameter 'top_logprobs' may only be set when 'logprobs' is true.", param="top_logprobs"
        )
    if parameters.max_tokens is not None and parameters.max_completion_tokens is not None:
        raise InvalidRequest(
            "The parameters 'max_tokens' and 'max_completion_tokens' may not both be set.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    if parameters.tool_choice is not None and parameters.tools is None:
        raise InvalidRequest("The parameter 'tool_choice' may only be set when 'tools' are given.", param="tool_choice")


def read_schema(format_: ResponseFormat | None) -> AnswerSchema:
    """Return the JSON schema that a format asks for (True, any JSON, where it came without one), or None.

    Raises `InvalidJsonSchema` for one that is too large or holds what no number type can.
    """
    if format_ is None:
        return None
    if isinstance(format_, JsonObjectResponse):
        return {"type": "object"}
    if not isinstance(format_, JsonSchemaResponse):
        return None
    schema = _read_schema(format_.json_schema.schema, "response_format")
    return True if schema is None else schema


def _read_schema(raw: JsonObject | UnsetType, path: str) -> dict[str, Any] | None:
    if raw is UNSET:
        return None
    if len(raw) > MAX_SCHEMA_BYTES:
        raise InvalidJsonSchema(f"The JSON schema in '{path}' is larger than {MAX_SCHEMA_BYTES} bytes.", param=path)
    try:
        schema: dict[str, Any] | None = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        message = f"The JSON schema in '{path}' holds a number that is out of range."
        raise InvalidJsonSchema(message, param=path) from None
    return schema


def _is_strict(tool: Tool) -> bool:
    return isinstance(tool, FunctionTool) and tool.function.strict is True and tool.function.parameters is not UNSET
