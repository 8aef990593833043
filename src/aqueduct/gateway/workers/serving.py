"""The child's side: questions in on its standard input, replies out on its standard output, within hard limits.

Standard library only, so that a worker starts in about 50 ms plus what its own work needs.

- after its start it writes one byte, `READY`;
- a question is `>II` (the lengths of its two halves, `NO_TEXT` where there is no second), then both;
- a reply is `>BI` (a code of the worker's own and the length of the payload), then the payload.

It ends with the end of its input. In the middle of a job nobody reads that: on Linux the kernel ends it with its
parent, elsewhere a thread sees to it; and a job has a processor allowance that the kernel enforces.
"""

import contextlib
import ctypes
import math
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import BinaryIO, Final

READY: Final = b"\x06"
QUESTION: Final = struct.Struct(">II")
REPLY: Final = struct.Struct(">BI")
NO_TEXT: Final = 0xFFFF_FFFF
_PR_SET_PDEATHSIG: Final = 1
_LOOK_SECONDS: Final = 0.5

Work = Callable[[bytes, bytes | None], tuple[int, bytes]]
"""Takes the halves of a question, returns the code and the payload of the reply."""


def run(work: Work, *, memory_bytes: int) -> None:
    """Limit this process, then answer questions until they end.

    The arguments are the seconds a job may take, and the process id of the parent.
    """
    end_with_parent(int(sys.argv[2]))
    limit_resources(memory_bytes)
    serve(sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1]), work)


def serve(questions: BinaryIO, replies: BinaryIO, job_seconds: float, work: Work) -> None:
    """Answer questions, one after the other, until they end."""
    replies.write(READY)
    replies.flush()
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        subject_length, text_length = QUESTION.unpack(head)
        subject = questions.read(subject_length)
        text = None if text_length == NO_TEXT else questions.read(text_length)
        allow_processor_time(job_seconds)
        code, payload = work(subject, text)
        del text
        replies.write(REPLY.pack(code, len(payload)) + payload)
        replies.flush()


if sys.platform != "win32":
    import resource

    def end_with_parent(parent_pid: int) -> None:
        """Make sure that this process does not outlive its parent, whatever it is doing."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent_pid:
                os._exit(0)
        else:
            threading.Thread(target=_watch, args=(parent_pid,), name="parent-watch", daemon=True).start()

    def _watch(parent_pid: int) -> None:
        while os.getppid() == parent_pid:
            time.sleep(_LOOK_SECONDS)
        os._exit(0)

    def limit_resources(memory_bytes: int) -> None:
        """Cap the address space, and write no file: not even a core file when a cap is hit."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Some kernels (macOS) know the limit, but refuse it.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        sys.dont_write_bytecode = True

    def allow_processor_time(seconds: float) -> None:
        """Let the kernel end the process (SIGXCPU) when the next job takes longer than it may."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        soft = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))

else:  # Windows has no such limits; the parent's deadline still holds there.

    def end_with_parent(parent_pid: int) -> None:
        """Do nothing: the end of the input is the end."""

    def limit_resources(memory_bytes: int) -> None:
        """Do nothing."""

    def allow_processor_time(seconds: float) -> None:
        """Do nothing."""
