"""From bytes to text where nobody says for certain in which encoding they are. Standard library only."""

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 before UTF-16: its mark begins with the other's."""

_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_DECLARED_WITHIN = 2048
_FALLBACK = "cp1252"
"""What text that is not UTF-8 is most likely to be, and what browsers take it for (WHATWG Encoding)."""

_TEXTS = {"ascii", "latin-1", "iso8859-1"}
"""Names under which much else is sent: browsers read all of them as `cp1252`."""


def decode(data: bytes, *, is_marked_up: bool = False) -> str:
    """Return the text: by its mark, as UTF-8 if it is, by what it says of itself if `is_marked_up`, or as Western."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    declared = _declared(data) if is_marked_up else None
    return data.decode(declared or _FALLBACK, "replace")


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _declared(data: bytes) -> str | None:
    match = _DECLARED.search(data[:_DECLARED_WITHIN])
    if match is None:
        return None
    try:
        codec = codecs.lookup(match[1].decode())
    except (LookupError, UnicodeError):
        return None
    # Codecs from bytes to bytes (`zip`, `bz2`) are in the same register: a bomb by name.
    is_text = getattr(codec, "_is_text_encoding", False)
    return codec.name if is_text and codec.name not in (*_TEXTS, "utf-8", "idna", "punycode") else None
