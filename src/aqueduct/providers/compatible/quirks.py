"""What makes a service differ from OpenAI's own, as data: one value a service, in `rows.py`.

No behaviour here but the reading of a value; `fields.py`, `stream.py`, `answers.py` and `errors.py` act on it.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any

import msgspec


class UsageReport(enum.Enum):
    """Where a stream reports its usage; a client that asked for it gets a chunk of its own at the end, as OpenAI's."""

    APART = "a chunk of its own"
    LAST_CHUNK = "the last chunk with choices"
    EVERY_CHUNK = "every chunk, summed up"
    X_GROQ = "`x_groq` of the last chunk"


class Reasoning(enum.Enum):
    """Where an answer holds what the model thought; a client always reads `reasoning_content`."""

    REASONING_CONTENT = "`reasoning_content`"
    REASONING = "`reasoning`"
    PARTS = "parts of the content"
    TAGS = "`<think>` in the content"


class Meaning(enum.Enum):
    """What an error means where its status says something else."""

    UNAUTHORIZED = "the key is refused"
    NO_CREDIT = "the money is used up"
    RATE_LIMITED = "too much at a time"
    CONTEXT_OVERFLOW = "the context is too long"
    CONTENT_POLICY = "the content is refused"
    BAD_ANSWER = "the model made a mistake"


class ErrorRule(msgspec.Struct, frozen=True):
    """Errors of one status whose code, type or message matches the pattern mean something else than the status says."""

    status: int
    pattern: str
    meaning: Meaning


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """The differences of one service; the defaults are OpenAI's own ways.

    Requests. `renamed` fields travel under another name, `refused` ones not at all where the value asks for
    something, `dropped` ones are left out and named. `values` are spelled otherwise, by field; so are `roles`.
    `message_members` have another name in messages, or (None) are left out. Where the config does not say, files
    (PDF) go to a service that `reads_files`. A service without `has_choices` gets a call for each choice, one
    without `has_stream_options` reports usage unasked. A JSON schema goes in `schema_member` of `json_object` where
    the service has no `json_schema`; one without `has_json_object` gets a schema of any object. With `holds_calls`
    it is known to hold the calls of strict functions to their schemas.

    Answers. `usage` and `reasoning` say where to look; with `counts_reasoning_apart` the completion's tokens do not
    include those of the reasoning. `errors` are read before the status is.
    """

    renamed: Mapping[str, str] = {}
    refused: Mapping[str, Callable[[Any], bool]] = {}
    dropped: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, str]] = {}
    roles: Mapping[str, str] = {}
    message_members: Mapping[str, str | None] = {}
    has_choices: bool = True
    has_stream_options: bool = True
    has_json_object: bool = True
    holds_calls: bool = False
    schema_member: str | None = None
    usage: UsageReport = UsageReport.APART
    counts_reasoning_apart: bool = False
    reasoning: Reasoning = Reasoning.REASONING_CONTENT
    errors: tuple[ErrorRule, ...] = ()
    fetches_urls: bool = True
    reads_files: bool = False

    @property
    def streams_as_openai(self) -> bool:
        """Whether there is nothing to adapt in a stream."""
        is_plain = self.reasoning is Reasoning.REASONING_CONTENT and self.usage is UsageReport.APART
        return is_plain and not self.counts_reasoning_apart
