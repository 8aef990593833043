"""The audit log as a file: JSON Lines, or CSV with what was before and after as JSON."""

from collections.abc import AsyncIterator

import msgspec

from aqueduct.admin_api.audit.schemas import AuditView
from aqueduct.domain.audit import AuditEntry
from aqueduct.wire.lines import CsvLines

COLUMNS = list(AuditView.model_fields)


async def write_json_lines(entries: AsyncIterator[AuditEntry]) -> AsyncIterator[bytes]:
    """Yield an entry a line."""
    async for entry in entries:
        yield AuditView.model_validate(entry).model_dump_json().encode() + b"\n"


async def write_csv(entries: AsyncIterator[AuditEntry]) -> AsyncIterator[bytes]:
    """Yield the names of the columns, then an entry a line."""
    lines = CsvLines(COLUMNS, free=COLUMNS)
    yield lines.head()
    async for entry in entries:
        shown = AuditView.model_validate(entry).model_dump(mode="json")
        yield lines.encode([[as_cell(value) for value in shown.values()]])


def as_cell(value: object) -> str | None:
    """Write a value as a cell: what was before and after as JSON."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return None if value is None else str(value)
