"""A client that shows what really came over the wire: every header, every byte of the body, and how it ended."""

import json
import socket
import struct
from collections.abc import Iterable
from typing import Any, Self

_TIMEOUT_SECONDS = 30.0

Fields = Iterable[tuple[str, str]]


class RawCall:
    """One HTTP/1.1 request on a connection of its own."""

    def __init__(self, port: int, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self._buffer = b""
        self._left: int | None = None
        self._is_chunked = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_whole = False
        """Whether the body ended as its framing says, not with the connection."""

    def send(self, data: bytes) -> Self:
        """Send bytes as they are."""
        self._socket.sendall(data)
        return self

    def request(self, method: str, path: str, fields: Fields = (), body: bytes | None = None) -> Self:
        """Send a whole request; `host` and `content-length` are added."""
        lines = [f"{method} {path} HTTP/1.1", "host: gateway", *(f"{name}: {value}" for name, value in fields)]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def read_head(self) -> Self:
        """Wait for the status line and the headers."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._receive():
                raise ConnectionError(f"the connection ended in the head: {self._buffer!r}")
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        for line in lines:
            name, _, value = line.partition(":")
            if name.lower() in self.headers:
                raise AssertionError(f"the header {name} came twice")
            self.headers[name.lower()] = value.strip()
        self._is_chunked = self.headers.get("transfer-encoding") == "chunked"
        self._left = None if self._is_chunked else int(self.headers["content-length"])
        return self

    def read_some(self) -> bytes:
        """Return what of the body arrives next; empty at its end, whole or not."""
        while not self.is_whole:
            data = self._take_chunked() if self._is_chunked else self._take_counted()
            if data or self.is_whole:
                self.body += data
                return data
            if not self._receive():
                break
        return b""

    def read_until(self, end: bytes) -> bytes:
        """Read on until the body ends with these bytes; return the body so far."""
        while not self.body.endswith(end):
            if not self.read_some():
                raise AssertionError(f"the body ended before {end!r}: {self.body!r}")
        return self.body

    def read_all(self) -> Self:
        """Read the head, if need be, and the body to its end."""
        if not self.status:
            self.read_head()
        while self.read_some():
            pass
        self.close()
        return self

    def start_over(self) -> None:
        """Forget the answer; the connection stays."""
        self.status, self.headers, self.body, self.is_whole = 0, {}, b"", False

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def reset(self) -> None:
        """Leave with a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def is_closed_by_peer(self) -> bool:
        """Wait for more, and tell whether the connection ended instead."""
        return not self._receive()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of the one shape that errors have."""
        document = self.json
        if set(document) != {"error"} or set(document["error"]) != {"message", "type", "param", "code"}:
            raise AssertionError(f"not the shape of an error: {document}")
        error: dict[str, Any] = document["error"]
        if not isinstance(error["message"], str) or not error["message"]:
            raise AssertionError(f"an error without a message: {document}")
        return error

    @property
    def events(self) -> list[bytes]:
        """The payloads of the events that came, `[DONE]` included; comments are left out."""
        blocks = self.body.split(b"\n\n")
        if blocks.pop() != b"":
            raise AssertionError(f"the stream does not end with an event: {self.body!r}")
        payloads = [block for block in blocks if not block.startswith(b":")]
        for payload in payloads:
            if not payload.startswith(b"data: ") or b"\n" in payload or b"\r" in payload:
                raise AssertionError(f"not an event of one data line: {payload!r}")
        return [payload.removeprefix(b"data: ") for payload in payloads]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self._buffer += data
        return bool(data)

    def _take_counted(self) -> bytes:
        if self._left is None:
            raise AssertionError("the head was not read")
        data, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(data)
        self.is_whole = self._left == 0
        return data

    def _take_chunked(self) -> bytes:
        """Take one chunk, if it is there whole (RFC 9112, 7.1)."""
        size, separator, rest = self._buffer.partition(b"\r\n")
        if not separator or len(rest) < int(size, 16) + 2:
            return b""
        length = int(size, 16)
        data, self._buffer = rest[:length], rest[length + 2 :]
        self.is_whole = length == 0
        return data
