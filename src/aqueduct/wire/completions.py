"""`POST /completions`: the request, checked against OpenAI's `CreateCompletionRequest`."""

from typing import Annotated, Any, Self

from msgspec import Meta

from aqueduct.errors import InvalidRequest
from aqueduct.wire.generation import INTEGERS, MAX_COUNT, Parameters, ParsedRequest, check_stream_options
from aqueduct.wire.json_object import read_object
from aqueduct.wire.validation import Rules, Validator, Violation

Numbers = Annotated[list[int], Meta(min_length=1)]
"""A prompt as the numbers of its vocabulary's entries."""

Prompts = Annotated[
    list[str | int | Numbers],
    Meta(
        min_length=1,
        extra_json_schema={"anyOf": [{"items": {"type": kind}} for kind in ("string", "integer", "array")]},
    ),
]
"""Several texts, one prompt as numbers, or several of those; never a mixture."""


class CompletionParameters(Parameters, kw_only=True, gc=False):
    """The typed parameters of a plain completion; null stands for the default everywhere."""

    prompt: str | Prompts | None
    best_of: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None = None
    suffix: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.prompt, list) and len({type(item) for item in self.prompt}) > 1:
            raise Violation("expected an array of one kind of item", member="prompt", code="invalid_type")


KNOWN_FIELDS = frozenset(CompletionParameters.__struct_fields__)

_VALIDATOR = Validator(
    CompletionParameters,
    Rules(integers=(*INTEGERS, ("best_of",), ("logprobs",), ("prompt", "*"), ("prompt", "*", "*"))),
)


class CompletionRequest(ParsedRequest[CompletionParameters]):
    """A checked request for a plain completion."""

    operation = "completions"
    validator = _VALIDATOR

    @property
    def choices(self) -> int:
        """How many choices the answer has: `n` for each prompt."""
        return (self.parameters.n or 1) * self.prompts

    @property
    def max_output_tokens(self) -> int | None:
        """How much each choice may be at the most."""
        return self.parameters.max_tokens

    @property
    def end_user(self) -> str | None:
        """The client's own name for the person behind the request."""
        return self.parameters.user

    @property
    def schema(self) -> None:
        """No JSON schema can be asked for."""
        return

    @property
    def prompts(self) -> int:
        """How many prompts there are."""
        prompt = self.parameters.prompt
        return len(prompt) if isinstance(prompt, list) and not isinstance(prompt[0], int) else 1

    def with_fields(self, **changes: Any) -> Self:
        """Return the same request with top-level members replaced (None removes one)."""
        return type(self)(*self._changed(changes)).received(self.id, self.received_at)

    def input_text(self) -> str:
        """Return the text of every prompt, for counting; prompts given as numbers stand as those numbers."""
        prompt = self.parameters.prompt or ""
        if isinstance(prompt, str):
            return prompt
        return "\n".join(item if isinstance(item, str) else str(item) for item in prompt)


def parse_completion(body: bytes) -> CompletionRequest:
    """Return the request in `body`, or raise `InvalidRequest` naming what is wrong with it."""
    fields = read_object(body, KNOWN_FIELDS)
    parameters = _VALIDATOR.decode(body)
    check_stream_options(parameters)
    _check_best_of(parameters)
    return CompletionRequest(fields, parameters)


def _check_best_of(parameters: CompletionParameters) -> None:
    """Refuse more choices than are generated, and a choice among several that stream, as OpenAI does."""
    best_of = parameters.best_of
    if best_of is None:
        return
    if best_of < (parameters.n or 1):
        raise InvalidRequest("The parameter 'best_of' must be at least 'n'.", param="best_of")
    if best_of > (parameters.n or 1) and parameters.stream is True:
        raise InvalidRequest("The parameter 'best_of' must equal 'n' when 'stream' is true.", param="best_of")
