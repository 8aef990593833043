"""Captures on their way into the database: taken without waiting, redacted and written a moment later, and pruned.

What waits is bounded, in bytes and in number; what finds no room is dropped, counted, and said in the log. Nothing is
ever logged but numbers, ids and the kinds of errors: a database's message may quote a value.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite

from aqueduct.domain.capture import Capture, Recorded
from aqueduct.storage.aggregates import CAPTURES
from aqueduct.storage.capture_rows import to_capture
from aqueduct.storage.database import Database
from aqueduct.storage.shipper import UNAVAILABLE, is_refusal
from aqueduct.storage.tables import captures
from aqueduct.telemetry.metrics import DROPPED_CAPTURES

INTERVAL_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
MAX_HELD_BYTES = 64 * 1024 * 1024
"""How many bytes of content are held, of requests under way and of those that wait to be written."""
MAX_WAITING = 10_000
BATCH_ROWS = 100
BATCH_BYTES = 8 * 1024 * 1024
BREATH_SECONDS = 0.0002
"""The pause after each body that was redacted in a thread, so that the event loop gets its turn."""

logger = structlog.get_logger(__name__)


class CaptureWriter:
    """Takes captures and writes them; `run` it beside the gateway and `close` it after the last request."""

    def __init__(self, database: Database, *, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._database = database
        self._max_held_bytes = max_held_bytes
        self._waiting: deque[Recorded] = deque()
        self._noticed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._unsaid = 0
        self.held_bytes = 0
        self.dropped = 0
        """How many captures, or parts of them, were dropped for lack of room."""

    def hold(self, size: int) -> bool:
        """Make room for so many bytes of content; False, and counted, where there is none."""
        if self.held_bytes + size > self._max_held_bytes:
            self._drop(1)
            return False
        self.held_bytes += size
        return True

    def take(self, recorded: Recorded) -> None:
        """Take a request whose bytes are held."""
        if len(self._waiting) >= MAX_WAITING:
            self.held_bytes -= recorded.held_bytes
            self._drop(1)
            return
        self._waiting.append(recorded)
        self._noticed.set()

    async def run(self) -> None:
        """Write until cancelled, whatever happens to the database."""
        failures = 0
        while True:
            self._tell_dropped()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._noticed.wait(), MAX_BACKOFF_SECONDS)
            try:
                await self.flush()
            except UNAVAILABLE as error:
                failures += 1
                if failures & (failures - 1) == 0:
                    logger.error("captures not written", reason=type(error).__name__, failures=failures)
                await asyncio.sleep(min(INTERVAL_SECONDS * 2**failures, MAX_BACKOFF_SECONDS))
            else:
                failures = 0
                # What ends in the meantime is written together.
                await asyncio.sleep(INTERVAL_SECONDS)

    async def flush(self) -> None:
        """Write what waits; raises one of `UNAVAILABLE`, and then it goes on waiting."""
        async with self._turn:
            self._noticed.clear()
            while self._waiting:
                try:
                    await self._write()
                except UNAVAILABLE:
                    self._noticed.set()
                    raise

    async def close(self, timeout_seconds: float = 10.0) -> None:
        """Write what waits; what the database does not take in time is lost."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.flush()
        except (TimeoutError, *UNAVAILABLE) as error:
            logger.error("captures lost", captures=len(self._waiting), reason=type(error).__name__)
        self._tell_dropped()

    async def _write(self) -> None:
        """Write the oldest of what waits, in one transaction; what no database takes is dropped alone."""
        batch = self._batch()
        rows = await asyncio.to_thread(to_captures, batch)
        try:
            await self._database.write_in_bulk(partial(insert, rows=rows))
        except UNAVAILABLE as error:
            if not is_refusal(error):
                raise
            await self._write_singly(rows)
        for recorded in batch:
            self._waiting.popleft()
            self.held_bytes -= recorded.held_bytes

    async def _write_singly(self, rows: Sequence[Capture]) -> None:
        for row in rows:
            try:
                await self._database.write_in_bulk(partial(insert, rows=[row]))
            except UNAVAILABLE as error:
                if not is_refusal(error):
                    raise
                logger.error("capture refused by the database", request_id=row.id, reason=type(error).__name__)

    def _batch(self) -> list[Recorded]:
        batch: list[Recorded] = []
        size = 0
        for recorded in islice(self._waiting, BATCH_ROWS):
            size += recorded.held_bytes
            if batch and size > BATCH_BYTES:
                break
            batch.append(recorded)
        return batch

    def _drop(self, count: int) -> None:
        self.dropped += count
        self._unsaid += count
        DROPPED_CAPTURES.inc(count)
        self._noticed.set()

    def _tell_dropped(self) -> None:
        if self._unsaid:
            logger.warning("captures dropped: too much waits to be written", captures=self._unsaid)
            self._unsaid = 0


def to_captures(batch: Sequence[Recorded]) -> list[Capture]:
    """Return what is kept of each."""
    rows: list[Capture] = []
    for recorded in batch:
        rows.append(to_capture(recorded))
        time.sleep(BREATH_SECONDS)
    return rows


def insert(connection: sa.Connection, rows: Sequence[Capture]) -> None:
    """Insert captures; one that is there already, since a commit's answer got lost, stays."""
    dialect_insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement: Callable[..., sa.Executable] = dialect_insert(captures).on_conflict_do_nothing
    connection.execute(statement(), [CAPTURES.to_row(row) for row in rows])
