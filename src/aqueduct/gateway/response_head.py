"""The head of an answer, as bytes."""

import http
import time
from collections.abc import Iterable
from email.utils import formatdate

HeaderLines = bytes
"""Header fields as they go out, each ended by CR LF."""

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii")) for status in http.HTTPStatus
}


def header_lines(fields: Iterable[tuple[bytes, bytes]]) -> HeaderLines:
    """Encode header fields; raise `ValueError` where one would end its line."""
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    ends = lines.count(b"\r\n")
    if lines.count(b"\n") != ends or lines.count(b"\r") != ends:
        raise ValueError("a header field holds a line end")
    return lines


CHUNKED: HeaderLines = b"transfer-encoding: chunked\r\n"
CLOSED: HeaderLines = b"connection: close\r\n"


def of_length(size: int) -> HeaderLines:
    """Return the framing of a body of `size` bytes."""
    return b"content-length: %d\r\n" % size


def encode_head(status: int, lines: HeaderLines, framing: HeaderLines) -> bytes:
    """Return the whole head; `framing` says how the body ends (by nothing: with the connection)."""
    return b"%b%b%b%b\r\n" % (_STATUS_LINES[status], _clock.line(), lines, framing)


class _Clock:
    """The `date` line, made once a second (RFC 9110, 6.6.1)."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = b"date: %b\r\n" % formatdate(now, usegmt=True).encode("ascii")
        return self._line


_clock = _Clock()
