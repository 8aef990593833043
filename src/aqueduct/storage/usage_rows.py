"""Turns lines of the journal into rows of the usage tables. No I/O."""

from collections.abc import Iterable
from typing import Any

import msgspec

from aqueduct.domain.usage import AttemptRecord, Undelivered, UsageRecord
from aqueduct.storage.instants import MICROSECONDS

Row = tuple[Any, ...]

NO_TEXT, NO_NUMBER = 0, ""
"""What stands for NULL in a row: the number in a column of text, the text in a column of numbers.

Python's SQLite driver binds text and numbers at once, but asks a protocol about every None and boolean, at about a
microsecond each, which was half the time of an insert. The statements turn the markers into NULL; booleans are 0 and 1.
"""

REQUEST_COLUMNS = (
    "id",
    "started_at",
    "operation",
    "api_token_id",
    "organisation_id",
    "team_id",
    "user_id",
    "service_account_id",
    "model",
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
    "cost_nano",
    "currency",
    "finish_reason",
    "first_byte_ms",
    "total_ms",
    "end_user",
    "client_request_id",
    "cache",
    "saved_nano",
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
    "cost_nano",
    "currency",
    "first_byte_ms",
    "total_ms",
)

UNDELIVERED = b'{"undelivered":'
BACKSLASH, NUL, REPLACEMENT = b"\\", rb"\u0000", rb"\ufffd"

decode_usage = msgspec.json.Decoder(UsageRecord).decode
decode_undelivered = msgspec.json.Decoder(Undelivered).decode
encode = msgspec.json.Encoder().encode


class Batch:
    """Records with their rows of both tables, the requests to mark as undelivered, and lines that are no records."""

    __slots__ = ("attempts", "damaged", "records", "requests", "undelivered")

    def __init__(self) -> None:
        self.records: list[UsageRecord] = []
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
    if BACKSLASH in line and NUL in line:
        # Clients choose some of the text, and PostgreSQL has no NUL. A single byte is looked for much faster.
        line = line.replace(NUL, REPLACEMENT)
    add_record(decode_usage(line), batch)


def add_record(record: UsageRecord, batch: Batch) -> None:
    """Add the rows of one record to the batch."""
    batch.records.append(record)
    units = encode(record.units).decode()
    batch.requests.append(request_row(record, units))
    for position, attempt in enumerate(record.attempts):
        # Most requests have one attempt, which used all that they did.
        attempt_units = units if attempt.units == record.units else encode(attempt.units).decode()
        batch.attempts.append(attempt_row(record.id, position, attempt, attempt_units))


def request_row(record: UsageRecord, units: str) -> Row:
    """Return the row in the order of `REQUEST_COLUMNS`."""
    return (
        record.id,
        int(record.started_at * MICROSECONDS),
        record.operation,
        record.api_token_id,
        record.organisation_id or NO_TEXT,
        record.team_id or NO_TEXT,
        record.user_id or NO_TEXT,
        record.service_account_id or NO_TEXT,
        record.model or NO_TEXT,
        record.request_model or NO_TEXT,
        record.response_model or NO_TEXT,
        record.target or NO_TEXT,
        record.provider or NO_TEXT,
        record.status,
        record.ending,
        record.error_code or NO_TEXT,
        +record.is_stream,
        +record.is_estimated,
        units,
        NO_NUMBER if record.cost_nano is None else record.cost_nano,
        record.currency or NO_TEXT,
        record.finish_reason or NO_TEXT,
        NO_NUMBER if record.first_byte_ms is None else record.first_byte_ms,
        record.total_ms,
        record.end_user or NO_TEXT,
        record.client_request_id or NO_TEXT,
        record.cache or NO_TEXT,
        NO_NUMBER if record.saved_nano is None else record.saved_nano,
    )


def attempt_row(request_id: str, position: int, attempt: AttemptRecord, units: str) -> Row:
    """Return the row in the order of `ATTEMPT_COLUMNS`."""
    return (
        request_id,
        position,
        attempt.target,
        attempt.provider,
        int(attempt.started_at * MICROSECONDS),
        NO_NUMBER if attempt.status is None else attempt.status,
        attempt.error or NO_TEXT,
        attempt.response_model or NO_TEXT,
        attempt.upstream_request_id or NO_TEXT,
        units,
        +attempt.is_estimated,
        NO_NUMBER if attempt.cost_nano is None else attempt.cost_nano,
        attempt.currency or NO_TEXT,
        NO_NUMBER if attempt.first_byte_ms is None else attempt.first_byte_ms,
        attempt.total_ms,
    )
