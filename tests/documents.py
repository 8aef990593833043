"""Real documents, made by the libraries that people make them with, and some that nobody should."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from docx import Document
from openpyxl import Workbook
from pptx import Presentation
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
"""The beginning of an image: nobody looks further."""


def pdf(*pages: str, password: str | None = None) -> bytes:
    """Make a PDF with a line of text a page."""
    writer = PdfWriter()
    for text in pages:
        add_page(writer, f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode("latin-1"))
    if password is not None:
        writer.encrypt(password, algorithm="AES-256")
    return written(writer)


def add_page(writer: PdfWriter, content: bytes, *, is_packed: bool = False) -> None:
    """Add a page that is drawn by these commands."""
    page = writer.add_blank_page(600, 800)
    members = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    font = DictionaryObject({NameObject(name): NameObject(value) for name, value in members.items()})
    fonts = DictionaryObject({NameObject("/F1"): font})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    stream = DecodedStreamObject()
    stream.set_data(content)
    page[NameObject("/Contents")] = writer._add_object(stream.flate_encode() if is_packed else stream)


def written(writer: PdfWriter) -> bytes:
    """Return what a writer writes."""
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def docx(*paragraphs: str, table: Sequence[Sequence[str]] = ()) -> bytes:
    """Make a DOCX with a heading, paragraphs, a list and a table."""
    document = Document()
    document.add_heading("The heading", 2)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    document.add_paragraph("an item", style="List Bullet")
    if table:
        made = document.add_table(len(table), len(table[0]))
        for row, cells in zip(made.rows, table, strict=True):
            for cell, words in zip(row.cells, cells, strict=True):
                cell.text = words
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """Make an XLSX with these sheets."""
    workbook = Workbook()
    del workbook["Sheet"]
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def pptx(title: str, notes: str) -> bytes:
    """Make a PPTX with one slide: a title, a text inside two groups, notes."""
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = title
    group = slide.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 100, 100).text_frame.text = "deep in groups"
    slide.notes_slide.notes_text_frame.text = notes
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def repacked(document: bytes, members: Mapping[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a package with some of its members replaced, or more of them."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as old, zipfile.ZipFile(file, "w", packing) as new:
        for name in old.namelist():
            if name not in members:
                new.writestr(name, old.read(name))
        for name, data in members.items():
            new.writestr(name, data)
    return file.getvalue()
