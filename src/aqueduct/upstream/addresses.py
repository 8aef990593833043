"""Whether a stranger may send the gateway somewhere: public addresses, and those private networks that a setting names.

Who writes a webhook's address or an image's must not reach through the gateway what only the gateway can reach (a
metadata service, a neighbour without a password).
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import msgspec

from aqueduct.domain.http import Origin
from aqueduct.upstream.connecting import Connector, is_host
from aqueduct.upstream.options import TransportOptions

MAX_URL_CHARACTERS = 2000
RESOLUTION_SECONDS = 5.0
PORTS = {"http": 80, "https": 443}
TRANSLATED = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")))
"""IPv4 as translating networks show it (RFC 6052, RFC 8215, RFC 7915), and as it was once written (RFC 4291)."""

Networks = Sequence[IPv4Network | IPv6Network]


class NotPublic(Exception):
    """The address is not public, and no setting allows it."""


class NotUrl(Exception):
    """It is no URL that may be followed; the message is a clause that says why."""


def read_url(url: str, longest: int = MAX_URL_CHARACTERS) -> tuple[Origin, str]:
    """Return where a URL leads, and the path there (its fragment left out); raises `NotUrl`."""
    if len(url) > longest or not all("!" <= character <= "~" for character in url):
        raise NotUrl(f"has at most {longest} characters, all of them ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotUrl("is not one: write it such as https://example.com/path") from None
    if parts.scheme not in PORTS or not parts.hostname or not is_host(parts.hostname):
        raise NotUrl("begins with https:// or http:// and a host")
    if parts.username is not None or parts.password is not None:
        raise NotUrl("holds no credential")
    query = f"?{parts.query}" if parts.query else ""
    return Origin(parts.scheme, parts.hostname, port or PORTS[parts.scheme]), f"{parts.path or '/'}{query}"


class AddressGuard:
    """Decides whether a request may go to an origin; behind a proxy that is the proxy's to decide for names."""

    def __init__(self, networks: Networks, options: TransportOptions) -> None:
        self._networks = tuple(networks)
        self._connector = Connector(options)

    async def settle(self, origin: Origin) -> Origin:
        """Return the origin with the addresses to connect to, looked up once, so that what is checked is what is used.

        Raises `NotPublic` unless every address may be reached, `OSError` or `UnicodeError` where there is none,
        `TimeoutError` where that is not known in time.
        """
        check_host(origin, self._networks)
        if self._connector.proxy(origin) is not None:
            return origin
        async with asyncio.timeout(RESOLUTION_SECONDS):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        addresses = tuple(str(address[0]) for _, _, _, _, address in found)
        for address in addresses:
            check_address(ip_address(address.partition("%")[0]), self._networks)
        return msgspec.structs.replace(origin, addresses=addresses)


def check_host(origin: Origin, networks: Networks) -> None:
    """Raise `NotPublic` for an address that is written out; names are only known when they are looked up."""
    try:
        address = ip_address(origin.host)
    except ValueError:
        return
    check_address(address, networks)


def check_address(address: IPv4Address | IPv6Address, networks: Networks) -> None:
    """Raise `NotPublic` unless an address is public, or in one of the networks."""
    plain = unmapped(address)
    if not (is_public(plain) or any(plain in network for network in networks)):
        raise NotPublic


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody reaches the same under this address."""
    return address.is_global and not address.is_multicast and not getattr(address, "is_site_local", False)
