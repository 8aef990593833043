"""What the pages work with: the use cases, and what is served at the moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aqueduct.control.one_time_links import OneTimeLinks
from aqueduct.control.passwords import Passwords
from aqueduct.control.registry import Registry
from aqueduct.control.sessions import Sessions
from aqueduct.control.throttle import Throttle
from aqueduct.domain.identity import User
from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.web.ways import Ways

ListModels = Callable[[Principal], Sequence[tuple[str, Model]]]
"""Returns the models that somebody may use, by every name that they have."""


@dataclass(frozen=True)
class SignInButton:
    """Another way of signing in, offered beside the password: where it begins, and what is written on it."""

    path: str
    label: str


class SecondFactor(Protocol):
    """Something that is asked for after the password, of those who have it."""

    path: str
    """The page that asks for it; `web/sign_in.py` says what it does in the end."""

    async def is_needed(self, user: User) -> bool:
        """Whether it is asked of this user."""


@dataclass(frozen=True)
class Services:
    """All that pages are made with."""

    registry: Registry
    sessions: Sessions
    passwords: Passwords
    links: OneTimeLinks
    list_models: ListModels
    ways: Ways
    second_factors: Sequence[SecondFactor] = ()
    list_sign_in_buttons: Callable[[], Sequence[SignInButton]] = lambda: ()


def open_services(registry: Registry, list_models: ListModels, ways: Ways) -> Services:
    """Return what pages work with."""
    return Services(
        registry=registry,
        sessions=Sessions(registry),
        passwords=Passwords(registry, Throttle()),
        links=OneTimeLinks(registry),
        list_models=list_models,
        ways=ways,
        second_factors=(PasskeyFactor(ways),),
        list_sign_in_buttons=lambda: issuer_buttons(ways),
    )


@dataclass
class PasskeyFactor:
    """A passkey after the password, of those who have one."""

    ways: Ways
    path: str = "/ui/sign-in/second"

    async def is_needed(self, user: User) -> bool:
        """Whether he has one, and they are asked for."""
        return self.ways.offered().passkeys and await self.ways.passkeys.has_any(user.id)


def issuer_buttons(ways: Ways) -> list[SignInButton]:
    """Return a button for each issuer."""
    return [SignInButton(f"/ui/sign-in/oidc/{each.name}", each.label) for each in ways.offered().issuers]
