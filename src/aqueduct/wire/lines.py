"""Tables as text: a row a line, as CSV (RFC 4180) or as JSON Lines (https://jsonlines.org)."""

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

import msgspec

CSV = "text/csv"
JSON_LINES = "application/jsonl"
FORMULA_STARTS = frozenset("=+-@\t\r")
"""How a text begins that a spreadsheet would take for a formula (OWASP, CSV injection)."""

Row = Sequence[Any]


class Lines(Protocol):
    """Writes rows, each with a value a column, in the order of the columns."""

    def head(self) -> bytes:
        """Return what comes before the first row."""

    def encode(self, rows: Iterable[Row]) -> bytes:
        """Return the lines of some rows."""


class CsvLines:
    """CSV under a line of the columns' names; `free` are the columns whose text somebody else has chosen."""

    def __init__(self, columns: Sequence[str], free: Collection[str] = (), line_end: str = "\r\n") -> None:
        self._columns = columns
        self._free = [position for position, column in enumerate(columns) if column in free]
        self._line_end = line_end

    def head(self) -> bytes:
        """Return the line of names."""
        return self._write([self._columns])

    def encode(self, rows: Iterable[Row]) -> bytes:
        """Return the lines of some rows; None is an empty cell."""
        return self._write(map(self._without_formulas, rows))

    def _write(self, rows: Iterable[Row]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=self._line_end).writerows(rows)
        return text.getvalue().encode()

    def _without_formulas(self, row: Row) -> Row:
        for position in self._free:
            text = row[position]
            if text and text[0] in FORMULA_STARTS:
                return [as_text(value) if at in self._free else value for at, value in enumerate(row)]
        return row


class JsonLines:
    """An object a line, its members named as the columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._encode = msgspec.json.Encoder().encode_lines

    def head(self) -> bytes:
        """Return nothing: objects need no names above them."""
        return b""

    def encode(self, rows: Iterable[Row]) -> bytes:
        """Return the lines of some rows."""
        columns = self._columns
        return self._encode([dict(zip(columns, row, strict=True)) for row in rows])


def as_text(value: str | None) -> str | None:
    """Quote what a spreadsheet would take for a formula as text."""
    return f"'{value}" if value and value[0] in FORMULA_STARTS else value
