"""Where webhooks may lead: public addresses, and those private networks that the settings name.

An administrator of one organisation sets webhooks too, and must not reach through the gateway what only the gateway can
reach (a metadata service, a neighbour without a password).
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import msgspec

from aqueduct.domain.http import Origin
from aqueduct.errors import InvalidValue
from aqueduct.upstream.connecting import Connector, is_host
from aqueduct.upstream.options import TransportOptions

MAX_URL_CHARACTERS = 2000
RESOLUTION_SECONDS = 5.0
PORTS = {"http": 80, "https": 443}
TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv4 as a translating network shows it (RFC 6052)."""

FIX = "Add its network to AQUEDUCT_WEBHOOK_NETWORKS if webhooks may lead there."


class Forbidden(InvalidValue):
    """A webhook leads to an address that is not public, and that no setting allows."""


def parse_url(url: str) -> tuple[Origin, str]:
    """Return where a webhook leads, and the path there; raises `InvalidValue` for what is no such URL."""
    if len(url) > MAX_URL_CHARACTERS or not all("!" <= character <= "~" for character in url):
        raise InvalidValue(f"A webhook's URL has at most {MAX_URL_CHARACTERS} characters, all of them ASCII.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidValue("A webhook's URL is not one. Write it such as https://example.com/hook.") from None
    if parts.scheme not in PORTS or not parts.hostname or not is_host(parts.hostname):
        raise InvalidValue("A webhook's URL begins with https:// or http:// and a host.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidValue("A webhook's URL holds no credential and no fragment.")
    query = f"?{parts.query}" if parts.query else ""
    return Origin(parts.scheme, parts.hostname, port or PORTS[parts.scheme]), f"{parts.path or '/'}{query}"


Networks = Sequence[IPv4Network | IPv6Network]


def require_allowed(origin: Origin, networks: Networks) -> None:
    """Raise `Forbidden` for an address that is written out, and is neither public nor in one of the networks.

    What a name leads to is only known when a message is sent.
    """
    try:
        address = ip_address(origin.host)
    except ValueError:
        return
    require_reachable(address, networks)


def require_reachable(address: IPv4Address | IPv6Address, networks: Networks) -> None:
    """Raise `Forbidden` unless an address is public, or in one of the networks."""
    plain = unmapped(address)
    if not (is_public(plain) or any(plain in network for network in networks)):
        raise Forbidden(f"The webhook leads to an address that is not public. {FIX}")


class WebhookAddresses:
    """Decides whether a message may go to an origin; behind a proxy that is the proxy's to decide for names."""

    def __init__(self, networks: Networks, options: TransportOptions) -> None:
        self._networks = tuple(networks)
        self._connector = Connector(options)

    async def settle(self, origin: Origin) -> Origin:
        """Return the origin with the addresses to connect to, looked up once, so that what is checked is what is used.

        Raises `Forbidden` unless every address may be reached, `OSError` where there is none.
        """
        require_allowed(origin, self._networks)
        if self._connector.proxy(origin) is not None:
            return origin
        async with asyncio.timeout(RESOLUTION_SECONDS):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        addresses = tuple(str(address[0]) for _, _, _, _, address in found)
        for address in addresses:
            require_reachable(ip_address(address.partition("%")[0]), self._networks)
        return msgspec.structs.replace(origin, addresses=addresses)


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody reaches the same under this address."""
    return address.is_global and not address.is_multicast
