"""One outbound HTTP exchange as values: what an adapter builds and the transport sends.

No I/O here; `upstream/` does it.
"""

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]
"""Header fields in order; names in lower case."""


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port: what a connection is made to and a pool is keyed by.

    `addresses` are where to connect if that is settled already (the host was looked up, and they were found good); the
    host is still what TLS and the `host` header name. A proxy looks hosts up by itself.
    """

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...] = ()

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The `host` header's value: the port is left out where it is the scheme's own (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.is_tls else 80
        return host if self.port == default else f"{host}:{self.port}"


class Timeouts(msgspec.Struct, frozen=True):
    """How long an upstream may take, in seconds.

    `first_byte` runs from the request's last byte to the first byte of the answer's body (a stream's head may come long
    before its first event), `idle` between two reads of the body after that, `total` from the start of the attempt to
    the body's end. `first_content` is for streams, from the start of the attempt to the first event with content:
    comments and events that say nothing do not count. None: as long as the others let it.
    """

    connect_seconds: float = 5.0
    first_byte_seconds: float = 600.0
    idle_seconds: float = 600.0
    total_seconds: float = 600.0
    first_content_seconds: float | None = None


PLAIN_TIMEOUTS = Timeouts()
STREAM_TIMEOUTS = Timeouts(idle_seconds=120.0, total_seconds=3600.0)


class UpstreamRequest(msgspec.Struct, frozen=True):
    """A request, whole: `path` includes the query; `headers` leave out `host`, `content-length` and `connection`."""

    method: str
    origin: Origin
    path: str
    headers: Headers
    body: bytes = b""
