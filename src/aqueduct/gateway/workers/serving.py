"""The child's side: questions in on its standard input, replies out on its standard output, within hard limits.

Standard library only, so that a worker starts in about 50 ms plus what its own work needs.

- after its start it writes one byte, `READY`;
- a question is `>II` (the lengths of its two halves, `NO_TEXT` where there is no second), then both;
- a reply is `>BI` (a code of the worker's own and the length of the payload), then the payload.

It ends with the end of its input, so it never outlives the gateway by more than the job in hand; and a job in hand has
a processor allowance that the kernel enforces, for the case that nobody is left to kill it.
"""

import contextlib
import math
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO, Final

READY: Final = b"\x06"
QUESTION: Final = struct.Struct(">II")
REPLY: Final = struct.Struct(">BI")
NO_TEXT: Final = 0xFFFF_FFFF

Work = Callable[[bytes, bytes | None], tuple[int, bytes]]
"""Takes the halves of a question, returns the code and the payload of the reply."""


def run(work: Work, *, memory_bytes: int) -> None:
    """Limit this process, then answer questions until they end; the first argument is the seconds a job may take."""
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

    def limit_resources(memory_bytes: int) -> None:
        """Do nothing."""

    def allow_processor_time(seconds: float) -> None:
        """Do nothing."""
