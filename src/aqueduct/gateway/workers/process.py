"""One worker process, seen from the gateway: start it, ask it, end it."""

import asyncio
import contextlib
import os
import sys
from typing import Self

from aqueduct.gateway.workers.serving import NO_TEXT, QUESTION, READY, REPLY


class WorkerDied(Exception):
    """The worker ended, or was killed, before it had replied."""


class Reply:
    """What the worker said: `code` is one of its codes, `payload` what that code comes with."""

    __slots__ = ("code", "payload")

    def __init__(self, code: int, payload: bytes) -> None:
        self.code = code
        self.payload = payload

    @property
    def words(self) -> str:
        """The payload as text."""
        return self.payload.decode(errors="replace")


class WorkerProcess:
    """A running worker; asked one question at a time."""

    def __init__(
        self, process: asyncio.subprocess.Process, questions: asyncio.StreamWriter, replies: asyncio.StreamReader
    ) -> None:
        self._process = process
        self._questions = questions
        self._replies = replies

    @classmethod
    async def start(cls, module: str, *, job_seconds: float, timeout_seconds: float) -> Self:
        """Start the module as a worker and wait until it listens; raises `WorkerDied`, `TimeoutError`, `OSError`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            module,
            str(job_seconds),
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # It sees what strangers wrote: it inherits no secret, only the way to the packages.
            env={"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
            # Ctrl-C on the terminal is for the gateway, which then ends its workers.
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise WorkerDied("it has no pipes")
        worker = cls(process, process.stdin, process.stdout)
        try:
            async with asyncio.timeout(timeout_seconds):
                if await worker._replies.read(1) != READY:
                    raise WorkerDied("it ended while it started")
        except BaseException:
            worker.kill()
            await worker.wait()
            raise
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self._process.returncode is not None

    async def ask(self, subject: bytes, text: bytes | memoryview | None) -> Reply:
        """Send one question and return the reply, or raise `WorkerDied`; a cancelled question spoils the worker."""
        length = NO_TEXT if text is None else len(text)
        try:
            self._questions.write(QUESTION.pack(len(subject), length) + subject)
            if text:
                self._questions.write(text)
            await self._questions.drain()
            code, length = REPLY.unpack(await self._replies.readexactly(REPLY.size))
            payload = await self._replies.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise WorkerDied(str(error)) from error
        return Reply(code, payload)

    def kill(self) -> None:
        """End the process at once."""
        if not self.has_ended:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._questions.close()

    def end(self) -> None:
        """Let the process end by itself: its input ends."""
        self._questions.close()

    async def wait(self) -> None:
        """Wait until the process has ended and is no zombie."""
        await self._process.wait()
