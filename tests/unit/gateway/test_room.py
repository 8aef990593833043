"""How many bytes of images and files all requests may hold together."""

import asyncio

import pytest

from aqueduct.errors import Overloaded
from aqueduct.gateway.attachments.room import Holding, Portion, Room


async def test_what_finds_no_room_is_told_to_come_again_and_leaves_nothing_behind() -> None:
    room = Room(100, wait_seconds=0.01)
    first, second = Holding(room), Holding(room)
    await first.take(80)
    with pytest.raises(Overloaded) as refused:
        await second.take(30)
    assert (refused.value.status, refused.value.retry_after_seconds) == (503, 1.0)
    assert (room.bytes, second.bytes) == (80, 0)
    with pytest.raises(Overloaded):
        await second.take(101)
    first.release()
    first.release()
    assert room.bytes == 0


async def test_whoever_waits_gets_the_room_in_order_when_it_is_given_back() -> None:
    room = Room(150)
    first = Holding(room)
    await first.take(80)
    order: list[int] = []

    async def wait(number: int, size: int) -> None:
        await Holding(room).take(size)
        order.append(number)

    tasks = [asyncio.create_task(wait(0, 90)), asyncio.create_task(wait(1, 15))]
    await asyncio.sleep(0)
    assert order == []  # nobody overtakes, or the large ones would never have their turn
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert (order, room.bytes) == ([1], 95)


async def test_those_who_have_begun_go_first_so_that_some_are_done() -> None:
    room = Room(150)
    begun, other = Holding(room), Holding(room)
    await begun.take(40)
    await other.take(40)
    late = asyncio.create_task(Holding(room).take(30))
    await asyncio.sleep(0)
    assert not late.done()  # the last third is for those who hold some
    await begun.take(60)
    more = asyncio.create_task(other.take(50))
    await asyncio.sleep(0)
    assert not more.done()
    begun.release()
    await more
    assert not late.done()
    other.release()
    await late
    assert room.bytes == 30


async def test_a_request_that_leaves_in_the_moment_it_gets_room_gives_it_back() -> None:
    room = Room(100)
    first = Holding(room)
    await first.take(80)
    waiting = asyncio.create_task(Holding(room).take(50))
    await asyncio.sleep(0)
    first.release()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert room.bytes == 0


async def test_what_comes_bit_by_bit_is_covered_before_it_is_held_and_settled_at_its_end() -> None:
    room = Room(10_000_000)
    holding = Holding(room)
    portion = Portion(holding, 5)
    for size in range(0, 1_000_000, 9_999):
        await portion.cover(size)
        assert 5 * size <= room.bytes <= max(10 * size, 5 * 65_536)
    portion.settle(1_000)
    assert room.bytes == holding.bytes == 5_000
    holding.shrink(300)
    assert room.bytes == 300
    holding.release()
    await holding.take(70)
    assert room.bytes == 0
