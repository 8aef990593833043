"""What every child process of the gateway does for its parent: reports on one pipe, and never outlives it.

A child reads one JSON line from standard input, which then stays open and silent: its end is the end of the parent. It
writes JSON lines (`Report`) to standard output, the first when it serves or could not, then one for every sign of life.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

import msgspec

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1


class Report(msgspec.Struct, omit_defaults=True):
    """What the child says: the address it serves at, why it cannot, or (neither) that it is alive."""

    address: str | None = None
    failure: str | None = None


def reporter() -> Callable[[Report], None]:
    """Keep standard output for reports alone: what libraries print there is sent to standard error."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def report(message: Report) -> None:
        channel.write(msgspec.json.encode(message) + b"\n")

    return report


def end_with_parent(parent_pid: int) -> None:
    """Make sure that this process does not outlive its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the parent, which drains first
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:
            os._exit(0)
    threading.Thread(target=_exit_at_end_of_input, name="parent-watch", daemon=True).start()


def _exit_at_end_of_input() -> None:
    """Wait for the pipe that only the parent holds open; a library's threads would keep a normal exit waiting."""
    sys.stdin.buffer.read()
    os._exit(0)
