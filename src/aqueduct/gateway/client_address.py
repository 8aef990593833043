"""Where a request comes from, also through proxies of our own."""

from aqueduct.domain.principal import Networks, is_among
from aqueduct.gateway.call import Call


class ClientAddress:
    """Tells the client's address; `X-Forwarded-For` counts only as far as trusted proxies have written it."""

    def __init__(self, trusted: Networks) -> None:
        self._trusted = trusted

    def of(self, call: Call) -> str | None:
        """Return the address, or None where the request came over no network."""
        address = call.connection.peer_address
        forwarded = call.headers.get(b"x-forwarded-for")
        if forwarded is None or not self._trusted:
            return address
        hops = [hop.strip() for hop in forwarded.decode("latin-1").split(",")]
        while hops and is_among(address, self._trusted):
            address = hops.pop()
        return address
