"""How a socket to an origin comes about: the addresses raced, a proxy passed, TLS checked."""

import asyncio
import base64
import functools
import ipaddress
import itertools
import os
import re
import socket
import ssl
from asyncio.staggered import staggered_race
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
from typing_extensions import override

from aqueduct.domain.http import Origin
from aqueduct.errors import ConfigurationError, UpstreamInvalidResponse, UpstreamTimeout, UpstreamUnreachable
from aqueduct.upstream.connection import Connection
from aqueduct.upstream.feed import ResponseFeed
from aqueduct.upstream.options import Limits, Tls, TransportOptions

_HOST = re.compile(r"[0-9A-Za-z._:-]+")
_ENTRY = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<bare>[^:]+))(?::(?P<port>\d{1,5}))?")
_WRONG_NAME = (62, 64)
"""OpenSSL's codes for a certificate that is another host's; their text names the host."""


class Proxy(msgspec.Struct, frozen=True):
    """Where a proxy listens, and the `proxy-authorization` it wants."""

    host: str
    port: int
    authorization: bytes | None = None

    @override
    def __repr__(self) -> str:
        return f"Proxy({self.host!r}, {self.port})"

    @property
    def authorization_line(self) -> bytes:
        """The header line that goes with every request to the proxy itself, or nothing."""
        return b"" if self.authorization is None else b"proxy-authorization: %b\r\n" % self.authorization


class Connector:
    """Makes connections; reads certificates and proxies once, and raises `ConfigurationError` where they are wrong."""

    def __init__(self, options: TransportOptions) -> None:
        self._limits = options.limits
        self._delay = options.happy_eyeballs_seconds
        self._tls = _tls_context(options.tls)
        proxies = options.proxies
        self._proxies = {"http": _proxy(proxies.http, "HTTP_PROXY"), "https": _proxy(proxies.https, "HTTPS_PROXY")}
        self._exceptions = ProxyExceptions(proxies.no_proxy)

    def proxy(self, origin: Origin) -> Proxy | None:
        """Return the proxy on the way to the origin, if there is one."""
        proxy = self._proxies[origin.scheme]
        return None if proxy is None or self._exceptions.covers(origin) else proxy

    async def connect(self, origin: Origin, connection: Connection) -> None:
        """Connect `connection` to the origin, or raise one of an attempt's errors.

        The caller sets the deadline. No message names a host, as it may end up where addresses must not.
        """
        proxy = self.proxy(origin)
        try:
            hosts = (proxy.host,) if proxy else origin.addresses or (origin.host,)
            sock = await self._reach(hosts, proxy.port if proxy else origin.port)
            try:
                if proxy is not None and origin.is_tls:
                    await _tunnel(sock, origin, proxy, self._limits)
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=self._tls if origin.is_tls else None,
                    server_hostname=origin.host if origin.is_tls else None,
                )
            except BaseException:
                sock.close()
                raise
        except ssl.SSLCertVerificationError as error:
            reason = "it is for another name" if error.verify_code in _WRONG_NAME else error.verify_message
            raise UpstreamUnreachable(f"the certificate was refused: {reason}") from None
        except ssl.SSLError as error:
            raise UpstreamUnreachable(f"TLS failed: {error.reason}") from None
        except TimeoutError:
            raise UpstreamTimeout("the connection was not made in time") from None
        except OSError as error:
            unreachable = UpstreamUnreachable(f"no connection: {_reason(error)}")
            unreachable.is_sent = False
            raise unreachable from None

    async def _reach(self, hosts: Sequence[str], port: int) -> socket.socket:
        """Return a connected socket; addresses of both families take turns, each with a head start (RFC 8305)."""
        loop = asyncio.get_running_loop()
        found = [each for host in hosts for each in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        first_family = found[0][0]
        same = [entry for entry in found if entry[0] == first_family]
        other = [entry for entry in found if entry[0] != first_family]
        entries = [entry for pair in itertools.zip_longest(same, other) for entry in pair if entry is not None]
        if len(entries) == 1:
            return await _open(entries[0][0], entries[0][4], [])
        opened: list[socket.socket] = []
        attempts = [functools.partial(_open, family, address, opened) for family, _, _, _, address in entries]
        winner: socket.socket | None = None
        try:
            winner, _, errors = await staggered_race(attempts, self._delay)
        finally:
            for sock in opened:
                if sock is not winner:
                    sock.close()
        if winner is None:
            raise next(
                (error for error in errors if isinstance(error, OSError)), OSError("no address could be reached")
            )
        return winner


class ProxyExceptions:
    """The origins that no proxy is used for: what `NO_PROXY` lists, and loopback."""

    def __init__(self, no_proxy: str) -> None:
        entries = [entry.strip().lower() for entry in no_proxy.split(",")]
        self._is_all = "*" in entries
        self._networks: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int | None]] = []
        self._names: list[tuple[str, int | None]] = []
        for entry in filter(None, entries):
            host, port = _host_and_port(entry)
            try:
                self._networks.append((ipaddress.ip_network(host, strict=False), port))
            except ValueError:
                self._names.append((host.strip("."), port))

    def covers(self, origin: Origin) -> bool:
        """Whether the origin is to be reached directly."""
        host = origin.host.lower().rstrip(".")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            dotted = f".{host}"
            return self._is_all or any(
                dotted.endswith(f".{name}") and port in {None, origin.port}
                for name, port in [*self._names, ("localhost", None)]
            )
        return (
            self._is_all
            or address.is_loopback
            or any(address in network and port in {None, origin.port} for network, port in self._networks)
        )


async def _open(family: int, address: Any, opened: list[socket.socket]) -> socket.socket:
    """Return a socket connected to one address; `opened` gets it before it is, so that a lost race can close it."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    opened.append(sock)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _tunnel(sock: socket.socket, origin: Origin, proxy: Proxy, limits: Limits) -> None:
    """Ask the proxy for a tunnel to the origin (RFC 9110, 9.3.6)."""
    loop = asyncio.get_running_loop()
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    target = f"{host}:{origin.port}".encode()
    head = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, proxy.authorization_line)
    await loop.sock_sendall(sock, head)
    feed = ResponseFeed(limits)
    feed.start(is_head=True)
    while not feed.is_whole:
        data = await loop.sock_recv(sock, 4096)
        if not data:
            raise UpstreamUnreachable("the proxy closed the connection")
        feed.feed(data)
    feed.drop()
    if not 200 <= feed.status <= 299:
        raise UpstreamUnreachable(f"the proxy refused the tunnel with status {feed.status}")
    if feed.is_surplus:
        raise UpstreamInvalidResponse("the proxy sent bytes before the tunnel was used")


def _tls_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if tls.ca_file is not None:
        try:
            context.load_verify_locations(tls.ca_file)
        except OSError as error:
            raise ConfigurationError(
                f"the CA file {tls.ca_file} cannot be used ({_reason(error)}): give the path of a PEM file"
            ) from None
    if not tls.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(url: str | None, setting: str) -> Proxy | None:
    """Read a proxy's address; a message about a wrong one leaves its value out, which may hold a password."""
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if parts.scheme != "http" or not host or not is_host(host):
        raise ConfigurationError(f"{setting} is not a proxy: write http://host:port or http://user:password@host:port")
    authorization = None
    if parts.username is not None:
        secret = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
        authorization = b"Basic " + base64.b64encode(secret)
    return Proxy(host, port, authorization)


def is_host(host: str) -> bool:
    """Whether this is a name or an address, and nothing that could break out of a header."""
    return _HOST.fullmatch(host) is not None


def _host_and_port(entry: str) -> tuple[str, int | None]:
    """Split `name`, `name:port`, `::1`, `[::1]` and `[::1]:port`."""
    match = _ENTRY.fullmatch(entry)
    if match is None:
        return entry, None
    port = match["port"]
    return match["bracketed"] or match["bare"], int(port) if port else None


def _reason(error: OSError) -> str:
    """Return what went wrong without the address that asyncio writes into it."""
    if isinstance(error, socket.gaierror):
        return "the name could not be resolved"
    if isinstance(error, ssl.SSLError):
        return "it holds no certificate"
    return os.strerror(error.errno) if error.errno else "no address could be reached"
