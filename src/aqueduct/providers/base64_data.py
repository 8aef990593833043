"""Data in base64, bare or in a `data:` URL, looked at no longer than an event loop can afford.

An image has megabytes, and adapters work on the event loop, once an attempt. So short data is checked whole, and of
long data the beginning, the end and the length: whoever sends something else by mistake is told so, and the rest is for
the upstream to read.
"""

import re

_HEAD_CHARACTERS = 512
_WHOLE_CHARACTERS = 64 * 1024
_PART_CHARACTERS = 4096
"""A multiple of four, as the parts of base64 are."""

_DATA_URL = re.compile(
    r"data:(?P<type>[\w.+/-]*)(?P<parameters>(?:;[\w.+-]+=[^;,]*|;[\w.+-]+)*?)(?P<base64>;base64)?,", re.IGNORECASE
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*+={0,2}")
_SPACES = (" ", "\n", "\r", "\t")


def split_data_url(url: str) -> tuple[str, str, bool] | None:
    """Return a `data:` URL's media type in lower case, its data, and whether that is base64; None where it is none."""
    match = _DATA_URL.match(url[:_HEAD_CHARACTERS])
    return None if match is None else (match["type"].lower(), url[match.end() :], match["base64"] is not None)


def is_base64(data: str) -> bool:
    """Whether data is base64 in its first alphabet, padded, without spaces; as far as that is looked at."""
    if len(data) % 4:
        return False
    if len(data) <= _WHOLE_CHARACTERS:
        return _BASE64.fullmatch(data) is not None
    start, end = data[:_PART_CHARACTERS], data[-_PART_CHARACTERS:]
    return "=" not in start and _BASE64.fullmatch(start) is not None and _BASE64.fullmatch(end) is not None


def without_spaces(data: str) -> str:
    """Return data without the line ends that some encoders write."""
    for space in _SPACES:
        if space in data:
            data = data.replace(space, "")
    return data


def in_first_alphabet(data: str) -> str:
    """Return base64 of either alphabet, padded or not, as most services read it; what is so already as it is."""
    if is_base64(data):
        return data
    plain = data.rstrip("=").replace("-", "+").replace("_", "/")
    return plain + "=" * (-len(plain) % 4)
