"""The revision: a number that changes whenever something the gateway remembers may have changed.

It is a counter in a file that every process sharing the data directory has mapped, so that reading it costs a memory
access and a change acts on the next request. Read the revision before the database: then what was read is never older
than the number it is remembered under.
"""

import mmap
import os
from pathlib import Path

from aqueduct.storage.directory import PRIVATE_FILE, exclusive_lock

SIZE = 8


class Revision:
    """The mapped counter; `close` it when done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        if os.fstat(self._descriptor).st_size < SIZE:
            # Growing a file fills it with zeros, and two processes doing it at once do the same.
            os.ftruncate(self._descriptor, SIZE)
        self._map = mmap.mmap(self._descriptor, SIZE)
        # A native 8-byte item is read and written by one instruction: no reader sees half a change.
        self._counter = memoryview(self._map).cast("Q")

    def read(self) -> int:
        """Return the number as it is now, in any process."""
        return self._counter[0]

    def bump(self) -> int:
        """Raise the number by one; call it after the change is committed. Returns the new number."""
        # A lock of its own open file, so that it holds between threads too.
        with exclusive_lock(self._path):
            self._counter[0] += 1
            return self._counter[0]

    def close(self) -> None:
        """Let go of the file."""
        self._counter.release()
        self._map.close()
        os.close(self._descriptor)
