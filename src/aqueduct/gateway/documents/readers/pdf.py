"""PDF, by pypdf: the text layer, page by page. Pictures of text (scans) have none, which the text then says."""

import io
import logging

from pypdf import PdfReader, filters
from pypdf.errors import FileNotDecryptedError

from aqueduct.gateway.documents.text import TextBuilder, Unreadable

logging.getLogger("pypdf").setLevel(logging.CRITICAL)
filters.JBIG2DEC_BINARY = None  # images are not read, and no program is started for one


def read(data: bytes, text: TextBuilder) -> None:
    """Add the text of every page under its number."""
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):  # many are encrypted with no password, only to forbid printing
        raise Unreadable("It is encrypted. Save it without a password.")
    found = False
    try:
        for number, page in enumerate(reader.pages, 1):
            words = page.extract_text().strip()
            found = found or bool(words)
            text.add_line(f"[Page {number}]\n{words}\n")
    except FileNotDecryptedError:
        raise Unreadable("It is encrypted. Save it without a password.") from None
    if not found:
        text.add_line("[The document has no text: its pages are pictures, or empty.]")
