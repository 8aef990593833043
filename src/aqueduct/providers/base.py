"""What every adapter offers the gateway, and the values that pass between them.

An adapter is keyed by operation (`chat`, `completions`; later embeddings and so on) and has four methods for each.
Every attempt builds from the client's original request, so an adapter keeps no state between calls.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from aqueduct.domain.http import Headers, UpstreamRequest
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.domain.usage import Units
from aqueduct.errors import UpstreamError
from aqueduct.wire.request import Request

EVENT_STREAM = b"text/event-stream"
"""The media type of server-sent events."""


class Answer(msgspec.Struct, kw_only=True):
    """A plain answer, whole, in OpenAI's format.

    `body` is what the client gets. `contents` holds the text of each choice that ended in `stop` with neither refusal
    nor tool call (what a JSON schema is checked against), by choice index; `output_text` is all the text generated, for
    counting where `units` is None because the upstream reported no usage.
    """

    body: bytes
    units: Units | None
    response_model: str | None = None
    finish_reason: str | None = None
    contents: dict[int, str] = {}
    output_text: str = ""


class Event(msgspec.Struct):
    """One event of a stream, in OpenAI's format: `payload` is the JSON after `data: `, without line ends.

    `is_content` is true of the first event that carries content, reasoning or a tool call and of all after it: the
    commit waits for it. `payload` is empty for an event that the client is not to see (usage it did not ask for).
    """

    payload: bytes
    is_content: bool


class StreamReader(Protocol):
    """Turns the bytes of one streamed answer into events; made anew for every attempt.

    `feed` and `finish` raise `UpstreamError` for an error event of any dialect, rubbish or a truncated stream; the
    events before it are in `pending`. After `finish` returned, the stream was whole.
    """

    units: Units | None
    response_model: str | None
    is_done: bool
    is_end_said: bool
    """Whether its end was said as its protocol says it; where a protocol does not, every whole stream's is."""
    pending: list[Event]

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""

    def feed(self, data: bytes) -> list[Event]:
        """Take what arrived, cut anywhere; return the events that are now complete."""

    def finish(self) -> list[Event]:
        """Take the end of the body; return what was left, or raise if the stream was not whole."""

    def contents(self) -> dict[int, str]:
        """Return the text of each choice that ended in `stop` with neither refusal nor tool call, by index."""

    def output_text(self) -> str:
        """Return all the text generated so far, for counting."""


class Operation(Protocol):
    """One operation of one kind of provider."""

    stream_type: bytes
    """The media type that a streamed answer of this kind has; whatever else comes is an error."""
    fetches_urls: bool
    """Whether the target fetches an image or a file by its address itself; otherwise the gateway puts it in place."""
    file_types: frozenset[str]
    """The media types of file parts that can be sent to a target that reads files; of others the gateway puts the text
    in place."""

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Translate the client's request, or raise `RequestError` naming what this target cannot carry."""

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Translate a successful plain answer, or raise `UpstreamInvalidResponse`."""

    def stream_reader(self, request: Request) -> StreamReader:
        """Return a reader for a successful streamed answer."""

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify an answer whose status is not 200, by status and structured code."""

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return the fields that are left out by declared policy; the client is told their names."""

    def calls(self, request: Request) -> Sequence[Request]:
        """Return the upstream calls that make up the request: itself, or one a choice where `n` is not native."""

    def limits_output(self, request: Request) -> bool:
        """Whether the adapter, not the client, says how long the answer may be: one that is cut is asked for again."""

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """Return how the target is held to the request's JSON schema: as configured, or by what the schema allows."""

    def flows(self, request: Request, target: Target) -> bool:
        """Whether a stream held to a JSON schema may flow to the client before it has been checked whole."""

    def holds_calls(self, request: Request, target: Target) -> bool:
        """Whether the target itself holds the calls of all strict functions to their schemas: a stream may flow."""


Adapter = dict[str, Operation]
"""The operations that a kind of provider has, by name."""
