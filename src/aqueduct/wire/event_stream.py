"""AWS's event stream: bytes cut anywhere to whole messages (media type `application/vnd.amazon.eventstream`).

Source: "Amazon event stream specification" of Smithy. A message is a prelude (total length, length of the headers, CRC
of the two), the headers, the payload and the CRC of all before it; numbers are big-endian. What a message means is for
the provider's adapter to say.
"""

import struct
from collections.abc import Mapping
from zlib import crc32

from aqueduct.errors import UpstreamInvalidResponse

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

HeaderValue = bool | int | str | bytes

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_LEAST_BYTES = _PRELUDE.size + _CRC.size

_BOOLEANS = {0: True, 1: False}
_NUMBERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q")}
_NUMBERS[8] = _NUMBERS[5]  # an instant, in milliseconds since the epoch
_BYTES, _STRING, _UUID = 6, 7, 9
_UUID_BYTES = 16


class EventStreamMessage(bytes):
    """The payload of one message, and its headers by name."""

    headers: Mapping[str, HeaderValue] = {}

    def text(self, name: str) -> str:
        """Return a header that is a string, empty where there is none."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class EventStreamSplitter:
    """Splits a stream into its messages, every byte of them covered by a checksum that is right."""

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._held = bytearray()
        self._needed = _LEAST_BYTES
        self._failure: UpstreamInvalidResponse | None = None

    @property
    def is_between_messages(self) -> bool:
        """Whether no message has begun that is not whole."""
        return not self._held

    def feed(self, data: bytes) -> list[bytes]:
        """Return every message that is complete with these bytes.

        Raises `UpstreamInvalidResponse` for what is no message, or one over the size limit, once those before it were
        handed over.
        """
        self._held += data
        messages: list[bytes] = []
        try:
            while self._failure is None and len(self._held) >= self._needed:
                self._take(messages)
        except UpstreamInvalidResponse as failure:
            self._failure = failure
        if self._failure is not None and not messages:
            raise self._failure
        return messages

    def finish(self) -> list[bytes]:
        """Return nothing: a message that is not whole is none. Raises what `feed` has not raised yet."""
        if self._failure is not None:
            raise self._failure
        return []

    def _take(self, messages: list[bytes]) -> None:
        """Take a message off what is held, or learn how much of it is still to come."""
        total, headers_length, prelude_crc = _PRELUDE.unpack_from(self._held)
        if crc32(self._held[: _PRELUDE.size - _CRC.size]) != prelude_crc:
            raise UpstreamInvalidResponse("the checksum of a message's prelude is wrong")
        if total > self._max_message_bytes:
            raise UpstreamInvalidResponse(f"a message of the stream is larger than {self._max_message_bytes} bytes")
        if total < _LEAST_BYTES + headers_length:
            raise UpstreamInvalidResponse("the lengths of a message contradict each other")
        if len(self._held) < total:
            self._needed = total
            return
        whole = bytes(self._held[:total])
        del self._held[:total]
        self._needed = _LEAST_BYTES
        end = total - _CRC.size
        if crc32(whole[:end]) != _CRC.unpack_from(whole, end)[0]:
            raise UpstreamInvalidResponse("the checksum of a message is wrong")
        payload_start = _PRELUDE.size + headers_length
        message = EventStreamMessage(whole[payload_start:end])
        message.headers = _read_headers(whole[_PRELUDE.size : payload_start])
        messages.append(message)


def _read_headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    place = 0
    try:
        while place < len(data):
            start, place = place + 1, place + 1 + data[place]
            name = data[start:place].decode()
            if name in headers or place >= len(data):
                raise UpstreamInvalidResponse("a message names a header twice, or one without a value")
            headers[name], place = _read_value(data[place], data, place + 1)
    except (struct.error, UnicodeDecodeError) as error:
        raise UpstreamInvalidResponse("the headers of a message are none") from error
    if place != len(data):
        raise UpstreamInvalidResponse("the headers of a message end too early")
    return headers


def _read_value(kind: int, data: bytes, start: int) -> tuple[HeaderValue, int]:
    """Return a header's value, and where the next header begins."""
    if kind in _BOOLEANS:
        return _BOOLEANS[kind], start
    if kind in _NUMBERS:
        number = _NUMBERS[kind]
        return number.unpack_from(data, start)[0], start + number.size
    if kind == _UUID:
        return data[start : start + _UUID_BYTES], start + _UUID_BYTES
    if kind not in (_BYTES, _STRING):
        raise UpstreamInvalidResponse(f"a header has the type {kind}, which is none")
    start += _LENGTH.size
    end = start + _LENGTH.unpack_from(data, start - _LENGTH.size)[0]
    return (data[start:end] if kind == _BYTES else data[start:end].decode()), end
