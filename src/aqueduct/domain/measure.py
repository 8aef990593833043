"""What there is to say of each kind of limit, in one table."""

from collections.abc import Mapping
from typing import NamedTuple

from aqueduct.domain.limit import Dimension


class Measure(NamedTuple):
    """How a dimension is counted and told of: its words, the type of its error, the kind of its headers if it has any.

    `unit` is what a record says was used, and an estimate of a request has under the same name (None: a request counts
    as one); `is_guessed`, that the estimate may be far too much; `is_held`, that it counts for as long as the request
    runs, one place for each.
    """

    words: str
    error_type: str
    kind: bytes | None = None
    unit: str | None = None
    is_guessed: bool = False
    is_held: bool = False


MEASURES: Mapping[Dimension, Measure] = {
    Dimension.REQUESTS_PER_MINUTE: Measure("requests per minute", "requests", b"requests"),
    Dimension.INPUT_TOKENS_PER_MINUTE: Measure("input tokens per minute", "tokens", b"tokens", "input_tokens"),
    Dimension.OUTPUT_TOKENS_PER_MINUTE: Measure(
        "output tokens per minute", "tokens", b"tokens", "output_tokens", is_guessed=True
    ),
    Dimension.CONCURRENT_REQUESTS: Measure("concurrent requests", "concurrency", is_held=True),
}
"""All that is to be said of a kind of limit: a new one is a row here, and an option of the command line."""
