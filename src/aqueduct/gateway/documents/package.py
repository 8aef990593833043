"""Whether an Office document's package may be opened: what it unpacks to is measured before a library reads it.

Standard library only. Source: ECMA-376 part 2 (Open Packaging Conventions), which allows two ways of packing and no
document type definitions; so entities that unfold into gigabytes have no place to be declared.
"""

import io
import zipfile

from aqueduct.gateway.documents.text import Unreadable

MAX_UNPACKED_BYTES = 128 * 1024 * 1024
MAX_MEMBERS = 10_000
MAX_RATIO = 200
"""How many times larger than packed all of it may be; real documents stay below fifty."""

_RATIO_COUNTS_FROM = 8 * 1024 * 1024
_PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_XML = (".xml", ".rels", ".vml")
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))
_OVERLAP = 32
_CHUNK_BYTES = 1 << 20


def check_package(data: bytes) -> None:
    """Raise `Unreadable` for a package that holds, or unfolds into, more than any document does."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = package.infolist()
            _check_sizes(members, len(data))
            for member in members:
                if member.filename.lower().endswith(_XML):
                    _check_xml(package, member)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError):
        raise Unreadable("It is damaged.") from None


def _check_sizes(members: list[zipfile.ZipInfo], packed: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise Unreadable(f"It is packed from more than {MAX_MEMBERS} parts.")
    # No more than the directory says is ever unpacked: `zipfile` stops there, and what goes on is damaged.
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES or unpacked > max(_RATIO_COUNTS_FROM, MAX_RATIO * packed):
        raise Unreadable("It unpacks to more than a document may.")
    for member in members:
        if member.flag_bits & 0x1:
            raise Unreadable("It is encrypted. Save it without a password.")
        if member.compress_type not in _PACKINGS:
            raise Unreadable("It is packed in a way that documents are not.")


def _check_xml(package: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with package.open(member) as file:
        tail = b""
        while chunk := file.read(_CHUNK_BYTES):
            window = tail + chunk
            if any(doctype in window for doctype in _DOCTYPES):
                raise Unreadable("It declares a document type, which no Office document may.")
            tail = chunk[-_OVERLAP:]
