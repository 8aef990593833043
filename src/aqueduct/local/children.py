"""All child processes that a config wants: started before it is in force, ended when it no longer is."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from aqueduct.domain.snapshot import Snapshot
from aqueduct.local.litellm.transport import LitellmTransport
from aqueduct.local.transport import HttpTransport, LocalTransport

R = TypeVar("R")


class Children(Generic[R]):
    """The embedded models and LiteLLM's SDK; `transports` send to them, by the scheme of an origin."""

    def __init__(self, http: HttpTransport[R], find_embedded: Callable[[], Path | None]) -> None:
        self._models = LocalTransport(http, find_embedded)
        self._litellm = LitellmTransport(http)
        self.transports: dict[str, LocalTransport[R] | LitellmTransport[R]] = {
            "local": self._models,
            "litellm": self._litellm,
        }

    async def start(self, snapshot: Snapshot) -> None:
        """Run what a snapshot wants; raise `ConfigurationError`, with nothing changed, where that cannot be."""
        await self._models.start(_paths(snapshot))
        await self._litellm.start(is_wanted=_wants_litellm(snapshot))

    async def retire(self, snapshot: Snapshot) -> None:
        """End what a snapshot does not want; call it when no new request can resolve to it any more."""
        await self._models.retire(_paths(snapshot))
        await self._litellm.retire(is_wanted=_wants_litellm(snapshot))

    async def close(self) -> None:
        """End every process."""
        await self._models.close()
        await self._litellm.close()


def _paths(snapshot: Snapshot) -> set[str]:
    """Return the model files that the snapshot names; the embedded model's is empty."""
    return {
        target.model_path or ""
        for model in snapshot.models
        for target in model.targets
        if target.provider.kind == "local"
    }


def _wants_litellm(snapshot: Snapshot) -> bool:
    return any(target.provider.kind == "litellm" for model in snapshot.models for target in model.targets)
