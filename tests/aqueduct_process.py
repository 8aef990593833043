"""`aqueduct` as a process of its own, without the second that its imports take: forked by `tests/fork_server.py`.

What starts is a real process (a process id, signals, an exit status, streams), in a session of its own; only that its
interpreter has imported everything already. Tests of the start itself run the installed executable, `COMMAND`. So does
everything here where the system has no process descriptors, where a variable is for the interpreter, and where
`AQUEDUCT_TEST_FORK` is 0.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Protocol

COMMAND = Path(sys.executable).with_name("aqueduct")
SERVER = Path(__file__).with_name("fork_server.py")
READ_WHEN_STARTING = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_")
"""What the variables begin with that an interpreter, or what is below it, reads only when it starts."""
START_SECONDS = 120.0


class Process(Protocol):
    """What is used of `subprocess.Popen`."""

    @property
    def pid(self) -> int:
        """The process id."""

    def poll(self) -> int | None:
        """Return the exit status, a signal's number negated, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status; raises `subprocess.TimeoutExpired`."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """End it without a warning."""


class ForkedProcess:
    """A process that the fork server started and waits for; `report` is where it says how that ended."""

    def __init__(self, arguments: Sequence[str], pid: int, handle: int, report: int) -> None:
        self.arguments = arguments
        self.pid = pid
        self._handle = handle
        self._report = report
        self._status: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._look(None if timeout is None else timeout * 1000)
        if status is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0)
        return status

    def send_signal(self, sig: int, /) -> None:
        # By its descriptor: its id may be another's already.
        with self._lock, contextlib.suppress(ProcessLookupError):
            if self._status is None:
                signal.pidfd_send_signal(self._handle, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout_milliseconds: float | None) -> int | None:
        if self._status is not None:
            return self._status
        poller = select.poll()
        poller.register(self._report, select.POLLIN)
        if not poller.poll(timeout_milliseconds):
            return None
        with self._lock:
            if self._status is None:
                said = os.read(self._report, 16)
                assert said, "the fork server has died"
                self._status = int(said)
                os.close(self._report)
                os.close(self._handle)
        return self._status


class ForkServer:
    """The running fork server; one a test process, started by the first that wants it."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            descriptor = theirs.fileno()
            # Its own session: Ctrl-C is for the tests, which end what they have started.
            self._process = subprocess.Popen(
                [sys.executable, SERVER, str(descriptor)],
                stdin=subprocess.DEVNULL,
                pass_fds=[descriptor],
                start_new_session=True,
            )
        self._channel.settimeout(START_SECONDS)
        assert self._channel.recv(16) == b"ready", "the fork server does not start"

    def can_start(self, environment: Mapping[str, str]) -> bool:
        """Whether a fork is as good as a new interpreter in this environment."""
        return _of_the_interpreter(environment) == _of_the_interpreter(self._environment)

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, streams: Sequence[int]
    ) -> ForkedProcess:
        """Start `aqueduct` with the three streams given."""
        command = [str(COMMAND), *arguments]
        wanted = {"arguments": command, "environment": dict(environment), "folder": str(folder)}
        report, theirs = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._channel, [json.dumps(wanted).encode()], [*streams, theirs])
                pid, (handle,), _, _ = socket.recv_fds(self._channel, 16, 1, socket.MSG_CMSG_CLOEXEC)
        finally:
            os.close(theirs)
        return ForkedProcess(command, int(pid), handle, report)

    def close(self) -> None:
        """End it, and with it whatever it has started."""
        self._channel.close()
        self._process.wait(30)


def can_fork() -> bool:
    """Whether what is started here may be forked."""
    has_handles = hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")
    return has_handles and os.environ.get("AQUEDUCT_TEST_FORK") != "0"


@cache
def fork_server() -> ForkServer:
    """Return the fork server of this test process."""
    return ForkServer()


def close_fork_server() -> None:
    """End the fork server, if there is one."""
    if fork_server.cache_info().currsize:
        fork_server().close()
    fork_server.cache_clear()


def start_installed(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path,
    stdout: IO[bytes],
    stderr: IO[bytes],
    stdin: IO[bytes] | None = None,
) -> Process:
    """Start the installed executable in a folder; its streams are open files, or an empty one for standard input."""
    return subprocess.Popen(
        [COMMAND, *arguments],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=stdout,
        stderr=stderr,
    )


def start_aqueduct(
    *arguments: str,
    environment: Mapping[str, str],
    folder: Path,
    stdout: IO[bytes],
    stderr: IO[bytes],
    stdin: IO[bytes] | None = None,
) -> Process:
    """Start `aqueduct` likewise, but forked where that does."""
    if not (can_fork() and fork_server().can_start(environment)):
        return start_installed(
            *arguments, environment=environment, folder=folder, stdin=stdin, stdout=stdout, stderr=stderr
        )
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(Path(os.devnull).open("rb")) if stdin is None else stdin
        return fork_server().start(arguments, environment, folder, [source.fileno(), stdout.fileno(), stderr.fileno()])


def run_aqueduct(
    *arguments: str, environment: Mapping[str, str], folder: Path, text: str = "", timeout_seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `aqueduct` to its end and return what it printed; `text` is its standard input."""
    with contextlib.ExitStack() as stack:
        # Files, not pipes: nobody has to read and write at the same time.
        stdin, stdout, stderr = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        stdin.write(text.encode())
        stdin.seek(0)
        process = start_aqueduct(
            *arguments, environment=environment, folder=folder, stdin=stdin, stdout=stdout, stderr=stderr
        )
        try:
            status = process.wait(timeout_seconds)
        except BaseException:
            process.kill()
            process.wait()
            raise
        for stream in (stdout, stderr):
            stream.seek(0)
        return subprocess.CompletedProcess(
            [str(COMMAND), *arguments], status, stdout.read().decode(), stderr.read().decode()
        )


def _of_the_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_WHEN_STARTING)}
