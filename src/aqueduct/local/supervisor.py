"""Keeps one child process running: starts it again, with growing delays, whenever it fails."""

import asyncio
import time

import structlog

from aqueduct.errors import ConfigurationError, UpstreamTimeout, UpstreamUnreachable
from aqueduct.local.process import Endpoint, Program, Timing, run_child

_STEADY_SECONDS = 60.0
"""After so long in service a failure is a new one: the delays begin anew."""

log = structlog.get_logger("aqueduct.local")


class SupervisedChild:
    """One program, run in a child process that serves HTTP on loopback.

    A request that comes while the child starts waits in `ready`. When it could not start, `ready` says why at once; it
    is tried again meanwhile.
    """

    def __init__(self, program: Program, timing: Timing) -> None:
        self._program = program
        self._timing = timing
        self._supervision: asyncio.Task[None] | None = None
        self._endpoint: Endpoint | None = None
        self._failure: str | None = None
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Begin to start the child; raise `ConfigurationError` when there is nothing that could be started."""
        if problem := self._program.problem():
            raise ConfigurationError(problem)
        if self._supervision is None:
            self._supervision = asyncio.create_task(self._supervise(), name=f"supervision-{self._program.name}")

    async def ready(self) -> Endpoint:
        """Return where the child answers, as soon as it does.

        Raises `UpstreamUnreachable` when it failed to start or was closed, `UpstreamTimeout` when it takes too long.
        """
        if self._endpoint is not None:
            return self._endpoint
        seconds = self._timing.ready_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._wait_for_change()
        except TimeoutError:
            name = self._program.name
            raise UpstreamTimeout(f"the {self._program.label} {name} was not ready within {seconds:g} s") from None

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
                raise UpstreamUnreachable(f"the {self._program.label} {self._program.name} does not run: {reason}")
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
            log.error(self._program.failed, name=self._program.name, reason=reason, retry_in_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(max(2 * delay, self._timing.first_delay_seconds), self._timing.longest_delay_seconds)

    async def _run_once(self) -> tuple[str, float]:
        """Run a child until it fails; return why, and for how many seconds it served."""
        if problem := self._program.problem():
            return problem, 0.0
        serving_since: list[float] = []

        def on_serving(endpoint: Endpoint) -> None:
            serving_since.append(time.monotonic())
            self._become(endpoint=endpoint)
            log.info(self._program.serves, name=self._program.name, port=endpoint.origin.port)

        try:
            reason = await run_child(self._program, self._timing, on_serving)
        except Exception as error:  # noqa: BLE001 - the edge of the supervision: whatever went wrong, it goes on
            reason = f"its process could not be run: {type(error).__name__}: {error}"
        return reason, time.monotonic() - serving_since[0] if serving_since else 0.0

    def _become(self, *, endpoint: Endpoint | None = None, failure: str | None = None) -> None:
        """Enter a state (neither: it is starting) and wake those who wait for it."""
        self._endpoint, self._failure = endpoint, failure
        self._changed.set()
        self._changed = asyncio.Event()
