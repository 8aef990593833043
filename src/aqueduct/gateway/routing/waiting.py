"""Waiting for a place at a target whose provider allows only so many requests at once."""

import asyncio
from collections.abc import Sequence

from aqueduct.gateway.routing.traffic import TargetState


async def wait_for_room(full: Sequence[TargetState], seconds: float) -> None:
    """Wait until one of the targets has a place free, first come first served, or for so long at the most."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    for state in full:
        state.waiting.append(waiter)
    try:
        async with asyncio.timeout(seconds):
            await waiter
    except TimeoutError:
        pass
    finally:
        for state in full:
            if waiter in state.waiting:
                state.waiting.remove(waiter)
