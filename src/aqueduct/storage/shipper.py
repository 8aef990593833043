"""Moves the journal to the database, about once a second.

A segment is inserted in one transaction and removed after the commit; a crash between the two inserts it again, which
changes nothing, because request ids are keys. While the database is away the journal goes on growing, and nothing is
lost. Segments left by dead processes go first.
"""

import asyncio
import itertools
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aqueduct.storage.database import Database
from aqueduct.storage.directory import PRIVATE_FILE
from aqueduct.storage.journal import Journal
from aqueduct.storage.rollups import Rollups
from aqueduct.storage.segments import Writer, claim_dead
from aqueduct.storage.usage_rows import Batch, read_lines
from aqueduct.storage.usage_writer import StoredBefore, usage_writer

INTERVAL_SECONDS = 1.0
ADOPTION_SECONDS = 60.0
MAX_BACKOFF_SECONDS = 30.0
BREATH_SECONDS = 0.0002
"""The pause between batches in a thread: it keeps the event loop's delays around 1 ms."""
MAX_SEGMENT_BYTES = 8 * 1024 * 1024
"""How long a segment may get while the database is away: it bounds the transaction that inserts it."""

UNAVAILABLE = (DBAPIError, PoolTimeoutError, OSError)
"""Errors about the database (away, full, damaged), unless `is_refusal`: the same lines may well be taken later."""

logger = structlog.get_logger(__name__)


class Shipper:
    """Ships what the journal holds; `run` it beside the gateway and `close` it after the last request."""

    def __init__(self, database: Database, journal: Journal, directory: Path) -> None:
        self._database = database
        self._journal = journal
        self._directory = directory
        self._writer = usage_writer(database)
        self._dead: list[Writer] = []
        self._adopt_at = 0.0
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Ship until cancelled, whatever happens to the database."""
        failures = 0
        while True:
            try:
                await self.ship()
            except UNAVAILABLE as error:
                failures += 1
                self._log_failure(error, failures)
                await asyncio.sleep(min(INTERVAL_SECONDS * 2**failures, MAX_BACKOFF_SECONDS))
            else:
                if failures:
                    logger.warning("usage_shipped_again", failures=failures)
                failures = 0
                await asyncio.sleep(INTERVAL_SECONDS)

    async def ship(self) -> None:
        """Move everything recorded so far; raises one of `UNAVAILABLE` when the database does not take it."""
        async with self._turn:
            if time.monotonic() >= self._adopt_at:
                self._dead += claim_dead(self._directory)
                self._adopt_at = time.monotonic() + ADOPTION_SECONDS
            try:
                self._database.require_file()
                await self._ship_dead()
                for sealed in self._journal.sealed():
                    await self._ship_segment(sealed)
            finally:
                # Also when the database is away, so that no segment grows without bound.
                if self._journal.size > MAX_SEGMENT_BYTES:
                    self._journal.rotate()
            if (segment := self._journal.rotate()) is not None:
                await self._ship_segment(segment)

    async def close(self, timeout_seconds: float = 10.0) -> None:
        """Ship what is left; what the database does not take in time stays in its files for the next start."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.ship()
        except (TimeoutError, *UNAVAILABLE) as error:
            logger.warning("usage_left_in_journal", reason=describe(error))
        for writer in self._dead:
            writer.release()
        self._dead.clear()

    async def _ship_dead(self) -> None:
        while self._dead:
            for segment in self._dead[0].segments():
                try:
                    await self._ship_segment(segment)
                except (IsADirectoryError, PermissionError) as error:
                    # Left where it is and tried again at the next adoption; our own records do not wait for it.
                    logger.error("journal_segment_unreadable", segment=segment.name, reason=str(error))
                    continue
                logger.info("journal_replayed", segment=segment.name)
            self._dead.pop(0).release()

    async def _ship_segment(self, segment: Path) -> None:
        """Insert a segment whole, then remove it; lines that no database would take are set aside first."""
        try:
            damaged = await self._database.write_in_bulk(partial(self._insert, segment, looks=False))
        except StoredBefore:
            damaged = await self._insert_looking(segment)
        except (DBAPIError, ValueError, OverflowError) as error:
            if not is_refusal(error):
                raise
            damaged = await self._database.write_in_bulk(partial(self._insert_singly, segment))
        if damaged:
            self._set_aside(segment, damaged)
        # A file system may take its time over it, and the event loop has none to give.
        await asyncio.to_thread(segment.unlink)

    async def _insert_looking(self, segment: Path) -> list[bytes]:
        """Insert what a process that died between commit and removal has not; it may have lines nobody takes, too."""
        try:
            return await self._database.write_in_bulk(partial(self._insert, segment, looks=True))
        except (DBAPIError, ValueError, OverflowError) as error:
            if not is_refusal(error):
                raise
            return await self._database.write_in_bulk(partial(self._insert_singly, segment))

    def _insert(self, segment: Path, connection: Connection, *, looks: bool) -> list[bytes]:
        """Insert the segment and what it adds to the rollups, in one transaction."""
        damaged: list[bytes] = []
        rollups = Rollups()
        for batch in read_segment(segment, self._writer.batch_lines):
            for record in self._writer.insert(connection, batch, looks=looks):
                rollups.add(record)
            damaged += batch.damaged
            if self._database.is_sqlite:
                # In a thread: without a real pause it would win the GIL back each time, for 5 ms at a stretch.
                time.sleep(BREATH_SECONDS)
        rollups.write(connection)
        return damaged

    def _insert_singly(self, segment: Path, connection: Connection) -> list[bytes]:
        """Insert line by line, so that one the database refuses does not keep back the others."""
        damaged: list[bytes] = []
        with segment.open("rb") as file:
            for line in whole_lines(file, segment):
                batch = read_lines([line])
                damaged += batch.damaged
                rollups = Rollups()
                try:
                    with connection.begin_nested():
                        for record in self._writer.insert(connection, batch, looks=True):
                            rollups.add(record)
                        rollups.write(connection)
                except (DBAPIError, ValueError, OverflowError) as error:
                    if not is_refusal(error):
                        raise
                    damaged.append(line)
        return damaged

    def _set_aside(self, segment: Path, damaged: list[bytes]) -> None:
        path = self._directory / "damaged-lines.txt"
        with path.open("ab") as file:
            path.chmod(PRIVATE_FILE)
            file.writelines(damaged)
        logger.error("journal_lines_damaged", segment=segment.name, lines=len(damaged), kept_in=str(path))

    def _log_failure(self, error: BaseException, failures: int) -> None:
        # The first failure and then every power of two: an outage of a day is a dozen lines.
        if failures & (failures - 1) == 0:
            logger.error("usage_not_shipped", reason=describe(error), failures=failures)


def read_segment(segment: Path, batch_lines: int) -> Iterator[Batch]:
    """Read a segment batch by batch."""
    with segment.open("rb") as file:
        lines = whole_lines(file, segment)
        while chunk := list(itertools.islice(lines, batch_lines)):
            yield read_lines(chunk)


def whole_lines(lines: Iterable[bytes], segment: Path) -> Iterator[bytes]:
    """Pass the lines on, but for a last one without an end: its writer died in the middle, and promised nothing."""
    for line in lines:
        if line.endswith(b"\n"):
            yield line
        else:
            logger.warning("journal_line_torn", segment=segment.name, bytes=len(line))


def is_refusal(error: BaseException) -> bool:
    """Whether the error is about what is inserted, so that the same lines will never be taken."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, ValueError | OverflowError)
    if isinstance(error, DataError | IntegrityError):
        return True
    # asyncpg's errors keep their kind only in the cause, or in the class of their SQLSTATE (22: data, 23: constraint).
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    causes = (error.orig, getattr(error.orig, "__cause__", None))
    return sqlstate[:2] in {"22", "23"} or any(isinstance(cause, ValueError | OverflowError) for cause in causes)


def describe(error: BaseException) -> str:
    """Name an error for the log, without the statement and the values that SQLAlchemy adds to its message."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return f"{type(cause).__name__}: {cause}".splitlines()[0][:200]
