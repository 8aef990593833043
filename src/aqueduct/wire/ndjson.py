"""Newline-delimited JSON: bytes cut anywhere to whole lines (https://github.com/ndjson/ndjson-spec).

What a line means is for the provider's adapter to say.
"""

from aqueduct.errors import UpstreamInvalidResponse

MAX_LINE_BYTES = 16 * 1024 * 1024


class LineSplitter:
    """Splits a stream into its lines; those that are blank are left out."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._held: list[bytes] = []
        self._held_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return every line that is complete with these bytes, without its end.

        Raises `UpstreamInvalidResponse` for a line over the size limit, once those before it were handed over.
        """
        if b"\n" not in data:
            self._held.append(data)
            self._held_bytes += len(data)
            if self._held_bytes > self._max_line_bytes:
                raise UpstreamInvalidResponse(f"a line of the stream is larger than {self._max_line_bytes} bytes")
            return []
        *lines, rest = b"".join([*self._held, data]).split(b"\n")
        self._held, self._held_bytes = [rest], len(rest)
        return [stripped for line in lines if (stripped := line.strip())]

    def finish(self) -> list[bytes]:
        """Return a last line that nothing ended."""
        rest = b"".join(self._held).strip()
        self._held, self._held_bytes = [], 0
        return [rest] if rest else []
