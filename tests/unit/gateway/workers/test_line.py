"""Who gets a place in a pool, and when."""

import asyncio
from collections.abc import Sequence

import pytest

from aqueduct.gateway.workers.line import FairLine, LineFull


class Callers:
    """Callers in line, and the order in which they came in."""

    def __init__(self, line: FairLine) -> None:
        self.line = line
        self.order: list[str] = []

    async def come(self, *callers: str) -> Sequence["asyncio.Task[None]"]:
        tasks = [asyncio.create_task(self._enter(caller)) for caller in callers]
        await asyncio.sleep(0)
        return tasks

    async def leave(self, caller: str) -> None:
        self.line.leave(caller)
        await asyncio.sleep(0)

    async def _enter(self, caller: str) -> None:
        await self.line.enter(caller)
        self.order.append(caller)


async def test_one_caller_never_has_all_places_and_the_others_go_in_turn() -> None:
    callers = Callers(FairLine(3, 2, 64))
    await callers.come("a", "a", "a", "a", "a", "b", "b", "c")
    assert callers.order == ["a", "a", "b"]
    await callers.leave("b")
    assert callers.order[3:] == ["b"]
    await callers.leave("b")
    assert callers.order[4:] == ["c"]
    await callers.leave("a")
    await callers.leave("a")
    assert callers.order[5:] == ["a", "a"]


async def test_a_full_line_has_room_for_whoever_has_less_in_it() -> None:
    callers = Callers(FairLine(1, 1, 4))
    a = await callers.come("a", "a", "a", "a", "a")
    (more,) = await callers.come("a")
    with pytest.raises(LineFull):
        await more
    b = await callers.come("b", "b")
    with pytest.raises(LineFull):
        await a[4]
    with pytest.raises(LineFull):
        await a[3]
    (third,) = await callers.come("b")
    with pytest.raises(LineFull):
        await third
    for _ in range(4):
        await callers.leave(callers.order[-1])
    assert callers.order == ["a", "a", "b", "a", "b"]
    assert all(task.done() for task in b)


async def test_who_leaves_the_line_or_leaves_in_the_moment_of_his_turn_holds_nobody_up() -> None:
    line = FairLine(1, 1, 4)
    callers = Callers(line)
    await callers.come("a")
    gone, called = await callers.come("b", "c")
    (last,) = await callers.come("d")
    gone.cancel()
    line.leave("a")
    called.cancel()
    await asyncio.wait([gone, called])
    await last
    assert callers.order == ["a", "d"]
    emptied = asyncio.create_task(line.wait_until_empty())
    await asyncio.sleep(0)
    assert not emptied.done()
    line.leave("d")
    await emptied
    await line.wait_until_empty()
