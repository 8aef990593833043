"""Fetches what a client names by its address, without being led where only the gateway may go.

Every hop is checked: its host is looked up once, refused unless all of its addresses are public or allowed by a
setting, and connected to at just these. No credential, no cookie and nothing of the request goes along.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from aqueduct.domain.http import Headers, Timeouts, UpstreamRequest
from aqueduct.errors import UpstreamError, UpstreamTimeout
from aqueduct.upstream.addresses import AddressGuard, NotPublic, NotUrl, read_url
from aqueduct.upstream.connection import UpstreamResponse
from aqueduct.upstream.transport import Transport

TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=10.0, idle_seconds=10.0, total_seconds=20.0)
MAX_HOPS = 4
MAX_URL_CHARACTERS = 8000
"""Signed addresses of object stores have a thousand or two."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS: Headers = (
    (b"accept", b"*/*"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"aqueduct-gateway"),
)


Cover = Callable[[int], Awaitable[None]]
"""Told how many bytes of one thing are to be held in all, before they are; raises `Overloaded`."""


class NotAllowed(Exception):
    """The gateway does not go there; the message is a sentence."""


class NotFetched(Exception):
    """What is there could not be had; the message is a sentence that names no address."""


class TooLarge(Exception):
    """What is there is larger than it may be."""


class Fetched(NamedTuple):
    """What was at an address: its bytes, what the server says it is, and the last part of the path."""

    data: bytes
    declared: str
    name: str


class UrlFetcher:
    """Fetches over the transport; without a `guard` nothing is fetched at all."""

    def __init__(self, transport: Transport, guard: AddressGuard | None, timeouts: Timeouts = TIMEOUTS) -> None:
        self._transport = transport
        self._guard = guard
        self._timeouts = timeouts

    async def fetch(self, url: str, limit_bytes: int, cover: Cover) -> Fetched:
        """Return what is at the address; raise `NotAllowed`, `NotFetched`, `TooLarge`, or what `cover` raises."""
        if self._guard is None:
            raise NotAllowed("This gateway fetches nothing by its address. Send the data itself, as a `data:` URL.")
        try:
            async with asyncio.timeout(self._timeouts.total_seconds):
                return await self._follow(self._guard, url, limit_bytes, cover)
        except (TimeoutError, UpstreamTimeout):
            raise NotFetched("The address did not answer in time.") from None
        except UpstreamError:
            raise NotFetched("The address could not be reached.") from None

    async def _follow(self, guard: AddressGuard, url: str, limit_bytes: int, cover: Cover) -> Fetched:
        for _ in range(MAX_HOPS):
            response = await self._get(guard, url)
            try:
                if response.status in _REDIRECTS:
                    url = _redirected(url, response)
                    continue
                declared = _declared(response)
                return Fetched(await _read(response, limit_bytes, cover), declared, _name(url))
            finally:
                response.close()
        raise NotFetched("The address leads from one to another too often.")

    async def _get(self, guard: AddressGuard, url: str) -> UpstreamResponse:
        try:
            origin, path = read_url(url, MAX_URL_CHARACTERS)
            origin = await guard.settle(origin)
        except NotUrl as error:
            raise NotFetched(f"A URL {error}.") from None
        except NotPublic:
            raise NotAllowed("The address is not public, and this gateway is not allowed to go there.") from None
        except TimeoutError:
            raise
        except (OSError, UnicodeError):
            raise NotFetched("The address's host could not be found.") from None
        return await self._transport.send(UpstreamRequest("GET", origin, path, _HEADERS), self._timeouts)


async def _read(response: UpstreamResponse, limit_bytes: int, cover: Cover) -> bytes:
    """Return the body of an answer that is one, as it is."""
    if response.status != 200:
        raise NotFetched(f"The address answered with the status {response.status}.")
    if (response.header(b"content-encoding") or b"identity").lower() != b"identity":
        raise NotFetched("The address answered with compressed data, which was not asked for.")
    length = response.header(b"content-length") or b""
    if length.isdigit():
        if int(length[:20]) > limit_bytes:
            raise TooLarge
        await cover(int(length[:20]))
    pieces: list[bytes] = []
    size = 0
    while piece := await response.read():
        size += len(piece)
        if size > limit_bytes:
            raise TooLarge
        await cover(size)
        pieces.append(piece)
    return b"".join(pieces)


def _redirected(url: str, response: UpstreamResponse) -> str:
    location = response.header(b"location") or b""
    try:
        return urljoin(url, location.decode("latin-1"))
    except ValueError:
        raise NotFetched("The address leads to something that is no address.") from None


def _declared(response: UpstreamResponse) -> str:
    media_type = (response.header(b"content-type") or b"").partition(b";")[0]
    return media_type.strip().lower().decode("latin-1")


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])
