"""Sends requests to local models: the same seam as HTTP's, behind origins of the scheme `local`.

The origin's host is the model file's path (empty: the embedded model's), so one transport serves any number of files.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from aqueduct.domain.http import Timeouts, UpstreamRequest
from aqueduct.domain.model import EMBEDDED_MODEL
from aqueduct.errors import ConfigurationError, TargetDown, UpstreamUnreachable
from aqueduct.local.model import LocalModel, Options
from aqueduct.local.supervisor import SupervisedChild

R_co = TypeVar("R_co", covariant=True)


class HttpTransport(Protocol[R_co]):
    """What carries the bytes to the child process."""

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> R_co:
        """Send over HTTP."""


class LocalTransport(Generic[R_co]):
    """Local models by path, each started when it is first named in the config, and ended with the gateway."""

    def __init__(self, http: HttpTransport[R_co], find_embedded: Callable[[], Path | None]) -> None:
        self._http = http
        self._find_embedded = find_embedded
        self._models: dict[str, LocalModel] = {}

    async def start(self, paths: Collection[str]) -> None:
        """Run the models at these paths (empty: the embedded one) besides those that run.

        Raises `ConfigurationError` where a file is missing or the extra is not installed; then nothing has changed.
        """
        added = {path: LocalModel(self._file(path), _options(path)) for path in paths if path not in self._models}
        started: list[LocalModel] = []
        try:
            for model in added.values():
                started.append(model)
                await model.start()
        except ConfigurationError:
            for model in started:
                await model.close()
            raise
        self._models |= added

    async def retire(self, paths: Collection[str]) -> None:
        """End all models but those at these paths; call it when no new request can resolve to them any more."""
        dropped = [self._models.pop(path) for path in self._models.keys() - set(paths)]
        for model in dropped:
            await model.close()

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> R_co:
        """Wait until the model is ready and send the request to its process."""
        model = self._models.get(request.origin.host)
        if model is None:
            raise TargetDown("the local model is not in the config any more")
        return await send_to_child(self._http, model, request, timeouts)

    async def close(self) -> None:
        """End every model's process."""
        await self.retire(())

    def _file(self, path: str) -> Path:
        if path:
            return Path(path)
        found = self._find_embedded()
        if found is None:
            raise ConfigurationError(
                "the embedded model's file is not here: run `aqueduct models fetch`, or name providers in aqueduct.yaml"
            )
        return found


async def send_to_child(
    http: HttpTransport[R_co], child: SupervisedChild, request: UpstreamRequest, timeouts: Timeouts
) -> R_co:
    """Wait until the child is ready and send the request to its process, with the key that it wants."""
    try:
        endpoint = await child.ready()
    except UpstreamUnreachable as error:
        raise TargetDown(str(error)) from error
    headers = (*request.headers, (b"authorization", b"Bearer " + endpoint.api_key.encode()))
    return await http.send(msgspec.structs.replace(request, origin=endpoint.origin, headers=headers), timeouts)


def _options(path: str) -> Options:
    """Return how a model is run: the embedded one under the name that the config gives it."""
    return Options() if path else Options(name=EMBEDDED_MODEL)
