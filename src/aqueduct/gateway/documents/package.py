"""Whether an Office document's package may be opened: what it unpacks to is measured before a library reads it.

Standard library only. Source: ECMA-376 part 2 (Open Packaging Conventions), which allows two ways of packing, two
encodings and no document type definitions; so entities that unfold into gigabytes have no place to be declared. Which
member is XML is told by how it begins: its name, its content type and what refers to it are all for the file to choose.
"""

import io
import re
import zipfile

from aqueduct.gateway.documents.text import Unreadable

MAX_UNPACKED_BYTES = 128 * 1024 * 1024
MAX_MEMBERS = 10_000
MAX_RATIO = 200
"""How many times larger than packed all of it may be; real documents stay below fifty."""

_RATIO_COUNTS_FROM = 8 * 1024 * 1024
_PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_PICTURES = (".svg", ".htm", ".html", ".xhtml")
"""Names of what is embedded, and may have a document type by its own standard; but declares nothing in it."""

_WIDE = ("utf-16-le", "utf-16-be")
_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", *_WIDE))
_DECLARING = tuple(
    words.encode(encoding) for words in ("<!ENTITY", "<!ELEMENT", "<!ATTLIST") for encoding in ("ascii", *_WIDE)
)
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SPACES = b" \t\r\n\0"
_DECLARATION = re.compile(r"<\?xml\s[^<>]{0,200}?\?>")
_DECLARED = re.compile(r"""encoding\s*=\s*["']([^"']*)["']""")
_ENCODINGS = frozenset(
    {"utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "ascii", "iso-8859-1", "windows-1252"}
)
"""In which `<` is what it looks like, or is looked for; parsers know some in which it is not, such as UTF-7."""
_EBCDIC = "<?xm".encode("cp037")
_UNUSUAL = (_EBCDIC, b"\0\0", b"\xff\xfe\0\0", b"<\0\0\0")
"""How XML begins in EBCDIC and UTF-32."""
_BAD_ENCODING = "A part of it is in an encoding that no Office document may have."
_HEAD_BYTES = 1024
_OVERLAP = 32
_CHUNK_BYTES = 1 << 20


def check_package(data: bytes) -> None:
    """Raise `Unreadable` for a package that holds, or unfolds into, more than any document does."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = package.infolist()
            _check_sizes(members, len(data))
            for member in members:
                _check_member(package, member)
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


def _check_member(package: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Look through a member that a parser of XML would take; whatever begins otherwise, it refuses by itself."""
    with package.open(member) as file:
        chunk = file.read(_CHUNK_BYTES)
        if not _begins_as_xml(chunk):
            return
        _check_encoding(chunk)
        forbidden = _DECLARING if member.filename.lower().endswith(_PICTURES) else _DOCTYPES
        tail = b""
        while chunk:
            window = tail + chunk
            if any(words in window for words in forbidden):
                raise Unreadable("It declares a document type, which no Office document may.")
            tail = chunk[-_OVERLAP:]
            chunk = file.read(_CHUNK_BYTES)


def _begins_as_xml(chunk: bytes) -> bool:
    """Whether the first character is `<`, in whichever encoding; or all of the chunk is space before it."""
    for bom in _BOMS:
        chunk = chunk.removeprefix(bom)
    begun = chunk.lstrip(_SPACES)
    return not begun or begun.startswith((b"<", _EBCDIC))


def _check_encoding(chunk: bytes) -> None:
    head = chunk[:_HEAD_BYTES]
    if head.startswith(_UNUSUAL):
        raise Unreadable(_BAD_ENCODING)
    text = head.replace(b"\0", b"").decode("latin-1")
    at = text.find("<?xml")
    if at < 0:
        return
    declaration = _DECLARATION.match(text, at)
    if declaration is None:
        raise Unreadable(_BAD_ENCODING)
    encoding = _DECLARED.search(declaration[0])
    if encoding is not None and encoding[1].lower() not in _ENCODINGS:
        raise Unreadable(_BAD_ENCODING)
