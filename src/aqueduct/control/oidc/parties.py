"""The issuers that the config names, each with the way to it and what it publishes, kept for as long as it is named."""

from collections.abc import Callable
from dataclasses import dataclass

from aqueduct.control.oidc.assertions import Assertions
from aqueduct.control.oidc.metadata import Directory
from aqueduct.control.oidc.reaching import Reach
from aqueduct.domain.sign_in import Issuer, SignIn
from aqueduct.errors import NotFound
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport


@dataclass(frozen=True)
class Party:
    """One issuer."""

    issuer: Issuer
    reach: Reach
    directory: Directory
    assertions: Assertions


class Parties:
    """All of them; `sign_in` gives what the config says at the moment."""

    def __init__(self, sign_in: Callable[[], SignIn], transport: Transport, options: TransportOptions) -> None:
        self._sign_in = sign_in
        self._transport = transport
        self._options = options
        self._known: dict[str, Party] = {}

    def find(self, name: str) -> Party:
        """Return one by its name; raises `NotFound`."""
        issuer = self._sign_in().find(name)
        if issuer is None:
            self._known.pop(name, None)
            raise NotFound("There is no such way to sign in (any more).")
        known = self._known.get(name)
        # A reload of the config that leaves it as it is makes an equal one.
        if known is None or known.issuer != issuer:
            known = self._known[name] = self._open(issuer)
        return known

    def _open(self, issuer: Issuer) -> Party:
        reach = Reach(issuer, self._transport, self._options)
        directory = Directory(issuer, reach)
        return Party(issuer, reach, directory, Assertions(issuer, directory))
