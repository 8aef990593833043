"""Waiting for the disk: turns of the event loop that share one `fdatasync`, made in a thread.

Only used with the `journal_fsync` setting.
"""

import asyncio
import os
from concurrent.futures import Future, ThreadPoolExecutor

from typing_extensions import override

from aqueduct.errors import JournalUnavailable
from aqueduct.storage.segments import Segment

flush = getattr(os, "fdatasync", os.fsync)
"""Not every system has the call that leaves out the file's times."""


class Tick(asyncio.Future[None]):
    """Resolves when the lines of one turn are safe; it is shared, so no waiter can cancel it for the others."""

    @override
    def cancel(self, msg: object = None) -> bool:
        """Refuse; the waiter is cancelled as soon as the turn's lines are written."""
        return False

    def fail(self, error: Exception) -> None:
        """End in an error, which nobody needs to look at."""
        self.set_exception(error)
        self.exception()


class Syncer:
    """Brings segments onto the disk, one call at a time; turns that end meanwhile share the next."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-fsync")
        self._segment: Segment | None = None
        self._waiting: list[Tick] = []
        self._is_busy = False

    def sync(self, segment: Segment, tick: Tick) -> None:
        """Resolve `tick` once everything written to the segment so far is on the disk."""
        # Whoever waits, waits for this segment: the one before was retired with all its turns.
        self._segment = segment
        self._waiting.append(tick)
        if not self._is_busy:
            self._start(segment)

    def retire(self, segment: Segment) -> None:
        """Sync the segment for the last time, then close it."""
        ticks, self._waiting = self._waiting, []
        self._submit(segment, ticks)
        self._thread.submit(segment.close)

    def close(self, segment: Segment) -> None:
        """Sync the segment for the last time and end the thread, waiting for both."""
        self._submit(segment, self._waiting)
        self._thread.shutdown(wait=True)

    def _start(self, segment: Segment) -> None:
        self._is_busy = True
        ticks, self._waiting = self._waiting, []
        done = self._submit(segment, ticks)
        done.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._next))

    def _next(self) -> None:
        self._is_busy = False
        if self._waiting and self._segment is not None:
            self._start(self._segment)

    def _submit(self, segment: Segment, ticks: list[Tick]) -> Future[None]:
        done = self._thread.submit(flush, segment.descriptor)
        done.add_done_callback(lambda done: self._loop.call_soon_threadsafe(settle, ticks, done.exception()))
        return done


def settle(ticks: list[Tick], error: BaseException | None) -> None:
    """Resolve the turns that one `fdatasync` covered."""
    for tick in ticks:
        if error is None:
            tick.set_result(None)
        else:
            tick.fail(JournalUnavailable("Usage cannot be recorded at the moment."))
