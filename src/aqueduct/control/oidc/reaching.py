"""Talks to one issuer: over our transport, within limits, and nowhere that the issuer may not lead us.

The operator names the issuer, but the issuer names its other addresses. Those are public, or in the private networks
that the config grants to this issuer: a public one leads nobody into the network of a university.
"""

from typing import Any
from urllib.parse import urlencode

import msgspec

from aqueduct.domain.http import Headers, Timeouts, UpstreamRequest
from aqueduct.domain.sign_in import Issuer
from aqueduct.errors import UpstreamError
from aqueduct.upstream.addresses import AddressGuard, NotPublic, NotUrl, read_url
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport

TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=10.0, idle_seconds=5.0, total_seconds=15.0)
MAX_ANSWER_BYTES = 512 * 1024
FORM = (b"content-type", b"application/x-www-form-urlencoded")
_HEADERS: Headers = (
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"aqueduct-gateway"),
)


class IssuerFailed(Exception):
    """The issuer could not be asked, or answered with what is no answer; the message is for the log, and no secret.

    `error` is the code that it gave, as RFC 6749, 5.2 has them.
    """

    def __init__(self, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.error = error


class Reach:
    """The way to one issuer."""

    def __init__(self, issuer: Issuer, transport: Transport, options: TransportOptions) -> None:
        self._issuer = issuer
        self._transport = transport
        self._guard = AddressGuard(issuer.networks, options)

    async def get(self, url: str, headers: Headers = ()) -> dict[str, Any]:
        """Read a JSON object; raises `IssuerFailed`."""
        return await self._ask("GET", url, headers, b"")

    async def post(self, url: str, form: list[tuple[str, str]], headers: Headers = ()) -> dict[str, Any]:
        """Send a form and read a JSON object; raises `IssuerFailed`."""
        return await self._ask("POST", url, (FORM, *headers), urlencode(form).encode())

    async def _ask(self, method: str, url: str, headers: Headers, body: bytes) -> dict[str, Any]:
        place = url.partition("?")[0]
        try:
            origin, path = read_url(url)
            if not origin.is_tls and self._issuer.url.startswith("https:"):
                raise IssuerFailed(f"{place}: an issuer behind https:// names an address without it")
            origin = await self._guard.settle(origin)
            request = UpstreamRequest(method, origin, path, _HEADERS + headers, body)
            response = await self._transport.send(request, TIMEOUTS)
            try:
                data = await response.read_all(MAX_ANSWER_BYTES)
            finally:
                response.close()
        except NotUrl as error:
            raise IssuerFailed(f"{place[:200]}: a URL {error}") from None
        except NotPublic:
            raise IssuerFailed(
                f"{place}: the address is not public. Name its network in `networks` of the issuer"
            ) from None
        except UpstreamError as error:
            raise IssuerFailed(f"{place}: {error}") from error
        except TimeoutError:
            raise IssuerFailed(f"{place}: the host was not found in time") from None
        except (OSError, UnicodeError):
            raise IssuerFailed(f"{place}: the host was not found") from None
        return _decode(place, response.status, data)


def _decode(place: str, status: int, data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if status == 200 and isinstance(found, dict):
        return found
    error = found.get("error") if isinstance(found, dict) else None
    said = f" ({error[:100]!r})" if isinstance(error, str) else ""
    what = f"the status {status}" if status != 200 else "something that is no JSON object"
    raise IssuerFailed(f"{place}: answered with {what}{said}", error if isinstance(error, str) else None)
