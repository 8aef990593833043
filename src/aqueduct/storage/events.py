"""Events on their way into the database: told without waiting, logged at once, stored a moment later."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import structlog

from aqueduct.domain.event import Event
from aqueduct.storage import outbox
from aqueduct.storage.database import Database

MAX_WAITING = 10_000
"""How many events wait while the database is away; later ones are in the log alone."""
MAX_REMEMBERED = 10_000

logger = structlog.get_logger(__name__)


class Events:
    """Where any part of the process tells events; `flush` stores them."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._waiting: OrderedDict[str, Event] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self.noticed = asyncio.Event()
        """Set while something waits to be stored."""

    def emit(self, event: Event) -> None:
        """Tell an event; costs some microseconds, waits for nothing, and is nothing the second time."""
        if event.id in self._told:
            return
        self._told[event.id] = None
        if len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        log(event)
        if len(self._waiting) >= MAX_WAITING:
            logger.error("event not kept: too many wait for the database", event_id=event.id)
            return
        self._waiting[event.id] = event
        self.noticed.set()

    async def flush(self) -> None:
        """Store what waits; raises as the database does, and then it goes on waiting."""
        self.noticed.clear()
        waiting = list(self._waiting.values())
        if waiting:
            await self._database.write_in_bulk(partial(outbox.record, noticed=waiting, now=self._clock()))
            for event in waiting:
                self._waiting.pop(event.id, None)


def log(event: Event) -> None:
    """Write an event into the log."""
    logger.warning(event.kind.value, event_id=event.id, organisation_id=event.organisation_id, **event.data)
