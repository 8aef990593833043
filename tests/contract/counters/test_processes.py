"""Several gateways with one Valkey server, and what becomes of the reservations of one that was killed."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.contract.counters.conftest import PATIENCE_SECONDS, Clock
from tests.contract.counters.reserving import granted, keys, refused, remaining
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.counters.answers import Refusal, Reservation
from aqueduct.counters.claims import Budget, Place, Window
from aqueduct.counters.valkey import ValkeyCounters
from aqueduct.counters.valkey_calls import Lapsed

ROOT = Path(__file__).resolve().parents[3]
LIFE_SECONDS = 1.0
SILENT_SECONDS = 1000.0


def patient(server: ValkeyProcess, prefix: str, clock: Clock) -> ValkeyCounters:
    """Counters that renew nothing by themselves, for a test is over before, and hold for less than `SILENT_SECONDS`."""
    return ValkeyCounters(
        server.url, timeout_seconds=PATIENCE_SECONDS, life_seconds=SILENT_SECONDS - 1, prefix=prefix, clock=clock
    )


class Gateway:
    """Another process with counters of its own at the same server."""

    def __init__(self, server: ValkeyProcess, life_seconds: float) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.contract.counters.reserving_process",
                server.url,
                "shared",
                str(life_seconds),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def gateways(server: ValkeyProcess, count: int, life_seconds: float = 30.0) -> Iterator[list[Gateway]]:
    processes = [Gateway(server, life_seconds) for _ in range(count)]
    try:
        assert {process.hear() for process in processes} == {"ready"}
        yield processes
    finally:
        for process in processes:
            process.kill()


def shared_counters(server: ValkeyProcess) -> ValkeyCounters:
    return ValkeyCounters(server.url, prefix="shared", life_seconds=LIFE_SECONDS, timeout_seconds=PATIENCE_SECONDS)


async def test_of_a_thousand_parallel_requests_at_three_gateways_a_hundred_get_through(server: ValkeyProcess) -> None:
    async with shared_counters(server) as counters:
        await counters.seed("money", 0)
    with gateways(server, 3) as processes:
        for process in processes:
            process.tell("reserve 100 334")
        assert sum(int(process.hear()) for process in processes) == 100


async def test_what_a_killed_gateway_had_reserved_lapses_and_a_living_ones_does_not(server: ValkeyProcess) -> None:
    async with shared_counters(server) as counters:
        await counters.seed("money", 0)
        with gateways(server, 1, LIFE_SECONDS) as (other,):
            ours = await granted(counters, Place("place", 3), Budget("money", 30, 10))
            other.tell("reserve 3 3")
            assert other.hear() == "2"
            # Longer than the life of a place: both gateways have renewed theirs.
            await asyncio.sleep(2 * LIFE_SECONDS)
            assert keys(await refused(counters, Place("place", 3), Budget("money", 30, 10))) == ["place", "money"]
            other.kill()
        killed_at = time.monotonic()
        claims = (Place("place", 3), Budget("money", 30, 10))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while isinstance(answer := await counters.reserve(claims), Refusal):  # noqa: ASYNC110 -- a server's state
                await asyncio.sleep(0.05)
        assert isinstance(answer, Reservation)
        assert time.monotonic() - killed_at > 0.5 * LIFE_SECONDS
        # Ours and the new one are counted, the two of the dead gateway are not; its window keeps what it let through.
        assert [each.remaining for each in answer.standings] == [1, 10]
        counters.settle(ours, (0, 4))
        counters.settle(answer, (0, 5))
        final = await granted(counters, Place("place", 3), Budget("money", 30, 0), Window("requests", 3, 0))
        assert [each.remaining for each in final.standings] == [2, 21, 1]


async def test_what_lapsed_stays_lapsed(server: ValkeyProcess) -> None:
    life_seconds = 0.2
    async with ValkeyCounters(server.url, life_seconds=life_seconds, timeout_seconds=PATIENCE_SECONDS) as counters:
        await counters.seed("money", 0)
        claims = (Place("place", 1), Budget("money", 10, 10))
        stale = await granted(counters, *claims)
        # The whole gateway stands still for longer than the life of its places.
        time.sleep(2 * life_seconds)  # noqa: ASYNC251 -- that is the point
        newer = await granted(counters, *claims)
        await counters.renew()
        counters.settle(stale, (0, 3))
        refusal = await refused(counters, *claims)
        assert [each.remaining for each in refusal.standings] == [0, 0]
        counters.settle(newer, (0, 2))
        assert [each.remaining for each in (await granted(counters, Budget("money", 10, 0))).standings] == [5]


async def test_a_server_that_forgot_the_scripts_is_told_again(server: ValkeyProcess) -> None:
    async with ValkeyCounters(server.url, timeout_seconds=PATIENCE_SECONDS) as counters:
        await granted(counters, Window("requests", 1000))
        server.command("SCRIPT", "FLUSH")
        answers = await asyncio.gather(*(counters.reserve([Window("requests", 100)]) for _ in range(200)))
        assert sum(isinstance(answer, Reservation) for answer in answers) == 99


async def test_what_a_dead_gateway_had_reserved_is_spent_once_when_its_truth_is_found_out(
    shared_server: ValkeyProcess, clock: Clock
) -> None:
    def opened() -> ValkeyCounters:
        return patient(shared_server, "lapsing", clock)

    budget, free = Budget("money", 100, 40), Budget("free", 100, 0)
    async with opened() as dead, opened() as one, opened() as other:
        await dead.seed("money", 7)
        await dead.seed("free", 0)
        answer = await dead.reserve([budget, free], name="request-1")
        assert isinstance(answer, Reservation)
        assert await one.lapsed() == []
        clock.advance(SILENT_SECONDS)
        # A claim finds out that nobody renewed it, and it is held no longer.
        assert await remaining(one, Budget("money", 100, 0)) == 93
        assert await remaining(one, Budget("free", 100, 0)) == 100
        for counters in (one, other):
            found = await counters.lapsed()
            assert set(found) <= {Lapsed("money", 40, "request-1"), Lapsed("free", 0, "request-1")}
            for each in found:
                counters.recover(each, 11)
        assert await remaining(other, Budget("money", 100, 0)) == 82
        assert await remaining(other, Budget("free", 100, 0)) == 89
        assert await one.lapsed() == []
        # It was not dead after all.
        dead.settle(answer, (11, 11))
        assert await remaining(dead, Budget("money", 100, 0)) == 82


async def test_a_gateway_that_was_silent_for_too_long_still_settles(shared_server: ValkeyProcess, clock: Clock) -> None:
    async with patient(shared_server, "silent", clock) as counters:
        await counters.seed("money", 0)
        reservation = await granted(counters, Budget("money", 100, 40), Place("place", 1))
        clock.advance(SILENT_SECONDS)
        assert await remaining(counters, Budget("money", 100, 0)) == 100
        assert await remaining(counters, Place("place", 1)) == 0
        counters.settle(reservation, (30, 0))
        assert await remaining(counters, Budget("money", 100, 0)) == 70
        assert await counters.lapsed() == []


async def test_requests_that_were_never_answered_do_not_hide_what_others_cost(
    shared_server: ValkeyProcess, clock: Clock
) -> None:
    async with patient(shared_server, "starving", clock) as counters:
        for key in ("a", "b"):
            await counters.seed(key, 0)
            unanswered = (counters.reserve([Budget(key, 10**6, 1)], name=f"killed-{number}") for number in range(1200))
            await asyncio.gather(*unanswered)
            await counters.reserve([Budget(key, 10**6, 1)], name="answered")
        clock.advance(SILENT_SECONDS)
        for key in ("a", "b"):
            assert await remaining(counters, Budget(key, 10**6, 0)) == 10**6
        found: list[Lapsed] = []
        for _ in range(5):
            page = await counters.lapsed()
            for each in page:
                if each.name == "answered":
                    counters.recover(each, 7)
            found += page
        assert len(found) == len(set(found)) == 2 * 1201
        for key in ("a", "b"):
            assert await remaining(counters, Budget(key, 10**6, 0)) == 10**6 - 7
        # And from the beginning again.
        assert set(await counters.lapsed()) < set(found)
