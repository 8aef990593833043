"""Hedging: where a target takes longer than it usually does, a second one is asked, and the first answer wins.

The loser is broken off; its attempt is recorded with what it cost. What a hedge asks is paid for by the retry budget.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest, UpstreamError
from aqueduct.gateway.account import Entry
from aqueduct.gateway.exchange import Exchange
from aqueduct.gateway.routing.walk import Ask, Walk
from aqueduct.telemetry.metrics import HEDGES

OpenTarget = Callable[[Ask], Awaitable[Exchange]]
Running = dict[asyncio.Task[Exchange], Target]


async def race(first: Ask, delay_seconds: float, walk: Walk, entry: Entry, open_target: OpenTarget) -> Exchange | None:
    """Ask a target, and after the delay one beside it; return the first answer, or None where all have failed.

    The walk knows of each failure.
    """
    loop = asyncio.get_running_loop()
    running: Running = {loop.create_task(_open(open_target, first)): first.target}
    winner: Exchange | None = None
    try:
        done, _ = await asyncio.wait(running, timeout=delay_seconds)
        if not done and not entry.call.is_committed and (second := walk.spare()) is not None:
            HEDGES.inc()
            running[loop.create_task(_open(open_target, second))] = second.target
        while winner is None and running:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            winner = _judge(done, running, walk)
    finally:
        await _break_off(running, winner)
    if winner is not None:
        # What the client is told, and what is recorded as the request's target, is the last attempt's.
        entry.attempts.sort(key=lambda attempt: attempt.target is winner.target)
    return winner


async def _open(open_target: OpenTarget, ask: Ask) -> Exchange:
    return await open_target(ask)


def _judge(done: set[asyncio.Task[Exchange]], running: Running, walk: Walk) -> Exchange | None:
    """Return an answer, if one of those that are done has it; note the failures of the others."""
    for task in sorted(done, key=list(running).index):
        error = task.exception()
        if error is None:
            return task.result()
        target = running.pop(task)
        if not isinstance(error, UpstreamError | InvalidRequest):
            raise error
        walk.note(target, error)
    return None


async def _break_off(running: Running, winner: Exchange | None) -> None:
    """Cancel whoever has not won, and wait until they have let go of their upstreams."""
    for task in running:
        task.cancel()
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        if not isinstance(outcome, BaseException) and outcome is not winner:
            outcome.close()
