"""DOCX, by python-docx: paragraphs, headings, lists and tables in their order, as Markdown."""

import io
import re

from docx import Document
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph

from aqueduct.gateway.documents.package import check_package
from aqueduct.gateway.documents.text import TextBuilder, Unreadable

_HEADING = re.compile(r"heading ([1-6])$", re.IGNORECASE)


def read(data: bytes, text: TextBuilder) -> None:
    """Add the body; headers, footers and comments are left out."""
    check_package(data)
    try:
        document = Document(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError):
        raise Unreadable("It is damaged.") from None
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            _add_table(block, text)
        else:
            _add_paragraph(block, text)


def _add_paragraph(paragraph: Paragraph, text: TextBuilder) -> None:
    words = paragraph.text.strip()
    if not words:
        return
    style = (paragraph.style.name if paragraph.style is not None else None) or ""
    heading = _HEADING.match(style)
    if heading is not None or style == "Title":
        words = f"{'#' * (int(heading[1]) if heading else 1)} {words}"
    elif style.startswith("List"):
        words = f"- {words}"
    text.add_line(f"{words}\n" if not style.startswith("List") else words)


def _add_table(table: Table, text: TextBuilder) -> None:
    for row in table.rows:
        cells: list[str] = []
        seen: set[object] = set()
        for cell in row.cells:
            if cell._tc not in seen:  # noqa: SLF001 -- a merged cell comes once for each column it covers
                seen.add(cell._tc)  # noqa: SLF001
                cells.append(cell.text)
        text.add_row(cells)
    text.add_line("")
