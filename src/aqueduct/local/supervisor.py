"""Keeps one embedded model running: starts its child process again, with growing delays, whenever it fails."""

import asyncio
import importlib.util
import time
from pathlib import Path

import structlog

from aqueduct.errors import ConfigurationError, UpstreamTimeout, UpstreamUnreachable
from aqueduct.local.process import Endpoint, Options, run_child

_GGUF_MAGIC = b"GGUF"
_STEADY_SECONDS = 60.0
"""After so long in service a failure is a new one: the delays begin anew."""

log = structlog.get_logger("aqueduct.local")


class LocalModel:
    """One GGUF file, served by a supervised child process on loopback.

    A request that comes while the child starts waits in `ready`. When it could not start, `ready` says why at once; it
    is tried again meanwhile.
    """

    def __init__(self, model_path: Path, options: Options | None = None) -> None:
        self.model_path = model_path
        self._options = options or Options()
        self._supervision: asyncio.Task[None] | None = None
        self._endpoint: Endpoint | None = None
        self._failure: str | None = None
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Begin to start the child; raise `ConfigurationError` when there is nothing that could be started."""
        _require_extra()
        if problem := _problem_of(self.model_path):
            raise ConfigurationError(problem)
        if self._supervision is None:
            self._supervision = asyncio.create_task(self._supervise(), name=f"local-model-{self.model_path.name}")

    async def ready(self) -> Endpoint:
        """Return where the child answers, as soon as it does.

        Raises `UpstreamUnreachable` when it failed to start or was closed, `UpstreamTimeout` when it takes too long.
        """
        if self._endpoint is not None:
            return self._endpoint
        seconds = self._options.ready_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._wait_for_change()
        except TimeoutError:
            name = self.model_path.name
            raise UpstreamTimeout(f"the local model {name} was not ready within {seconds:g} s") from None

    async def close(self) -> None:
        """End the child and wait until it is gone."""
        if self._supervision is not None:
            self._supervision.cancel()
            # Not awaited itself: that would raise its end here, and swallow a cancellation that is meant for us.
            await asyncio.wait([self._supervision])
        self._become(failure="it was closed")

    async def _wait_for_change(self) -> Endpoint:
        while self._endpoint is None:
            if self._supervision is None or self._failure is not None:
                reason = self._failure or "it was not started"
                raise UpstreamUnreachable(f"the local model {self.model_path.name} does not run: {reason}")
            await self._changed.wait()
        return self._endpoint

    async def _supervise(self) -> None:
        """Run one child after the other."""
        delay = 0.0
        while True:
            self._become()
            reason, seconds_served = await self._run_once()
            delay = 0.0 if seconds_served > _STEADY_SECONDS else delay
            # A child that never served will hardly do so now: whoever waits hears it. One that did is expected back.
            self._become(failure=reason if seconds_served == 0 else None)
            log.error("local model failed", model=self.model_path.name, reason=reason, retry_in_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(max(2 * delay, self._options.first_delay_seconds), self._options.longest_delay_seconds)

    async def _run_once(self) -> tuple[str, float]:
        """Run a child until it fails; return why, and for how many seconds it served."""
        if problem := _problem_of(self.model_path):
            return problem, 0.0
        serving_since: list[float] = []

        def on_serving(endpoint: Endpoint) -> None:
            serving_since.append(time.monotonic())
            self._become(endpoint=endpoint)
            log.info("local model serves", model=self.model_path.name, port=endpoint.origin.port)

        try:
            reason = await run_child(self.model_path, self._options, on_serving)
        except Exception as error:  # noqa: BLE001 - the edge of the supervision: whatever went wrong, it goes on
            reason = f"its process could not be run: {type(error).__name__}: {error}"
        return reason, time.monotonic() - serving_since[0] if serving_since else 0.0

    def _become(self, *, endpoint: Endpoint | None = None, failure: str | None = None) -> None:
        """Enter a state (neither: it is starting) and wake those who wait for it."""
        self._endpoint, self._failure = endpoint, failure
        self._changed.set()
        self._changed = asyncio.Event()


def _require_extra() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "a provider of kind 'local' needs llama.cpp, which is not installed: "
            "run `pip install 'aqueduct-gateway[local]'`, or take the provider out of the config"
        )


def _problem_of(model_path: Path) -> str | None:
    """Say what is wrong with the file, before a process is spent on it."""
    try:
        with model_path.open("rb") as file:
            magic = file.read(len(_GGUF_MAGIC))
    except OSError as error:
        return f"the model file {model_path} cannot be read: {error.strerror or error}"
    return None if magic == _GGUF_MAGIC else f"{model_path} is not a GGUF file"
