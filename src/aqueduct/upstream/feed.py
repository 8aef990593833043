"""The bytes of answers in, their parts out: httptools (llhttp, strict) and the checks it leaves to its caller.

No I/O. One feed serves one connection, an exchange at a time: `start` begins one, `feed` takes what arrived and
`finish` the end of the file. httptools knows neither the end of the file nor the method that was asked, takes a second
answer for the next one, and bounds no header; all of that is done here.
"""

import httptools

from aqueduct.domain.http import Headers
from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.upstream.options import Limits

_HEAD_END = b"\r\n\r\n"
_FRAMING = (b"content-length", b"transfer-encoding")


class ResponseFeed:
    """Reads the answer to one request after another.

    `status` is 0 until the final head is whole. `pieces` are the body's bytes not taken yet, `buffered` their sum.
    `is_whole` says that the answer has ended as it should, `is_surplus` that bytes followed which nobody asked for,
    `has_begun` that a byte of the answer came.
    """

    __slots__ = (
        "_fields",
        "_is_head",
        "_limits",
        "_parser",
        "_silent_bytes",
        "buffered",
        "by_name",
        "has_begun",
        "headers",
        "is_surplus",
        "is_whole",
        "keeps_alive",
        "pieces",
        "status",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self.start(is_head=False)

    def start(self, *, is_head: bool) -> None:
        """Begin an exchange; `is_head` says that the answer has no body whatever its headers say."""
        self._is_head = is_head
        self._fields: list[tuple[bytes, bytes]] = []
        self._silent_bytes = 0
        self.status = 0
        self.headers: Headers = ()
        self.by_name: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.buffered = 0
        self.has_begun = False
        self.is_whole = False
        self.is_surplus = False
        self.keeps_alive = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrived, cut anywhere, or raise `UpstreamInvalidResponse`.

        Bytes that carry no body (heads, chunk sizes and their extensions, trailers) may not add up to more than the
        header limit between two pieces of body.
        """
        self.has_begun = True
        before = self.buffered
        self._silent_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_whole:
                raise _invalid(error) from None
            self.is_surplus = True
        if self.is_whole:
            self._check_end(data)
        elif self.buffered != before:
            self._silent_bytes = 0
        elif self._silent_bytes > self._limits.header_bytes:
            raise UpstreamInvalidResponse(f"over {self._limits.header_bytes} bytes of headers or trailers arrived")

    def finish(self) -> bool:
        """Take the end of the file; return whether the answer is whole, which only a body without framing can be."""
        if self.status and not self.is_whole:
            self.is_whole = not any(name in self.by_name for name in _FRAMING)
            self.keeps_alive = False
        return self.is_whole

    def take(self) -> bytes:
        """Return the body's bytes that have arrived and forget them."""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        return data

    def drop(self) -> None:
        """Let go of the parser, which refers back to this feed; nothing can be fed any more."""
        del self._parser

    def on_message_begin(self) -> None:
        """Notice an answer after the answer."""
        if self.is_whole:
            self.is_surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field of the head; trailers are dropped. llhttp leaves the space behind a value to its caller."""
        if not self.status:
            self._fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Check a head and, if it is the final one, hand it on."""
        status = self._parser.get_status_code()
        if self.is_whole:
            return
        fields = self._fields
        self._check_size(fields)
        if not 200 <= status <= 599:
            self._skip_interim(status)
            return
        by_name = dict(fields)
        if len(by_name) != len(fields):
            by_name = _joined(fields)
        version = self._parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise UpstreamInvalidResponse(f"the answer is in HTTP/{version}")
        self.keeps_alive = self._parser.should_keep_alive()
        coding = by_name.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked":
                raise UpstreamInvalidResponse("the answer has a transfer coding other than chunked")
            if version == "1.0":  # RFC 9112, 6.1: such a connection is not to be trusted with another exchange
                self.keeps_alive = False
        self.status = status
        self.headers = tuple(fields)
        self.by_name = by_name
        self._silent_bytes = 0
        if self._is_head:  # llhttp would take the next answer for this one's body
            self.is_whole = True
            self.keeps_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self.is_whole:
            self.is_surplus = True
            return
        self.pieces.append(body)
        self.buffered += len(body)

    def on_message_complete(self) -> None:
        """Notice the end; llhttp calls this after interim answers too."""
        if self.status:
            self.is_whole = True

    def _skip_interim(self, status: int) -> None:
        if not 100 <= status <= 199 or status == 101:
            raise UpstreamInvalidResponse(f"the answer has the status {status}, which was not asked for")
        if any(name in _FRAMING for name, _ in self._fields):
            raise UpstreamInvalidResponse("an interim answer announces a body")
        self._fields = []

    def _check_size(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Refuse a head that is too large; its exact size is only counted where all that arrived is over the limit."""
        limits = self._limits
        if len(fields) > limits.header_count:
            raise UpstreamInvalidResponse(f"the answer has more than {limits.header_count} header fields")
        if self._silent_bytes > limits.header_bytes:
            size = sum(len(name) + len(value) + 4 for name, value in fields)
            if size > limits.header_bytes:
                raise UpstreamInvalidResponse(f"the answer's headers are over {limits.header_bytes} bytes")

    def _check_end(self, data: bytes) -> None:
        """Notice line ends after the answer, which llhttp skips."""
        last = self.pieces[-1] if self.pieces else b""
        if b"content-length" in self.by_name and last:
            is_exact = data.endswith(last)
        else:
            is_exact = _HEAD_END.endswith(data[-4:]) and data[-6:] != b"\r\n\r\n\r\n"
        if not is_exact:
            self.is_surplus = True


def _joined(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the fields by name, repeated ones joined (RFC 9110, 5.3)."""
    by_name: dict[bytes, bytes] = {}
    for name, value in fields:
        by_name[name] = by_name[name] + b", " + value if name in by_name else value
    return by_name


def _invalid(error: Exception) -> UpstreamInvalidResponse:
    """Return our own refusal out of a callback, or the parser's put into ours."""
    if isinstance(error.__context__, UpstreamInvalidResponse):
        return error.__context__
    return UpstreamInvalidResponse(f"the answer is not HTTP/1.1: {error}")
