"""The revision: a number that changes whenever something the gateway remembers may have changed.

It is a counter in a file that every process sharing the data directory has mapped, so that reading it costs a memory
access and a change acts on the next request. Read the revision before the database: then what was read is never older
than the number it is remembered under.

After the counter comes a ring of the last changes, each with the ids of what it concerns, so that whoever remembers a
thousand callers need not forget them all because one was changed.
"""

import mmap
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from aqueduct.storage.directory import PRIVATE_FILE, exclusive_lock

SLOTS = 512
SLOT_BYTES = 256
HEAD = struct.Struct("=QH")
"""The number of a change and the length of the ids after it; `EVERYTHING` says that there are none, for all may be."""
EVERYTHING = 0xFFFF
COUNTER_BYTES = 8
SIZE = COUNTER_BYTES + SLOTS * SLOT_BYTES


class Revision:
    """The mapped counter and ring; `close` it when done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        if os.fstat(self._descriptor).st_size < SIZE:
            # Growing a file fills it with zeros, and two processes doing it at once do the same.
            os.ftruncate(self._descriptor, SIZE)
        self._map = mmap.mmap(self._descriptor, SIZE)
        # A native 8-byte item is read and written by one instruction: no reader sees half a change.
        self._memory = memoryview(self._map)
        self._counter = self._memory[:COUNTER_BYTES].cast("Q")

    def read(self) -> int:
        """Return the number as it is now, in any process."""
        return self._counter[0]

    def bump(self, concerned: Iterable[str] | None = None) -> int:
        """Raise the number by one, after the change is committed. Returns the new number.

        `concerned` are the ids of what was changed; None, or more than there is room for, says that it may be anything.
        """
        ids = None if concerned is None else "\n".join(sorted(concerned)).encode()
        is_everything = ids is None or len(ids) > SLOT_BYTES - HEAD.size
        # A lock of its own open file, so that it holds between threads too.
        with exclusive_lock(self._path):
            number = self._counter[0] + 1
            at = _place(number)
            if ids is None or is_everything:
                HEAD.pack_into(self._map, at, number, EVERYTHING)
            else:
                self._map[at + HEAD.size : at + HEAD.size + len(ids)] = ids
                HEAD.pack_into(self._map, at, number, len(ids))
            # The number last: who reads it finds what it stands for.
            self._counter[0] = number
            return number

    def concerned(self, since: int, until: int) -> frozenset[str] | None:
        """Return the ids of what was changed after one number and up to another; None: it may be anything."""
        if not 0 <= until - since < SLOTS // 2:
            return None
        found: set[str] = set()
        for number in range(since + 1, until + 1):
            at = _place(number)
            written, length = HEAD.unpack_from(self._map, at)
            if written != number or length > SLOT_BYTES - HEAD.size:
                return None
            found.update(self._map[at + HEAD.size : at + HEAD.size + length].decode().split("\n"))
        # A writer that went once around the ring meanwhile would have left the counter far ahead.
        return frozenset(found) if self._counter[0] - since < SLOTS else None

    def has_told(self, change_id: str) -> bool:
        """Whether one of the last changes says that it concerned this id."""
        number = self.read()
        for since in range(number - 1, max(number - SLOTS // 2, -1), -1):
            found = self.concerned(since, since + 1)
            if found is not None and change_id in found:
                return True
        return False

    def close(self) -> None:
        """Let go of the file."""
        self._counter.release()
        self._memory.release()
        self._map.close()
        os.close(self._descriptor)


def _place(number: int) -> int:
    return COUNTER_BYTES + number % SLOTS * SLOT_BYTES
