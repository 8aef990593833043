"""Where webhooks may lead: public addresses, and those private networks that the settings name.

An administrator of one organisation sets webhooks too, and must not reach through the gateway what only the gateway can
reach.
"""

from aqueduct.domain.http import Origin
from aqueduct.errors import InvalidValue
from aqueduct.upstream.addresses import AddressGuard, Networks, NotPublic, NotUrl, check_host, read_url
from aqueduct.upstream.options import TransportOptions

FIX = "Add its network to AQUEDUCT_WEBHOOK_NETWORKS if webhooks may lead there."


class Forbidden(InvalidValue):
    """A webhook leads to an address that is not public, and that no setting allows."""


def parse_url(url: str) -> tuple[Origin, str]:
    """Return where a webhook leads, and the path there; raises `InvalidValue` for what is no such URL."""
    try:
        if "#" in url:
            raise NotUrl("holds no fragment")
        return read_url(url)
    except NotUrl as error:
        raise InvalidValue(f"A webhook's URL {error}.") from None


def require_allowed(origin: Origin, networks: Networks) -> None:
    """Raise `Forbidden` for an address that is written out, and is neither public nor in one of the networks.

    What a name leads to is only known when a message is sent.
    """
    try:
        check_host(origin, networks)
    except NotPublic:
        raise _forbidden() from None


class WebhookAddresses:
    """Decides whether a message may go to an origin; behind a proxy that is the proxy's to decide for names."""

    def __init__(self, networks: Networks, options: TransportOptions) -> None:
        self._guard = AddressGuard(networks, options)

    async def settle(self, origin: Origin) -> Origin:
        """Return the origin with the addresses to connect to, looked up once, so that what is checked is what is used.

        Raises `Forbidden` unless every address may be reached, `OSError` where there is none.
        """
        try:
            return await self._guard.settle(origin)
        except NotPublic:
            raise _forbidden() from None


def _forbidden() -> Forbidden:
    return Forbidden(f"The webhook leads to an address that is not public. {FIX}")
