"""What the transport is set up with, as frozen values; `settings.py` reads them from the environment."""

import msgspec
from typing_extensions import override

from aqueduct.settings import Settings


class Tls(msgspec.Struct, frozen=True):
    """Whom to trust: the system's authorities, and those in `ca_file` (PEM) besides.

    `is_verified` off takes any certificate for any name, and is never the default.
    """

    ca_file: str | None = None
    is_verified: bool = True


class Proxies(msgspec.Struct, frozen=True):
    """The proxies for each scheme, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` hold them.

    A proxy is `http://[user:password@]host:port`. `no_proxy` is a list, parted by commas, of names (which stand for
    their subdomains too), addresses, CIDR blocks, each with an optional `:port`, or `*`. Loopback is always reached
    directly.
    """

    http: str | None = None
    https: str | None = None
    no_proxy: str = ""

    @override
    def __repr__(self) -> str:
        return f"Proxies(http={self.http is not None}, https={self.https is not None}, no_proxy={self.no_proxy!r})"


class Limits(msgspec.Struct, frozen=True):
    """How much an origin and an answer may take.

    `idle_seconds` is how long an unused connection is kept; `buffer_bytes` how much of a body may wait for a slow
    reader before the socket is left unread.
    """

    connections_per_origin: int = 2_000
    idle_seconds: float = 60.0
    header_bytes: int = 65_536
    header_count: int = 128
    buffer_bytes: int = 262_144


class TransportOptions(msgspec.Struct, frozen=True):
    """Everything that can be set."""

    tls: Tls = Tls()
    proxies: Proxies = Proxies()
    limits: Limits = Limits()
    happy_eyeballs_seconds: float = 0.25


def transport_options(settings: Settings) -> TransportOptions:
    """Return what the settings say about reaching upstreams."""
    http, https = settings.http_proxy, settings.https_proxy
    return TransportOptions(
        tls=Tls(ca_file=None if settings.ca_file is None else str(settings.ca_file)),
        proxies=Proxies(
            http=None if http is None else http.get_secret_value(),
            https=None if https is None else https.get_secret_value(),
            no_proxy=",".join(settings.no_proxy),
        ),
    )
