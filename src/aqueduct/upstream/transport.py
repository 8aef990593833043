"""The seam: a request goes in, an answer whose head is there comes out."""

import asyncio
import functools
import re

from aqueduct.domain.http import Headers, Origin, Timeouts, UpstreamRequest
from aqueduct.errors import InvalidRequest, UpstreamRejected, UpstreamUnreachable
from aqueduct.upstream.connecting import Connector, Proxy, is_host
from aqueduct.upstream.connection import UpstreamResponse
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.pool import Pool

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_PATH = re.compile(r"/[!-~]*")
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_METHODS_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})
_OWN_FIELDS = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""What frames a message or belongs to one hop: the transport's own business."""

_KNOWN_HEADS_LIMIT = 256


class Transport:
    """Sends requests over pooled connections; belongs to one event loop, from the first `send` to `close`."""

    def __init__(self, options: TransportOptions | None = None) -> None:
        self._options = options or TransportOptions()
        self._connector = Connector(self._options)
        self._routes: dict[Origin, _Route] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Send a request and return the answer once its final head is there; its reader closes it.

        Raise `UpstreamUnreachable`, `UpstreamTimeout`, `UpstreamInvalidResponse`, or `UpstreamRejected` for a request
        that HTTP cannot carry. A request goes out a second time only where it went into an old connection that closed
        without a byte of an answer.
        """
        route = self._routes.get(request.origin) or self._open_route(request.origin)
        head = route.head(request)
        now = asyncio.get_running_loop().time
        started_at = now()
        pool = route.pool
        connection = pool.take()
        if connection is None:
            connection = await pool.acquire(started_at + min(timeouts.connect_seconds, timeouts.total_seconds))
        try:
            return await connection.exchange(head, request, timeouts, started_at)
        except UpstreamUnreachable:
            if not connection.is_stale:
                raise
        left_seconds = started_at + timeouts.total_seconds - now()
        connection = await pool.acquire(now() + min(timeouts.connect_seconds, left_seconds), is_fresh=True)
        return await connection.exchange(head, request, timeouts, started_at)

    async def close(self) -> None:
        """Close every connection, in use or not; who waits gets `UpstreamUnreachable`."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for route in self._routes.values():
            await route.pool.close()
        self._routes.clear()

    def _open_route(self, origin: Origin) -> "_Route":
        if self._is_closed:
            raise UpstreamUnreachable("the transport is closed")
        if origin.scheme not in {"http", "https"} or not is_host(origin.host):
            raise _refusal("The upstream's address is not one of HTTP.")
        pool = Pool(self._options.limits, functools.partial(self._connector.connect, origin), self._start_sweep)
        route = self._routes[origin] = _Route(origin, self._connector.proxy(origin), pool)
        return route

    def _start_sweep(self) -> None:
        """See to it that a connection which has just become idle will be looked at once it has been so for too long."""
        if self._sweep is None and not self._is_closed:
            self._sweep = asyncio.get_running_loop().call_later(self._options.limits.idle_seconds, self._expire)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        instants = [at for route in self._routes.values() if (at := route.pool.expire(now)) is not None]
        self._sweep = loop.call_at(min(instants), self._expire) if instants else None
        # Names are few, the addresses that a name has had may be any number.
        for origin in [each for each, route in self._routes.items() if each.addresses and route.pool.is_empty]:
            del self._routes[origin]


class _Route:
    """What is the same for every request to an origin: its connections, and most of the head.

    The heads of late are remembered without their length, as most requests go to one path with the same fields.
    """

    __slots__ = ("_heads", "_prefix", "_suffix", "pool")

    def __init__(self, origin: Origin, proxy: Proxy | None, pool: Pool) -> None:
        self.pool = pool
        authority = origin.authority.encode()
        self._heads: dict[tuple[str, str, Headers], bytes] = {}
        self._prefix = b""
        self._suffix = b" HTTP/1.1\r\nhost: %b\r\n" % authority
        if proxy is not None and not origin.is_tls:  # RFC 9112, 3.2.2: a proxy is asked by the whole address
            self._prefix = b"http://" + authority
            self._suffix += proxy.authorization_line

    def head(self, request: UpstreamRequest) -> bytes:
        """Return the request's whole head."""
        known = (request.method, request.path, request.headers)
        head = self._heads.get(known)
        if head is None:
            head = self._build(request)
            if len(self._heads) >= _KNOWN_HEADS_LIMIT:
                self._heads.clear()
            self._heads[known] = head
        if request.body or request.method in _METHODS_WITH_BODY:
            return b"%bcontent-length: %d\r\n\r\n" % (head, len(request.body))
        return head + b"\r\n"

    def _build(self, request: UpstreamRequest) -> bytes:
        """Return the head but for the length; nothing that was given may end a line or look like framing."""
        method, path = request.method, request.path
        if method not in _METHODS or not _PATH.fullmatch(path):
            raise _refusal("The method or the path holds what HTTP does not allow.")
        for name, _ in request.headers:
            if name in _OWN_FIELDS or not _TOKEN.fullmatch(name):
                raise _refusal("A header that the transport writes itself, or that has no proper name, was given.")
        fields = b"".join([b"%b: %b\r\n" % field for field in request.headers])
        line_ends = len(request.headers)
        if fields.count(b"\n") != line_ends or fields.count(b"\r") != line_ends or b"\0" in fields:
            raise _refusal("A header holds what HTTP does not allow.")
        return b"%b %b%b%b%b" % (method.encode(), self._prefix, path.encode(), self._suffix, fields)


def _refusal(message: str) -> UpstreamRejected:
    return UpstreamRejected(InvalidRequest(message), status=400)
