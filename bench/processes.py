"""Starts, pins, watches and ends the processes of a measurement; what they used is read from Linux's /proc."""

import contextlib
import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_SECONDS = 60.0
END_SECONDS = 15.0

Core = int | None
"""The core a process is bound to; None: any, because there is only one."""


class BenchError(Exception):
    """A measurement could not be made; the message says why."""


def cores() -> tuple[Core, Core]:
    """Return the core for the load and the upstream, and the one for what is measured."""
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[1]) if len(available) > 1 else (None, None)


def allow_many_files() -> None:
    """Raise the soft limit on open files, which children inherit, to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def running(
    command: Sequence[str], core: Core, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process beside the block, its output into `log`, and end it afterwards."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pinned(core), *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def pinned(core: Core) -> list[str]:
    """Return what to put before a command to bind it to a core."""
    return [] if core is None else ["taskset", "--cpu-list", str(core)]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until somebody listens; raise `BenchError` with the log's end when nobody will."""

    def is_open() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    wait_for(is_open, process, log)


def wait_for(is_up: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process that was started is up; raise `BenchError` with the log's end when it will not be."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if is_up():
            return
        time.sleep(0.05)
    raise BenchError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def family(root: int) -> dict[int, list[str]]:
    """Return the fields of /proc/PID/stat, from the state on, of a process and its living descendants."""
    stats = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stats[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
    members = {root}
    while more := {pid for pid, fields in stats.items() if int(fields[1]) in members} - members:
        members |= more
    return {pid: stats[pid] for pid in members if pid in stats}


def cpu_seconds(root: int) -> float:
    """Return the CPU time, user and system, that a process and its descendants have used so far."""
    return sum(int(fields[11]) + int(fields[12]) for fields in family(root).values()) / TICKS_PER_SECOND


def main_thread_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process's first thread alone: of the gateway, that is the event loop."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_mb(root: int) -> float:
    """Return the resident memory of a process and its descendants, in MB (10⁶ bytes)."""
    return sum(int(fields[21]) for fields in family(root).values()) * PAGE_BYTES / 1e6
