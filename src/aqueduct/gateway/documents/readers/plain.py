"""Text as it is: plain, Markdown, CSV, source code and whatever else is made of characters."""

from aqueduct.gateway.documents.charset import decode
from aqueduct.gateway.documents.text import TextBuilder


def read(data: bytes, text: TextBuilder) -> None:
    """Add all of it."""
    text.add(decode(data).replace("\r\n", "\n").replace("\r", "\n"))
