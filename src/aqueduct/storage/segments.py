"""The journal's files: who writes them, and which were left by a process that died.

Each process is a writer with a name, a lock file that it holds as long as it lives, and numbered segments of JSON
lines: `<name>.lock`, `<name>.00000001.jsonl` … Whoever can lock a writer's file knows that it is dead, and owns its
segments.
"""

import errno
import fcntl
import os
import secrets
import time
from pathlib import Path

from aqueduct.storage.directory import PRIVATE_FILE, exclusive_lock

LOCK_SUFFIX = ".lock"
SEGMENT_SUFFIX = ".jsonl"


class Writer:
    """The right to a set of segments: our own, or those of a dead process."""

    def __init__(self, directory: Path, name: str, descriptor: int) -> None:
        self._directory = directory
        self._descriptor = descriptor
        self.name = name

    def path(self, number: int) -> Path:
        """Return where the segment with this number is."""
        return self._directory / f"{self.name}.{number:08}{SEGMENT_SUFFIX}"

    def segments(self) -> list[Path]:
        """List the segments that exist, the oldest first."""
        return sorted(self._directory.glob(f"{self.name}.*{SEGMENT_SUFFIX}"))

    def release(self) -> None:
        """Give the right up; the lock file stays while there are segments for another to find."""
        if not self.segments():
            (self._directory / f"{self.name}{LOCK_SUFFIX}").unlink(missing_ok=True)
        os.close(self._descriptor)


def claim_new(directory: Path) -> Writer:
    """Become a writer; names sort by the time they were made."""
    name = f"{time.time_ns() // 1_000_000:013}-{secrets.token_hex(4)}"
    # Under the directory's lock, or another process could find the file between its making and its locking.
    with exclusive_lock(directory / "journal.lock"):
        descriptor = os.open(directory / f"{name}{LOCK_SUFFIX}", os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return Writer(directory, name, descriptor)


def claim_dead(directory: Path) -> list[Writer]:
    """Take over every writer whose process has died, the oldest first."""
    writers = []
    with exclusive_lock(directory / "journal.lock"):
        names = {path.name.partition(".")[0] for path in directory.glob(f"*-*{SEGMENT_SUFFIX}")}
        names |= {path.name.partition(".")[0] for path in directory.glob(f"*-*{LOCK_SUFFIX}")}
        for name in sorted(names):
            descriptor = os.open(directory / f"{name}{LOCK_SUFFIX}", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                writers.append(Writer(directory, name, descriptor))
    return writers


class Segment:
    """A file of whole lines that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, PRIVATE_FILE)
        self._is_torn = False

    def write(self, lines: bytes) -> None:
        """Write lines, all or none; raises `OSError` when the disk takes fewer."""
        if self._is_torn:
            # What could not be cut off becomes a line of its own, which the reader sets aside.
            lines = b"\n" + lines
        written = os.write(self.descriptor, lines)
        if written < len(lines):
            self._cut()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written
        self._is_torn = False

    def probe(self, size: int) -> None:
        """Find out whether `size` bytes could be written, and leave no trace; raises `OSError` if not."""
        try:
            if os.write(self.descriptor, b"\n" * size) < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            self._cut()

    def _cut(self) -> None:
        try:
            os.ftruncate(self.descriptor, self.size)
        except OSError:
            self._is_torn = True

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        os.close(self.descriptor)
        if self.size == 0:
            self.path.unlink(missing_ok=True)
