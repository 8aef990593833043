"""What a request used, as it is recorded: a map of units, a row an attempt.

Unit names follow OpenTelemetry GenAI. `input_tokens` includes `cached_tokens`, `output_tokens` includes
`reasoning_tokens`, as in OpenAI's own usage object. Money is whole billionths (nano-units) of its currency.
"""

from collections.abc import Iterable

import msgspec

Units = dict[str, int]
"""How much of what, by the names in `UNITS`; a record may hold others too."""

UNITS = (
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cache_write_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "images",
    "cache_hits",
    "saved_input_tokens",
    "saved_output_tokens",
)
"""The units that are summed; those before the gateway's own cache's are priced.

What the cache answered used no tokens: those that its answers had taken are counted as saved.
"""

CONTAINED_IN = {
    "cached_tokens": "input_tokens",
    "cache_write_tokens": "input_tokens",
    "input_audio_tokens": "input_tokens",
    "reasoning_tokens": "output_tokens",
    "output_audio_tokens": "output_tokens",
}
"""Which unit is counted within which other one: never to be added to it, or paid for twice."""

FINISHED = "finished"
CLIENT_GONE = "client_gone"
SEND_FAILED = "send_failed"
UPSTREAM_DIED = "upstream_died"
CANCELLED = "cancelled"
REFUSED = "refused"
"""How a request can end; `refused` is an error answered before any upstream was committed to, `send_failed` a client
that did not read its answer."""


def sum_units(maps: Iterable[Units]) -> Units:
    """Return the sum of each unit."""
    total: Units = {}
    for units in maps:
        for unit, amount in units.items():
            total[unit] = total.get(unit, 0) + amount
    return total


MAX_TEXT_CHARACTERS = 500
"""How much is kept of a text that a client or an upstream chose: it may be as long as a body."""


def shortened(text: str | None) -> str | None:
    """Return as much of a text as a record keeps."""
    return None if text is None else text[:MAX_TEXT_CHARACTERS]


class AttemptRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One call to one target, failed ones too.

    `status` is the upstream's HTTP status (None: none came), `error` the code of an `UpstreamError`. Durations are in
    milliseconds from the attempt's start. `cost_nano` is None where no price is known.
    """

    target: str
    provider: str
    started_at: float
    status: int | None = None
    error: str | None = None
    response_model: str | None = None
    upstream_request_id: str | None = None
    units: Units = {}
    is_estimated: bool = False
    cost_nano: int | None = None
    currency: str | None = None
    first_byte_ms: float | None = None
    total_ms: float = 0.0


class UsageRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One authenticated request, whatever became of it; the line of the journal and, later, the rows of the database.

    `id` is our request id, a UUIDv7, and makes the write idempotent. `started_at` is in seconds since the epoch.
    `status` is the one the client was sent; `units` the sum that the client is charged for, and `cost_nano` what that
    cost at the time (None: no price is known, or the attempts were priced in several currencies). `request_model` is
    what the client asked for, `model` the name of the model that was found by it (`*` for every other one). `cache` is
    what the gateway's own cache did (None: the model has none), `saved_nano` what a kept answer had cost.
    """

    id: str
    started_at: float
    operation: str
    api_token_id: str
    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    service_account_id: str | None = None
    model: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    target: str | None = None
    provider: str | None = None
    status: int = 200
    ending: str = FINISHED
    error_code: str | None = None
    is_stream: bool = False
    units: Units = {}
    is_estimated: bool = False
    cost_nano: int | None = None
    currency: str | None = None
    finish_reason: str | None = None
    first_byte_ms: float | None = None
    total_ms: float = 0.0
    end_user: str | None = None
    client_request_id: str | None = None
    cache: str | None = None
    saved_nano: int | None = None
    attempts: list[AttemptRecord] = []


class Undelivered(msgspec.Struct, kw_only=True):
    """A later line about a settled request: its last bytes were released but could not be sent."""

    undelivered: str
