"""What the pages work with: the use cases, and what is served at the moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aqueduct.control.one_time_links import OneTimeLinks
from aqueduct.control.passwords import Passwords
from aqueduct.control.registry import Registry
from aqueduct.control.sessions import Sessions
from aqueduct.control.throttle import Throttle
from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.web.ways import Ways

ListModels = Callable[[Principal], Sequence[tuple[str, Model]]]
"""Returns the models that somebody may use, by every name that they have."""


@dataclass(frozen=True)
class Services:
    """All that pages are made with."""

    registry: Registry
    sessions: Sessions
    passwords: Passwords
    links: OneTimeLinks
    list_models: ListModels
    ways: Ways


def open_services(registry: Registry, list_models: ListModels, ways: Ways) -> Services:
    """Return what pages work with."""
    return Services(
        registry=registry,
        sessions=Sessions(registry),
        passwords=Passwords(registry, Throttle()),
        links=OneTimeLinks(registry),
        list_models=list_models,
        ways=ways,
    )
