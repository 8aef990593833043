"""Server-sent events: bytes cut anywhere to the data of whole events, and back (WHATWG HTML, 9.2).

What the data means is for the provider's adapter to say.
"""

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.wire.errors import error_object

DONE = b"data: [DONE]\n\n"
"""The end of a whole stream, as it is sent."""

DONE_PAYLOAD = b"[DONE]"

KEEPALIVE = b": keepalive\n\n"
"""A comment: an event of any other kind would break the official clients."""

MAX_EVENT_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class NamedEvent(bytes):
    """The data of an event that has a name other than `message`; otherwise the same as plain bytes."""

    name: bytes = b""


def encode_event(payload: bytes) -> bytes:
    """Frame one event of JSON; a line feed in it is space between two tokens, and would end the line."""
    if b"\n" in payload:
        payload = payload.replace(b"\n", b" ")
    return b"data: %b\n\n" % payload


def encode_error_event(error: BaseException) -> bytes:
    """Frame the error that ends a stream, on which the official clients raise."""
    return encode_event(error_object(error))


class SseSplitter:
    """Splits a stream into the data of its events.

    An event comes out as `bytes`, or as `NamedEvent` where the upstream gave it a name. Comments, ids and retry times
    are left out, and so are events without data. Lines end at LF, CRLF and CR only: U+2028 is content.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._ends_in_newline = False
        self._drops_newline = False
        self._is_started = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of every event that is complete with these bytes.

        Raises `UpstreamInvalidResponse` for an event over the size limit.
        """
        if not self._is_started:
            data = self._start(data)
        if self._drops_newline and data:
            data = data.removeprefix(b"\n")
            self._drops_newline = False
        if b"\r" in data:
            self._drops_newline = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not data:
            return []
        if self._held:
            return self._continue(data)
        if data.endswith(b"\n\n") and data.startswith(b"data: ") and data.count(b"\n") == 2:
            return [data[6:-2]] if len(data) <= self._max_event_bytes else self._refuse()
        return self._split(data)

    def finish(self) -> list[bytes]:
        """Return the data of a last event that no blank line ended: some upstreams leave it out after `[DONE]`."""
        if self._held_bytes > self._max_event_bytes:
            self._refuse()
        rest = b"".join(self._held)
        self._hold(b"")
        event = _read_event(rest)
        return [] if event is None else [event]

    def _start(self, data: bytes) -> bytes:
        """Leave out a byte order mark at the very start; hold back what may be the beginning of one."""
        data = b"".join(self._held) + data
        self._hold(b"")
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._hold(data)
            return b""
        self._is_started = True
        return data.removeprefix(_BOM)

    def _continue(self, data: bytes) -> list[bytes]:
        if b"\n\n" in data or (self._ends_in_newline and data.startswith(b"\n")):
            self._held.append(data)
            return self._split(b"".join(self._held))
        self._held.append(data)
        self._held_bytes += len(data)
        self._ends_in_newline = data.endswith(b"\n")
        return self._refuse() if self._held_bytes > self._max_event_bytes else []

    def _split(self, data: bytes) -> list[bytes]:
        """Return the whole events in `data`, whose lines all end in LF, and hold the rest.

        An event too large is held with all that follows it, and refused once those before it were handed over.
        """
        *blocks, rest = data.split(b"\n\n")
        events: list[bytes] = []
        for number, block in enumerate(blocks):
            if len(block) > self._max_event_bytes:
                rest = b"\n\n".join([*blocks[number:], rest])
                break
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(block[6:])
            elif (event := _read_event(block)) is not None:
                events.append(event)
        self._hold(rest)
        return events if events or len(rest) <= self._max_event_bytes else self._refuse()

    def _hold(self, rest: bytes) -> None:
        self._held = [rest] if rest else []
        self._held_bytes = len(rest)
        self._ends_in_newline = rest.endswith(b"\n")

    def _refuse(self) -> list[bytes]:
        raise UpstreamInvalidResponse(f"an event of the stream is larger than {self._max_event_bytes} bytes")


def _read_event(block: bytes) -> bytes | None:
    """Return the data of one event's lines, or None if it has none."""
    lines: list[bytes] = []
    name = b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value
    if not lines:
        return None
    payload = b"\n".join(lines)
    if not name or name == b"message":
        return payload
    event = NamedEvent(payload)
    event.name = name
    return event
