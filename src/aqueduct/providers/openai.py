"""The adapter of every provider that speaks OpenAI's own format: the bytes pass, what is read of them is recorded.

Same dialect on both sides, so an answer goes to the client byte for byte (a stream's usage members excepted); only what
accounting and the structured promise need is read. Source: OpenAI's API description, `CreateChatCompletionResponse`,
`CreateCompletionResponse`.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from aqueduct.domain.http import Headers, UpstreamRequest
from aqueduct.domain.model import Provider, StructuredOutput, Target
from aqueduct.errors import InvalidRequest, UpstreamError, UpstreamInvalidResponse
from aqueduct.providers import openai_errors
from aqueduct.providers.authentication import bearer_headers
from aqueduct.providers.base import EVENT_STREAM, Answer, StreamReader
from aqueduct.providers.openai_stream import OpenAIStreamReader
from aqueduct.providers.openai_usage import read_units
from aqueduct.providers.posting import CONTENT_HEADERS, origin_of
from aqueduct.wire.request import Request

_PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_USAGE_WANTED = msgspec.Raw(b'{"include_usage":true}')


GOVERNED_FIELDS: Mapping[str, frozenset[bytes]] = {
    "models": frozenset(),
    "provider": frozenset(),
    "route": frozenset(),
    "store": frozenset({b"false"}),
    "service_tier": frozenset({b'"auto"', b'"default"'}),
}
"""Fields that choose a model, a price or a retention, with the values that need no permission; null never does."""
_GOVERNED_NAMES = frozenset(GOVERNED_FIELDS)


class _Function(msgspec.Struct):
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else ""

    @property
    def is_checkable(self) -> bool:
        return not (self.refusal or self.tool_calls or self.function_call)

    def generated(self) -> str:
        calls = [call.function.arguments or "" for call in self.tool_calls or () if call.function]
        return "".join((self.reasoning_content or "", self.text, self.refusal or "", *calls))


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Body(msgspec.Struct):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: Any = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Body)


class OpenAIOperation:
    """One operation (`chat` or `completions`) of an OpenAI-compatible provider."""

    stream_type = EVENT_STREAM
    fetches_urls = True
    file_types = frozenset({"application/pdf"})

    def __init__(self, operation: str) -> None:
        self._path = _PATHS[operation]

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Encode the client's fields anew, with the target's own model name, asking for usage in a stream."""
        provider = target.provider
        origin = origin_of(provider)
        refuse_governed(request.fields, provider)
        fields: dict[str, Any] = request.fields
        if target.model != "*":
            fields = {**fields, "model": target.model}
        if request.is_stream:
            fields = {**fields, "stream_options": with_usage(fields.get("stream_options"))}
        return UpstreamRequest(
            method="POST",
            origin=origin,
            path=provider.base_path + self._path,
            headers=_headers(provider),
            body=msgspec.json.encode(fields),
        )

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Hand the body on as it is; read usage, finish reason and what the schema promise is checked against."""
        read = read_body(body)
        choices = read.choices or []
        units = read_units(read.usage)
        return Answer(
            body=body,
            units=units,
            response_model=read.model,
            finish_reason=choices[0].finish_reason,
            contents={
                choice.index: choice.message.text
                for choice in choices
                if choice.finish_reason == "stop" and choice.message is not None and choice.message.is_checkable
            },
            output_text="".join(
                choice.message.generated() if choice.message else choice.text or "" for choice in choices
            )
            if units is None
            else "",
        )

    def stream_reader(self, request: Request) -> StreamReader:
        """Return a reader of OpenAI's chunks that edits nothing but usage the client did not ask for."""
        return OpenAIStreamReader(wants_usage=request.wants_usage)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify by status and OpenAI's structured code."""
        return openai_errors.read_error(status, headers, body)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Nothing: unknown fields travel on."""
        return ()

    def calls(self, request: Request) -> Sequence[Request]:
        """One call: `n` is native."""
        return (request,)

    def limits_output(self, request: Request) -> bool:
        """The client does, or else the model."""
        return False

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """As the config says."""
        return target.structured_output

    def flows(self, request: Request, target: Target) -> bool:
        """A target that holds the answer to the schema itself may stream it."""
        return target.structured_output is StructuredOutput.NATIVE

    def holds_calls(self, request: Request, target: Target) -> bool:
        """OpenAI does, as a rule: of several calls in one turn it says that they may not match."""
        return True


def read_body(body: bytes) -> _Body:
    """Decode a plain answer and insist that it is one."""
    try:
        read = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UpstreamInvalidResponse(f"the answer is not a completion: {error}") from error
    if read.error is not None:
        raise openai_errors.read_error_object(read.error)
    if not read.choices:
        raise UpstreamInvalidResponse("the answer has no choices")
    if len({choice.index for choice in read.choices}) < len(read.choices):
        # What is kept by index would be of one of them only, and the other never checked.
        raise UpstreamInvalidResponse("two choices of the answer have the same index")
    return read


@lru_cache(maxsize=1024)
def _headers(provider: Provider) -> Headers:
    """Return the request headers of a provider, its credential included."""
    return (*CONTENT_HEADERS, *bearer_headers(provider))


def with_usage(raw: msgspec.Raw | None) -> msgspec.Raw | dict[str, Any]:
    """Ask for usage whatever the client asked for; its other stream options stay."""
    if raw is None or bytes(raw) == b"null":
        return _USAGE_WANTED
    options = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return {**options, "include_usage": True}


def refuse_governed(fields: Mapping[str, msgspec.Raw], provider: Provider) -> None:
    """Refuse a field that chooses a model, a price or a retention, unless the config lets this provider have it."""
    if _GOVERNED_NAMES.isdisjoint(fields):
        return
    for name in _GOVERNED_NAMES.intersection(fields):
        value = bytes(fields[name])
        if value != b"null" and value not in GOVERNED_FIELDS[name] and name not in provider.governed_fields:
            raise InvalidRequest(f"This gateway does not allow '{name}' to be chosen by the request.", param=name)
