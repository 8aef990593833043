"""The ways of signing in beside the password, with what they take."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aqueduct.control.oidc.identities import Identities
from aqueduct.control.oidc.logout import OidcLogout
from aqueduct.control.oidc.parties import Parties
from aqueduct.control.oidc.sign_in import OidcSignIn
from aqueduct.control.passkeys import Passkeys, Site
from aqueduct.control.registry import Registry
from aqueduct.domain.identity import User
from aqueduct.domain.sign_in import SignIn
from aqueduct.storage.vault import Vault
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport


@dataclass(frozen=True)
class Ways:
    """All of them; `offered` says which the config offers at the moment, `origin` is where browsers find us."""

    offered: Callable[[], SignIn]
    origin: str
    oidc: OidcSignIn
    logout: OidcLogout
    identities: Identities
    passkeys: Passkeys

    async def needs_passkey(self, user: User) -> bool:
        """Whether a user's password alone does not let him in: he has a passkey, and they are in use."""
        return self.offered().passkeys and await self.passkeys.has_any(user.id)

    def takes_passkeys(self, base_url: str) -> bool:
        """Whether a page at this address can ask for passkeys: those of another host do not work there."""
        return self.offered().passkeys and urlsplit(base_url).netloc == urlsplit(self.origin).netloc


def open_ways(
    registry: Registry,
    vault: Vault,
    transport: Transport,
    options: TransportOptions,
    offered: Callable[[], SignIn],
    origin: str,
) -> Ways:
    """Return the ways, over a transport."""
    parties = Parties(offered, transport, options)
    return Ways(
        offered=offered,
        origin=origin,
        oidc=OidcSignIn(registry, parties, origin),
        logout=OidcLogout(registry, vault, parties, origin),
        identities=Identities(registry),
        passkeys=Passkeys(registry, Site(origin=origin)),
    )
