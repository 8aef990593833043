"""Turns lines of the journal into rows of the usage tables. No I/O."""

from collections.abc import Iterable
from typing import Any

import msgspec

from aqueduct.domain.usage import AttemptRecord, Undelivered, UsageRecord
from aqueduct.storage.instants import MICROSECONDS

Row = tuple[Any, ...]

REQUEST_COLUMNS = (
    "id",
    "started_at",
    "operation",
    "api_token_id",
    "organisation_id",
    "team_id",
    "user_id",
    "service_account_id",
    "request_model",
    "response_model",
    "target",
    "provider",
    "status",
    "ending",
    "error_code",
    "is_stream",
    "is_estimated",
    "units",
    "finish_reason",
    "first_byte_ms",
    "total_ms",
    "end_user",
    "client_request_id",
)
ATTEMPT_COLUMNS = (
    "request_id",
    "position",
    "target",
    "provider",
    "started_at",
    "status",
    "error",
    "response_model",
    "upstream_request_id",
    "units",
    "is_estimated",
    "first_byte_ms",
    "total_ms",
)

UNDELIVERED = b'{"undelivered":'
NUL, REPLACEMENT = rb"\u0000", rb"\ufffd"

decode_usage = msgspec.json.Decoder(UsageRecord).decode
decode_undelivered = msgspec.json.Decoder(Undelivered).decode
encode = msgspec.json.Encoder().encode


class Batch:
    """Rows of both tables, the requests to mark as undelivered, and the lines that are no records."""

    __slots__ = ("attempts", "damaged", "requests", "undelivered")

    def __init__(self) -> None:
        self.requests: list[Row] = []
        self.attempts: list[Row] = []
        self.undelivered: list[Row] = []
        self.damaged: list[bytes] = []

    def __len__(self) -> int:
        return len(self.requests)


def read_lines(lines: Iterable[bytes]) -> Batch:
    """Read whole lines, with their ends; blank ones are nothing."""
    batch = Batch()
    for line in lines:
        if line == b"\n":
            continue
        try:
            read_line(line, batch)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            batch.damaged.append(line)
    return batch


def read_line(line: bytes, batch: Batch) -> None:
    """Add the rows of one line to the batch, or raise one of msgspec's errors and add nothing."""
    if line.startswith(UNDELIVERED):
        batch.undelivered.append((decode_undelivered(line).undelivered,))
        return
    if NUL in line:
        # Clients choose some of the text, and PostgreSQL has no NUL.
        line = line.replace(NUL, REPLACEMENT)
    record = decode_usage(line)
    batch.requests.append(request_row(record))
    for position, attempt in enumerate(record.attempts):
        batch.attempts.append(attempt_row(record.id, position, attempt))


def request_row(record: UsageRecord) -> Row:
    """Return the row in the order of `REQUEST_COLUMNS`."""
    return (
        record.id,
        int(record.started_at * MICROSECONDS),
        record.operation,
        record.api_token_id,
        record.organisation_id,
        record.team_id,
        record.user_id,
        record.service_account_id,
        record.request_model,
        record.response_model,
        record.target,
        record.provider,
        record.status,
        record.ending,
        record.error_code,
        record.is_stream,
        record.is_estimated,
        encode(record.units).decode(),
        record.finish_reason,
        record.first_byte_ms,
        record.total_ms,
        record.end_user,
        record.client_request_id,
    )


def attempt_row(request_id: str, position: int, attempt: AttemptRecord) -> Row:
    """Return the row in the order of `ATTEMPT_COLUMNS`."""
    return (
        request_id,
        position,
        attempt.target,
        attempt.provider,
        int(attempt.started_at * MICROSECONDS),
        attempt.status,
        attempt.error,
        attempt.response_model,
        attempt.upstream_request_id,
        encode(attempt.units).decode(),
        attempt.is_estimated,
        attempt.first_byte_ms,
        attempt.total_ms,
    )
