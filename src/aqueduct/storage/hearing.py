"""Hears of what was administered under other data directories, and raises the revision of this one for it.

The path of a request stays as it is: it looks at the mapped revision only, whoever raised that.
"""

import asyncio
import time

import structlog

from aqueduct.storage import changes
from aqueduct.storage.changes import Told
from aqueduct.storage.database import Database
from aqueduct.storage.revision import Revision
from aqueduct.storage.shipper import UNAVAILABLE, describe

INTERVAL_SECONDS = 0.5
"""How long a change may go unheard: half of the second that is promised, since the reading takes a while too."""
TIMEOUT_SECONDS = 5.0
"""How long one reading may take; over a connection that died silently it would hang for hours."""

logger = structlog.get_logger(__name__)


class Hearing:
    """Reads the list of changes twice a second; `begin` before anything is remembered, then `run` beside the gateway.

    While the database is away, the gateway goes on with what it knows. Then it catches up, from where it was.
    """

    def __init__(self, database: Database, revision: Revision) -> None:
        self._database = database
        self._revision = revision
        self._heard: Told | None = None

    async def begin(self) -> None:
        """Note where the list ends; raises one of `UNAVAILABLE` when it cannot be read."""
        async with self._database.reading() as connection:
            self._heard = await changes.read_newest(connection)

    async def run(self) -> None:
        """Listen until cancelled, whatever happens to the database."""
        deaf_since: float | None = None
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await self.listen()
            except UNAVAILABLE as error:
                if deaf_since is None:
                    deaf_since = time.monotonic()
                    logger.warning("changes_not_heard", reason=describe(error))
            else:
                if deaf_since is not None:
                    logger.warning("changes_heard_again", seconds=round(time.monotonic() - deaf_since, 1))
                    deaf_since = None
            await asyncio.sleep(INTERVAL_SECONDS)

    async def listen(self) -> None:
        """Read what is new, and raise the revision for it; raises one of `UNAVAILABLE` when it cannot be read."""
        heard = self._heard
        async with self._database.reading() as connection:
            found = [] if heard is None else await changes.read_from(connection, heard.number)
            is_continued = found[:1] == [heard]
            newest = found[-1] if is_continued else await changes.read_newest(connection)
        if not is_continued:
            # Too much was missed, or another database has been put in this one's place.
            self._revision.bump()
        for told in found[1:] if is_continued else ():
            # Whoever made the change here has raised the revision himself, unless he died or the answer was lost.
            if not self._revision.has_told(told.id):
                self._revision.bump(None if told.concerned is None else told.concerned | {told.id})
        self._heard = newest
