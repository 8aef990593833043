"""The journal: where a usage record is safe before its answer ends.

All records that end in one turn of the event loop are written by one system call in the same turn. What has been
acknowledged survives the process (`kill -9`); with `fsync` it survives a power cut too. `shipper.py` moves the journal
to the database.
"""

import asyncio
from pathlib import Path

import msgspec
import structlog

from aqueduct.domain.usage import Undelivered, UsageRecord
from aqueduct.errors import JournalUnavailable
from aqueduct.storage.segments import Segment, Writer, claim_new
from aqueduct.storage.sync import Syncer, Tick

PROBE_SECONDS = 1.0
PROBE_BYTES = 64 * 1024
"""How much room a full disk must have again before requests are let in: some hundred records."""

logger = structlog.get_logger(__name__)
encode = msgspec.json.Encoder().encode


class Journal:
    """Takes records from the event loop it was made in; `close` it after the last."""

    def __init__(self, directory: Path, *, fsync: bool = False) -> None:
        """Become a writer in the directory. Raises `OSError` when it cannot be written."""
        self._loop = asyncio.get_running_loop()
        self.writer: Writer = claim_new(directory)
        self._number = 1
        self._segment = Segment(self.writer.path(1))
        self._syncer = Syncer(self._loop) if fsync else None
        self._lines: list[bytes] = []
        self._tick: Tick | None = None
        self._probe: asyncio.TimerHandle | None = None

    @property
    def is_writable(self) -> bool:
        """Whether the last write worked; while it did not, the disk is tried again every second."""
        return self._probe is None

    @property
    def size(self) -> int:
        """How many bytes the current segment holds."""
        return self._segment.size

    def record(self, record: UsageRecord | Undelivered) -> asyncio.Future[None]:
        """Append a record."""
        return self.append(encode(record))

    def append(self, line: bytes) -> asyncio.Future[None]:
        """Append a line (without its end), and return what resolves once it is safe.

        The future is shared by all lines of the turn, and cancelling one of its waiters leaves it alone. It fails with
        `JournalUnavailable`, and then none of the turn's lines is in the journal. It need not be awaited.
        """
        tick = self._tick
        if tick is None:
            tick = self._tick = Tick(loop=self._loop)
            self._loop.call_soon(self._write)
        self._lines.append(line)
        return tick

    def rotate(self) -> Path | None:
        """Begin a new segment and return the one before it, complete; None if nothing was written to it.

        Raises `OSError` when no new file can be made; the current one stays in use.
        """
        if self._segment.size == 0:
            return None
        following = Segment(self.writer.path(self._number + 1))
        self._number += 1
        previous, self._segment = self._segment, following
        if self._syncer is None:
            previous.close()
        else:
            self._syncer.retire(previous)
        return previous.path

    def sealed(self) -> list[Path]:
        """List the segments that are complete but were not shipped yet, the oldest first."""
        current = self._segment.path
        return [path for path in self.writer.segments() if path != current]

    def close(self) -> None:
        """Write what is waiting and let go of the files; segments that were not shipped stay for the next start."""
        self._write()
        if self._probe is not None:
            self._probe.cancel()
        if self._syncer is not None:
            self._syncer.close(self._segment)
        self._segment.close()
        self.writer.release()

    def _write(self) -> None:
        tick, self._tick = self._tick, None
        if tick is None:
            return
        lines, self._lines = self._lines, []
        lines.append(b"")
        try:
            self._segment.write(b"\n".join(lines))
        except OSError as error:
            self._suspend(error)
            tick.fail(JournalUnavailable("Usage cannot be recorded at the moment."))
            return
        if self._probe is not None:
            self._resume()
        if self._syncer is None:
            tick.set_result(None)
        else:
            self._syncer.sync(self._segment, tick)

    def _suspend(self, error: OSError) -> None:
        if self._probe is None:
            logger.error("journal_unwritable", reason=error.strerror)
            self._probe = self._loop.call_later(PROBE_SECONDS, self._try_again)

    def _try_again(self) -> None:
        try:
            self._segment.probe(PROBE_BYTES)
        except OSError:
            self._probe = self._loop.call_later(PROBE_SECONDS, self._try_again)
        else:
            self._resume()

    def _resume(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
            logger.warning("journal_writable_again")
