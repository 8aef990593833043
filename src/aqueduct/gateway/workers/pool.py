"""A few worker processes: started when needed, replaced when killed, ended when idle."""

import asyncio
from typing import NamedTuple

import structlog

from aqueduct.errors import Draining, Overloaded
from aqueduct.gateway.workers.line import FairLine, LineFull
from aqueduct.gateway.workers.process import Reply, WorkerDied, WorkerProcess

_START_SECONDS = 15.0
_DRAINING = "The gateway is shutting down."

_log = structlog.get_logger(__name__)


class OverDeadline(Exception):
    """The job did not end in time, or not at all: its worker was killed or died of its limits."""


class Trade(NamedTuple):
    """What workers of a pool are for: the module that they run, and what is said where they are too few or none."""

    module: str
    too_many: str
    unavailable: str


class Crew(NamedTuple):
    """How many workers there are, how many of them one caller may keep busy, and how many questions may wait."""

    size: int
    most_a_caller: int
    queue_limit: int


class WorkerPool:
    """Asks a few workers at a time; other questions wait in line, each caller's first come, first served.

    The deadline counts from when a worker has the question.
    """

    def __init__(self, trade: Trade, crew: Crew, *, deadline_seconds: float, idle_seconds: float) -> None:
        self._trade = trade
        self._deadline_seconds = deadline_seconds
        self._idle_seconds = idle_seconds
        self._is_closed = False
        self._line = FairLine(crew.size, crew.most_a_caller, crew.queue_limit)
        self._idle: dict[WorkerProcess, asyncio.TimerHandle] = {}
        self._busy: set[WorkerProcess] = set()
        self._ending: set[WorkerProcess] = set()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are not known to have ended."""
        workers = (*self._idle, *self._busy, *self._ending)
        return [worker.pid for worker in workers if not worker.has_ended]

    async def ask(self, subject: bytes, text: bytes | memoryview | None, caller: str = "") -> Reply:
        """Return a worker's reply, or raise `OverDeadline` or `Overloaded`; `caller` is who has a share of the pool."""
        try:
            await self._line.enter(caller)
        except LineFull:
            raise Overloaded(self._trade.too_many) from None
        try:
            return await self._ask_worker(subject, text)
        finally:
            self._line.leave(caller)

    async def close(self) -> None:
        """End every worker and wait until none is left, zombies included; whoever still asks is refused."""
        self._is_closed = True
        for worker in [*self._idle, *self._busy]:
            self._discard(worker)
        # From then on, nobody is asking or starting a worker any more.
        await self._line.wait_until_empty()
        while self._ending:
            await self._ending.pop().wait()

    async def _ask_worker(self, subject: bytes, text: bytes | memoryview | None) -> Reply:
        if self._is_closed:
            raise Draining(_DRAINING)
        worker = self._take_idle() or await self._start()
        self._busy.add(worker)
        if self._is_closed:
            self._discard(worker)
            raise Draining(_DRAINING)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                reply = await worker.ask(subject, text)
        except (TimeoutError, WorkerDied) as error:
            size = len(subject) + len(text or b"")
            _log.warning("worker_killed", module=self._trade.module, reason=type(error).__name__, size=size)
            raise OverDeadline from error
        else:
            self._busy.discard(worker)
            self._keep_idle(worker)
            return reply
        finally:
            # Also when the caller was cancelled: nobody would read the reply.
            if worker in self._busy:
                self._discard(worker)

    async def _start(self) -> WorkerProcess:
        try:
            return await WorkerProcess.start(
                self._trade.module, job_seconds=self._deadline_seconds, timeout_seconds=_START_SECONDS
            )
        except (OSError, TimeoutError, WorkerDied) as error:
            _log.exception("worker_not_started", module=self._trade.module)
            raise Overloaded(self._trade.unavailable) from error

    def _take_idle(self) -> WorkerProcess | None:
        """Return the worker used last, which has the warmest cache and lets the others idle out."""
        while self._idle:
            worker, timer = self._idle.popitem()
            timer.cancel()
            if not worker.has_ended:
                return worker
            self._discard(worker)
        return None

    def _keep_idle(self, worker: WorkerProcess) -> None:
        self._idle[worker] = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire, worker)

    def _retire(self, worker: WorkerProcess) -> None:
        self._idle.pop(worker, None)
        worker.end()
        self._await_end(worker)

    def _discard(self, worker: WorkerProcess) -> None:
        timer = self._idle.pop(worker, None)
        if timer is not None:
            timer.cancel()
        self._busy.discard(worker)
        worker.kill()
        self._await_end(worker)

    def _await_end(self, worker: WorkerProcess) -> None:
        """Remember the worker for `close`; the event loop itself reaps it."""
        self._ending = {ending for ending in self._ending if not ending.has_ended}
        self._ending.add(worker)
