"""A process that has imported everything and forks: what it starts is `aqueduct`, without the second of imports.

`tests/aqueduct_process.py` starts it and talks to it. It has one thread, no event loop and nothing open, so that a fork
is as good as a fresh interpreter. What differs is put right in `become`: the environment, the standard streams, the
working directory and the arguments. Settings are read when a command runs, and whatever is drawn at random is drawn
after the fork (Python's `random` and OpenSSL see to that themselves).
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

IMPORTED = (
    "aiosqlite",
    "alembic.command",
    "alembic.config",
    "asyncpg",
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.ciphers.aead",
    "redis.asyncio",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvloop",
)
"""What the product imports when it first needs it, beside all modules of its own; light and always installed."""
NOT_IMPORTED = ("aqueduct.storage.migrations.", "aqueduct.gateway.documents.readers.")
"""What runs when it is imported, and what only processes beside the gateway need."""
STREAMS = 3
LARGEST_REQUEST = 1 << 20


class Child:
    """A process that was started: its id, and where to say how it ended."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid = pid
        self.report = report

    def collect(self) -> None:
        """Wait for the end, which has come, and say how it was."""
        _, status = os.waitpid(self.pid, 0)
        # Nobody may be interested any more.
        with suppress(OSError):
            os.write(self.report, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(self.report)


def import_everything() -> None:
    """Import the product and what it uses."""
    import aqueduct

    for module in pkgutil.walk_packages(aqueduct.__path__, "aqueduct."):
        if not module.name.startswith(NOT_IMPORTED):
            importlib.import_module(module.name)
    for name in IMPORTED:
        importlib.import_module(name)
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, "an import has started a thread: a fork would lack it"


def fork_on_request(channel: socket.socket) -> None:
    """Fork for each request until the other side is gone; returns in the forked processes only."""
    children: dict[int, Child] = {}
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor != channel.fileno():
                poller.unregister(descriptor)
                children.pop(descriptor).collect()
                os.close(descriptor)
                continue
            request, descriptors, _, _ = socket.recv_fds(channel, LARGEST_REQUEST, STREAMS + 1, socket.MSG_CMSG_CLOEXEC)
            if not request:
                end(children)
            pid = os.fork()
            if pid == 0:
                become(json.loads(request), descriptors[:STREAMS])
                for other, child in children.items():
                    os.close(other)
                    os.close(child.report)
                for inherited in descriptors:
                    os.close(inherited)
                channel.close()
                return
            handle = os.pidfd_open(pid)
            socket.send_fds(channel, [str(pid).encode()], [handle])
            for passed in descriptors[:STREAMS]:
                os.close(passed)
            children[handle] = Child(pid, descriptors[STREAMS])
            poller.register(handle, select.POLLIN)


def end(children: dict[int, Child]) -> None:
    """Leave nobody behind: whoever asked for these processes is gone."""
    for handle in children:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    raise SystemExit(0)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Make this process what it would be, had it been started with these arguments and this environment."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = request["arguments"]
    # As the interpreter opens them: what is seen by a person at once, the rest in blocks, errors line by line.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        opened = open(  # noqa: SIM115 - a descriptor has no path, and lives as long as the process
            number,
            "r" if number == 0 else "w",
            encoding=old.encoding,
            errors=old.errors,
            newline=None if number == 0 else "\n",
            closefd=False,
        )
        if name == "stderr" or (name == "stdout" and opened.isatty()):
            opened.reconfigure(line_buffering=True)
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)


def run() -> int:
    """Run the command and return its exit status; what it does not catch is left to the interpreter."""
    from aqueduct.cli import main as run_command

    try:
        run_command()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
            return 1
        return ended.code or 0
    return 0


def leave(status: int) -> NoReturn:
    """End the process in the order of the interpreter, but without taking every module apart.

    That writes to each page of memory and takes as long as all the rest, and nothing is seen of it.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> NoReturn:
    """Serve on the channel whose descriptor is the only argument; in a forked process, run the command."""
    # Not this file's folder but that of the `aqueduct` command, as if that were what runs.
    sys.path[0] = str(Path(sys.executable).parent)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    import_everything()
    gc.collect()
    gc.freeze()
    channel.send(b"ready")
    fork_on_request(channel)
    leave(run())


if __name__ == "__main__":
    main()
