"""What every parsed request has in common, whatever its operation."""

from typing import Any, NamedTuple, Protocol

import msgspec


class StrictFunction(NamedTuple):
    """The JSON schema of a function's arguments, and where in the request it is."""

    schema: dict[str, Any]
    path: str


class Request(Protocol):
    """A request whose body has been checked: typed where it is read, raw where it only travels.

    `fields` holds every top-level member in the client's order, known or not, as raw JSON; it is what goes upstream.
    """

    operation: str
    fields: dict[str, msgspec.Raw]
    id: str
    """Our request id, a UUIDv7: what an answer is named after where its upstream names none."""
    received_at: int
    """When it came, in seconds since the epoch."""
    is_held: bool
    """Whether its answer is held to JSON schemas: as a whole, or the calls of its functions."""

    @property
    def model(self) -> str:
        """The name of the model that was asked for."""

    @property
    def is_stream(self) -> bool:
        """Whether the answer is to be streamed."""

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for usage in the stream."""

    @property
    def choices(self) -> int:
        """How many choices it asks for (`n`)."""

    @property
    def max_output_tokens(self) -> int | None:
        """How much each choice may be at the most; None where the client leaves it to the model."""

    @property
    def end_user(self) -> str | None:
        """The client's own name for the person behind the request."""

    @property
    def has_attachments(self) -> bool:
        """Whether an image or a file is among what it says."""

    @property
    def schema(self) -> dict[str, Any] | bool | None:
        """The JSON schema the answer must satisfy, or None."""

    def strict_functions(self) -> dict[str, StrictFunction]:
        """Return the functions whose calls must satisfy a JSON schema, by name."""

    def received(self, request_id: str, at: float) -> "Request":
        """Say which request it is, and when it came; return it."""

    def with_fields(self, **changes: Any) -> "Request":
        """Return the same request with top-level members replaced (None removes one)."""

    def input_text(self) -> str:
        """Return all the text that goes into the model, for counting."""
