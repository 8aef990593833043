"""XLSX, by openpyxl in its streaming mode: the values that the cells showed when it was saved, sheet by sheet."""

import io
import warnings
from datetime import date, datetime, time, timedelta
from typing import Any

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from aqueduct.gateway.documents.package import check_package
from aqueduct.gateway.documents.text import TextBuilder, Unreadable

_MOST_COLUMNS = 1000
_MOST_EMPTY_ROWS = 1000
"""Sheets with formats down to row 1,048,576 are common; after so many empty rows nothing is expected."""


def read(data: bytes, text: TextBuilder) -> None:
    """Add every sheet that is shown, its rows as a table."""
    check_package(data)
    warnings.simplefilter("ignore")
    try:
        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    except (InvalidFileException, KeyError, ValueError):
        raise Unreadable("It is damaged.") from None
    for sheet in workbook.worksheets:
        if sheet.sheet_state == "visible":
            text.add_line(f"[Sheet {sheet.title}]")
            _add_rows(sheet, text)
            text.add_line("")


def _add_rows(sheet: Any, text: TextBuilder) -> None:
    sheet.reset_dimensions()  # what a file says of its size need not be true
    empty = 0
    for row in sheet.iter_rows(max_col=_MOST_COLUMNS, values_only=True):
        if all(value is None for value in row):
            empty += 1
            text.add("")
            if empty > _MOST_EMPTY_ROWS:
                return
            continue
        empty = 0
        text.add_row(_written(value) for value in row)


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ").removesuffix(" 00:00:00")
    if isinstance(value, date | time | timedelta):
        return str(value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value)
