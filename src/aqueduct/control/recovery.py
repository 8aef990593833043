"""Makes shared budgets right again after a gateway died: what it had reserved and did not settle is looked up.

A reservation is named as its request. Where a gateway is killed between its journal and Valkey, the reservation lapses,
and is remembered; the journal is replayed, by whichever gateway finds it, and then the record says what was spent.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from aqueduct.counters.valkey_calls import Lapsed
from aqueduct.domain.period import budget_of_key
from aqueduct.errors import CountersUnavailable
from aqueduct.storage.database import Database
from aqueduct.storage.spending import read_costs, read_currencies

INTERVAL_SECONDS = 5.0

logger = structlog.get_logger(__name__)


class SharedCounters(Protocol):
    """Counters that remember what lapsed (`counters/valkey.py`)."""

    async def lapsed(self) -> list[Lapsed]:
        """List a page of the money that lapsed and of which nobody found out yet whether it was spent."""

    def recover(self, lapsed: Lapsed, spent: int) -> None:
        """Spend what was found out; of several who do, the first is believed."""


class Recovery:
    """Looks every few seconds; `run` it beside the gateway."""

    def __init__(self, database: Database, counters: SharedCounters) -> None:
        self._database = database
        self._counters = counters

    async def run(self) -> None:
        """Look until cancelled, whatever happens to the database and the counters."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            with contextlib.suppress(CountersUnavailable, SQLAlchemyError, OSError):
                await self.recover()

    async def recover(self) -> None:
        """Look once. A request of which there is no record yet is looked up again later."""
        if lapsed := await self._counters.lapsed():
            await self._look_up(lapsed)

    async def _look_up(self, lapsed: Sequence[Lapsed]) -> None:
        async with self._database.reading() as connection:
            costs = await read_costs(connection, sorted({each.name for each in lapsed}))
            currencies = await read_currencies(connection, sorted({budget_of_key(each.key) for each in lapsed}))
        for each in lapsed:
            if each.name in costs:
                spent = costs[each.name].get(currencies.get(budget_of_key(each.key), ""), 0)
                self._counters.recover(each, spent)
                logger.info("spending_recovered", budget=each.key, request=each.name, nano=spent)
