"""Usage as a file: sums by any grouping, or the raw records, as lines of CSV or of JSON.

Both come in chunks of about a millisecond's work each, with a pause for everybody else in between, and take the same
memory however many lines there are.
"""

import asyncio
import enum
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any

from aqueduct.control.usage import UNITS, Grouping, Selection, require_reach
from aqueduct.domain.money import written
from aqueduct.storage import usage, usage_records
from aqueduct.storage.database import Database
from aqueduct.storage.spool import spooled
from aqueduct.storage.usage import NAMED, SumsRow
from aqueduct.storage.usage_records import Attempts, Record
from aqueduct.wire.lines import CSV, JSON_LINES, CsvLines, JsonLines, Lines


class LineFormat(enum.StrEnum):
    """What is written."""

    JSONL = "jsonl"
    CSV = "csv"


CRLF = "\r\n"
MEDIA_TYPES = {LineFormat.JSONL: JSON_LINES, LineFormat.CSV: CSV}
PAGE = 1000
CHUNK_ROWS = 100
KEYS = {"token": "api_token", "service-account": "service_account", "end-user": "end_user"}
"""What a grouping is called in a column, where that is not its own name."""

FREE = frozenset(
    {
        *usage_records.NAMES,
        "model",
        "request_model",
        "response_model",
        "target",
        "provider",
        "error_code",
        "finish_reason",
        "end_user",
        "client_request_id",
    }
)
"""The columns whose text a client, an upstream or an administrator has chosen."""


async def export_sums(
    database: Database, selection: Selection, by: Sequence[Grouping], form: LineFormat, end: str = CRLF
) -> AsyncIterator[bytes]:
    """Yield a line a group and currency, in order; lines of CSV end with `end`.

    All is read before the first line is handed on, into a file that has no name: nobody who reads slowly keeps a
    transaction open.
    """
    require_reach(by, selection)
    columns = sums_columns(by)
    lines = JsonLines(columns) if form is LineFormat.JSONL else CsvLines(columns, FREE, end)
    async for block in spooled(read_sums(database, selection, by, lines)):
        yield block


async def read_sums(
    database: Database, selection: Selection, by: Sequence[Grouping], lines: Lines
) -> AsyncIterator[bytes]:
    """Yield the lines of sums as they are read."""
    yield lines.head()
    async with database.reporting() as connection:
        async for part in usage.stream_sums(connection, selection, by):
            async for chunk in encode(part, lines, partial(sums_line, by=by)):
                yield chunk


async def export_records(
    database: Database, selection: Selection, form: LineFormat, end: str = CRLF
) -> AsyncIterator[bytes]:
    """Yield a line a request, in the order of their ids, with its attempts (CSV has only their number)."""
    lines = record_lines(form, end)
    # With the first line: where none can be read, nothing has been said yet.
    head = lines.head()
    async for page, attempts in read_pages(database, selection, with_attempts=form is LineFormat.JSONL):
        line = usage_records.flat if form is LineFormat.CSV else partial(usage_records.whole, attempts=attempts)
        async for chunk in encode(page, lines, line):
            yield head + chunk
            head = b""
    if head:
        yield head


async def read_pages(
    database: Database, selection: Selection, *, with_attempts: bool
) -> AsyncIterator[tuple[list[Record], Attempts]]:
    """Yield the raw records and their attempts, a page in memory at a time."""
    last: str | None = None
    while True:
        # A transaction a page: a long export must not keep SQLite's log from being cut.
        async with database.reporting() as connection:
            page = await usage_records.read_page(connection, selection, last, PAGE)
            attempts = await usage_records.read_attempts(connection, page) if with_attempts else {}
        if page:
            yield page, attempts
            last = page[-1][0]
        if len(page) < PAGE:
            return


async def encode(rows: Sequence[Any], lines: Lines, line: Callable[[Any], Sequence[Any]]) -> AsyncIterator[bytes]:
    """Yield the lines of rows, some at a time, and let others have the event loop after each."""
    for some in parts(rows):
        yield lines.encode(map(line, some))
        await asyncio.sleep(0)


def parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut rows into parts that take about a millisecond to write."""
    for first in range(0, len(rows), CHUNK_ROWS):
        yield rows[first : first + CHUNK_ROWS]


def sums_columns(by: Sequence[Grouping]) -> list[str]:
    """Return the columns of sums: ids with their names, counts, and the cost in its currency."""
    columns: list[str] = []
    for grouping in by:
        name = KEYS.get(grouping, grouping)
        columns += [f"{name}_id", f"{name}_name"] if grouping in NAMED else [name]
    return [*columns, "requests", "errors", *UNITS, "cost", "saved", "currency", "duration_ms"]


def sums_line(row: SumsRow, by: Sequence[Grouping]) -> list[Any]:
    """Return the values of `sums_columns`."""
    values: list[Any] = []
    name_at = len(by)
    for at, grouping in enumerate(by):
        values.append(row[at])
        if grouping in NAMED:
            values.append(row[name_at])
            name_at += 1
    currency, *counts, cost_nano, saved_nano, duration_ms = row[name_at:]
    amounts = (written(cost_nano), written(saved_nano), currency) if currency else (None, None, None)
    return [*values, *counts, *amounts, duration_ms]


def record_lines(form: LineFormat, line_end: str) -> Lines:
    """Return what writes raw records."""
    if form is LineFormat.JSONL:
        return JsonLines(usage_records.COLUMNS)
    return CsvLines(usage_records.FLAT_COLUMNS, FREE, line_end)
