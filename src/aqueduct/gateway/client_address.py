"""Where a request comes from, also through proxies of our own."""

from aqueduct.domain.principal import Networks, is_among
from aqueduct.gateway.call import Call

_SCHEMES = ("http", "https")


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

    def scheme_of(self, call: Call) -> str:
        """Return `https` where a trusted proxy says that the client came by it, else `http`, which is all we serve."""
        said = call.headers.get(b"x-forwarded-proto")
        if said is None or not is_among(call.connection.peer_address, self._trusted):
            return "http"
        # Each proxy adds what it saw; the last is the word of the one that is trusted.
        scheme = said.decode("latin-1").rpartition(",")[2].strip().lower()
        return scheme if scheme in _SCHEMES else "http"
