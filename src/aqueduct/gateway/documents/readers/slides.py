"""PPTX, by python-pptx: the text, tables and notes of every slide."""

import io
from typing import Any

from pptx import Presentation
from pptx.exc import PackageNotFoundError

from aqueduct.gateway.documents.package import check_package
from aqueduct.gateway.documents.text import TextBuilder, Unreadable

_DEEPEST_GROUP = 20


def read(data: bytes, text: TextBuilder) -> None:
    """Add every slide under its number."""
    check_package(data)
    try:
        presentation = Presentation(io.BytesIO(data))
    except (PackageNotFoundError, KeyError, ValueError):
        raise Unreadable("It is damaged.") from None
    for number, slide in enumerate(presentation.slides, 1):
        text.add_line(f"[Slide {number}]")
        _add_shapes(slide.shapes, text, 0)
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = slide.notes_slide.notes_text_frame.text.strip()
            if notes:
                text.add_line(f"Notes: {notes}")
        text.add_line("")


def _add_shapes(shapes: Any, text: TextBuilder, depth: int) -> None:
    for shape in shapes:
        if shape.has_text_frame and (words := shape.text_frame.text.strip()):
            text.add_line(words)
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                text.add_row(cell.text for cell in row.cells)
        elif hasattr(shape, "shapes") and depth < _DEEPEST_GROUP:
            _add_shapes(shape.shapes, text, depth + 1)
