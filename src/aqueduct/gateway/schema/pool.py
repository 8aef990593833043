"""A few worker processes: started when needed, replaced when killed, ended when idle."""

import asyncio

import structlog

from aqueduct.errors import Draining, Overloaded
from aqueduct.gateway.schema.process import Reply, WorkerDied, WorkerProcess

_START_SECONDS = 15.0

_log = structlog.get_logger(__name__)


class OverDeadline(Exception):
    """The job did not end in time, or not at all: its worker was killed or died of its limits."""


class WorkerPool:
    """Asks at most `size` workers at a time; the others wait in line, first come, first served.

    The deadline counts from when a worker has the question. More than `queue_limit` in line is `Overloaded`.
    """

    def __init__(self, *, size: int, deadline_seconds: float, idle_seconds: float, queue_limit: int) -> None:
        self._deadline_seconds = deadline_seconds
        self._idle_seconds = idle_seconds
        self._queue_limit = queue_limit
        self._size = size
        self._waiting = 0
        self._is_closed = False
        self._turns = asyncio.Semaphore(size)
        self._idle: dict[WorkerProcess, asyncio.TimerHandle] = {}
        self._busy: set[WorkerProcess] = set()
        self._ending: set[WorkerProcess] = set()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are not known to have ended."""
        workers = (*self._idle, *self._busy, *self._ending)
        return [worker.pid for worker in workers if not worker.has_ended]

    async def ask(self, schema: bytes, text: bytes | None) -> Reply:
        """Return a worker's reply, or raise `OverDeadline` or `Overloaded`."""
        if self._waiting >= self._queue_limit:
            raise Overloaded("Too many answers are waiting to be checked against their JSON schema.")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._ask_worker(schema, text)
        finally:
            self._turns.release()

    async def close(self) -> None:
        """End every worker and wait until none is left, zombies included; whoever still asks is refused."""
        self._is_closed = True
        for worker in [*self._idle, *self._busy]:
            self._discard(worker)
        # Once every turn is here, nobody is asking or starting a worker any more.
        for _ in range(self._size):
            await self._turns.acquire()
        while self._ending:
            await self._ending.pop().wait()

    async def _ask_worker(self, schema: bytes, text: bytes | None) -> Reply:
        worker = self._take_idle() or await self._start()
        self._busy.add(worker)
        if self._is_closed:
            self._discard(worker)
            raise Draining("The gateway is shutting down.")
        try:
            async with asyncio.timeout(self._deadline_seconds):
                reply = await worker.ask(schema, text)
        except (TimeoutError, WorkerDied) as error:
            _log.warning("schema_worker_killed", reason=type(error).__name__, schema_bytes=len(schema))
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
            return await WorkerProcess.start(job_seconds=self._deadline_seconds, timeout_seconds=_START_SECONDS)
        except (OSError, TimeoutError, WorkerDied) as error:
            _log.exception("schema_worker_not_started")
            raise Overloaded("JSON schemas cannot be checked right now.") from error

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
