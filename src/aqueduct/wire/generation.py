"""What every request that generates text has in common: its shared parameters, and the parsed request itself."""

from copy import copy
from typing import Annotated, Any, Generic, Self, TypeVar

import msgspec
from msgspec import Meta, Raw

from aqueduct.errors import InvalidRequest
from aqueduct.wire.request import StrictFunction
from aqueduct.wire.validation import Validator

Penalty = Annotated[float, Meta(ge=-2, le=2)]
Bias = Annotated[int, Meta(ge=-100, le=100)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
MAX_COUNT = 2**31 - 1
"""The largest number of tokens that may be asked for; parsers behind us keep it in 32 bits."""

StopList = Annotated[list[str], Meta(min_length=1, max_length=4)]


INTEGERS = (("logit_bias", "*"), ("max_tokens",), ("n",), ("seed",))
"""Where the shared parameters hold integers; see `validation.Rules`."""


class StreamOptions(msgspec.Struct, frozen=True, gc=False):
    """How a stream is sent."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Parameters(msgspec.Struct, kw_only=True, gc=False):
    """The parameters that chat and plain completions share; null stands for the default everywhere."""

    model: Annotated[str, Meta(min_length=1)]
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Bias] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    presence_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: str | StopList | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None


P = TypeVar("P", bound=Parameters)


class ParsedRequest(Generic[P]):
    """What every checked request of text is made of; each operation adds the rest of `wire/request.py` to it."""

    operation: str
    validator: Validator[P]
    is_held = False
    """Whether its answer is held to JSON schemas: as a whole, or the calls of its functions."""

    @property
    def has_attachments(self) -> bool:
        """Whether an image or a file is among what it says; text alone, unless an operation knows better."""
        return False

    def __init__(self, fields: dict[str, Raw], parameters: P) -> None:
        self.fields = fields
        self.parameters = parameters
        self.id = ""
        self.received_at = 0

    def received(self, request_id: str, at: float) -> Self:
        """Say which request it is, and when it came; return it."""
        self.id = request_id
        self.received_at = int(at)
        return self

    @property
    def model(self) -> str:
        """The name of the model that was asked for."""
        return self.parameters.model

    @property
    def is_stream(self) -> bool:
        """Whether the answer is to be streamed."""
        return self.parameters.stream is True

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for usage in the stream."""
        options = self.parameters.stream_options
        return options is not None and options.include_usage is True

    def strict_functions(self) -> dict[str, StrictFunction]:
        """Return the functions whose calls must satisfy a JSON schema: none."""
        return {}

    def _changed(self, changes: dict[str, Any]) -> tuple[dict[str, Raw], P]:
        """Return fields and parameters with members replaced (None removes one, `msgspec.Raw` goes in as it is).

        Raises `InvalidRequest` for a value that the operation's own types do not allow.
        """
        fields = dict(self.fields)
        parameters = copy(self.parameters)
        for name, value in changes.items():
            typed = None
            if value is None:
                fields.pop(name, None)
            else:
                head = b'{"%b":' % name.encode()
                text = b"%b%b}" % (head, value if isinstance(value, Raw) else msgspec.json.encode(value))
                # A part of what is decoded, which the typed value may hold parts of too: images are large.
                fields[name] = Raw(memoryview(text)[len(head) : -1])
                typed = self.validator.decode_member(name, text) if name in parameters.__struct_fields__ else None
            if name in parameters.__struct_fields__:
                setattr(parameters, name, typed)
        return fields, parameters


def check_stream_options(parameters: Parameters) -> None:
    """Refuse options for a stream that was not asked for."""
    if parameters.stream_options is not None and parameters.stream is not True:
        raise InvalidRequest(
            "The parameter 'stream_options' may only be set when 'stream' is true.", param="stream_options"
        )
