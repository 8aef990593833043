"""The audit log as a file: JSON Lines, or CSV with what was before and after as JSON."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from aqueduct.admin_api.audit.schemas import AuditView
from aqueduct.domain.audit import AuditEntry

CSV = "text/csv"
JSON_LINES = "application/jsonl"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The entries, a line each.",
        "content": {JSON_LINES: {"schema": {"type": "string"}}, CSV: {"schema": {"type": "string"}}},
    }
}


async def write_json_lines(entries: AsyncIterator[AuditEntry]) -> AsyncIterator[bytes]:
    """Yield an entry a line."""
    async for entry in entries:
        yield AuditView.model_validate(entry).model_dump_json().encode() + b"\n"


async def write_csv(entries: AsyncIterator[AuditEntry]) -> AsyncIterator[bytes]:
    """Yield the names of the columns, then an entry a line."""
    yield write_line(list(AuditView.model_fields))
    async for entry in entries:
        shown = AuditView.model_validate(entry).model_dump(mode="json")
        yield write_line([as_cell(value) for value in shown.values()])


def as_cell(value: object) -> str:
    """Write a value as a cell; what a spreadsheet would take for a formula is quoted as text."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def write_line(cells: Sequence[str]) -> bytes:
    """Write a line of CSV (RFC 4180)."""
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
