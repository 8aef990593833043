"""Watches what is spent of budgets that want alerts, and tells when a threshold is reached."""

import asyncio
import time
from collections.abc import Callable

import sqlalchemy as sa
import structlog

from aqueduct.domain.event import Emit, budget_events
from aqueduct.domain.period import span_at
from aqueduct.storage.aggregates import BUDGETS
from aqueduct.storage.database import Database
from aqueduct.storage.shipper import UNAVAILABLE
from aqueduct.storage.spending import read_spenders, read_spending

INTERVAL_SECONDS = 15.0

logger = structlog.get_logger(__name__)


class BudgetWatch:
    """Looks at the rollups every few seconds; `run` it beside the gateway.

    An event has an id made of budget, period and threshold, so looking again, or from several gateways, tells nothing
    twice. After the first look only those budgets are summed whose owners used something since, or that are new.
    """

    def __init__(self, database: Database, emit: Emit, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._emit = emit
        self._clock = clock
        self._seen: dict[str, int] = {}
        """The version of each budget that has been looked at."""
        self._looked_at = 0.0

    async def run(self) -> None:
        """Watch until cancelled, whatever happens to the database."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.look()
            except UNAVAILABLE as error:
                logger.warning("budgets not watched", reason=type(error).__name__)

    async def look(self) -> None:
        """Tell of every threshold that has been reached in the present period."""
        now = self._clock()
        async with self._database.reading() as connection:
            rows = await connection.execute(sa.select(*BUDGETS.columns))
            budgets = [budget for row in rows.mappings() if (budget := BUDGETS.read(row)).alert_thresholds]
            active = await read_spenders(connection, self._looked_at) if self._seen else set()
            for budget in budgets:
                is_known = self._seen.get(budget.id) == budget.version
                if is_known and (budget.subject_type, budget.subject_id) not in active:
                    continue
                begins_at = span_at(budget.period, budget.time_zone, now).begins_at
                spent = await read_spending(connection, budget, begins_at)
                for event in budget_events(
                    budget, period_started_at=begins_at, spent_before_nano=0, spent_after_nano=spent, now=now
                ):
                    self._emit(event)
        self._seen = {budget.id: budget.version for budget in budgets}
        self._looked_at = now
