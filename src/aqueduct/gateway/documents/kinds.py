"""Which kind of file it is: by what it holds first, by its name and what the client says of it second.

Standard library only.
"""

import io
import re
import zipfile

from aqueduct.gateway.documents.text import Unreadable

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
HTML = "text/html"
PLAIN = "text/plain"
ZIP = "application/zip"
BINARY = "application/octet-stream"

_PDF_WITHIN = 1024
"""Readers allow so much before the header of a PDF (ISO 32000-1, Annex H, note 13)."""

_PACKAGES = {"word/document.xml": DOCX, "xl/workbook.xml": XLSX, "ppt/presentation.xml": PPTX}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_MAGICS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"{\\rtf": "application/rtf",
    b"\x1f\x8b": "application/gzip",
}
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_HTML_START = re.compile(rb"(?:\s|<!--.*?-->|<\?xml[^>]*>)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_HEAD_BYTES = 4096
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SUFFIX = re.compile(r"\.([a-z0-9]{1,8})$")
_TEXT_BY_SUFFIX = {
    "html": HTML, "htm": HTML, "xhtml": HTML, "md": "text/markdown", "markdown": "text/markdown", "csv": "text/csv",
}  # fmt: skip
_BINARY_BY_SUFFIX = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "wav": "audio/wav", "mp3": "audio/mp3", "aiff": "audio/aiff",
    "aac": "audio/aac", "ogg": "audio/ogg", "flac": "audio/flac", "mp4": "video/mp4", "mpeg": "video/mpeg",
    "mov": "video/quicktime", "webm": "video/webm", "3gp": "video/3gpp", "pdf": PDF,
    "doc": "application/msword", "xls": "application/vnd.ms-excel",
}  # fmt: skip


def media_type(data: bytes, name: str, declared: str) -> str:
    """Return the media type of a file; raise `Unreadable` for one that is encrypted."""
    if b"%PDF-" in data[:_PDF_WITHIN]:
        return PDF
    if data.startswith(b"PK\x03\x04"):
        return _package_type(data)
    if data.startswith(_OLE):
        return _ole_type(data, name, declared)
    known = next((kind for magic, kind in _MAGICS.items() if data.startswith(magic)), None)
    if known is None and _is_text(data):
        return _text_type(data, name, declared)
    # Of recordings and the like only the target knows what they are.
    return known or guess(name, declared)


def guess(name: str, declared: str) -> str:
    """Return what is said of a file: by the client, or else by its name."""
    if declared and declared not in (BINARY, "binary/octet-stream"):
        return declared
    suffix = _suffix(name)
    return _BINARY_BY_SUFFIX.get(suffix) or _TEXT_BY_SUFFIX.get(suffix) or BINARY


def _package_type(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = set(package.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise Unreadable("It begins as a packed file, but is not whole.") from None
    return next((kind for member, kind in _PACKAGES.items() if member in names), ZIP)


def _ole_type(data: bytes, name: str, declared: str) -> str:
    if _ENCRYPTED_PACKAGE in data:
        raise Unreadable("It is encrypted. Save it without a password.")
    guessed = guess(name, declared)
    return guessed if guessed in ("application/msword", "application/vnd.ms-excel") else "application/x-ole-storage"


def _is_text(data: bytes) -> bool:
    """Whether nothing in the bytes is what no text has; UTF-16 counts only with its mark."""
    return data.startswith(_BOMS) or _NOT_TEXT.search(data) is None


def _text_type(data: bytes, name: str, declared: str) -> str:
    by_name = _TEXT_BY_SUFFIX.get(_suffix(name))
    if by_name is not None:
        return by_name
    if declared in _TEXT_BY_SUFFIX.values():
        return declared
    return HTML if not _suffix(name) and _HTML_START.match(data[:_HEAD_BYTES]) else PLAIN


def _suffix(name: str) -> str:
    match = _SUFFIX.search(name.lower())
    return match[1] if match else ""
