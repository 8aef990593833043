"""Measures admitting and settling alone, in a process that does nothing else: `python -m bench.limiting --help`.

The caller is that of `scripts/bench --limits`: eight claims. Each round lets requests in until 32 are held, and settles
them together. The least of many rounds is printed, in µs of CPU a request: what the machine's other work adds falls
away. So does most of what a gateway pays, though: code that runs all the time is in the processor's caches. `--cold`
does something else before each step, and comes nearer to the truth. PYTHONPATH=TREE/src measures another source tree.
"""

import argparse
import asyncio
import contextlib
import email
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from aqueduct.config.price_book import PriceBook
from aqueduct.counters.contract import Counters
from aqueduct.counters.memory import MemoryCounters
from aqueduct.counters.valkey import ValkeyCounters
from aqueduct.domain.budget import Budget, Period
from aqueduct.domain.limit import Dimension, Limit
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.price import Price
from aqueduct.domain.principal import Principal
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.subject import SubjectType
from aqueduct.domain.usage import AttemptRecord, UsageRecord
from aqueduct.gateway.account import Entry
from aqueduct.gateway.admit import Limiter
from aqueduct.gateway.call import Call
from aqueduct.gateway.forecast import Forecast
from aqueduct.wire.chat import parse_chat
from bench import subjects
from bench.processes import Core

HELD = 32
_OTHER_DATA = bytearray(1 << 21)
REQUEST = parse_chat(b'{"model": "bench", "messages": [{"role": "user", "content": "Hi"}]}')
PRICE = Price(currency="USD", tiers=((0, (("input_tokens", 2_000_000_000), ("output_tokens", 8_000_000_000))),))
MODEL = Model(name="bench", targets=(Target(provider=Provider(name="p", kind="openai"), model="m", prices=(PRICE,)),))
SNAPSHOT = Snapshot(models=(MODEL,), by_name={"bench": MODEL})


class _Client:
    """As much of a call as limits look at."""

    def __init__(self, number: int) -> None:
        self.id = f"request-{number}"
        self.started_at = time.time()
        self.limit_lines = b""


class _NothingSpent:
    async def spent(self, budget: Budget, begins_at: float) -> int:
        return 0


def caller() -> Principal:
    """Return a principal under eight limits and budgets."""
    dimensions = (
        (SubjectType.ORGANISATION, Dimension.REQUESTS_PER_MINUTE),
        (SubjectType.TEAM, Dimension.INPUT_TOKENS_PER_MINUTE),
        (SubjectType.TEAM, Dimension.OUTPUT_TOKENS_PER_MINUTE),
        (SubjectType.USER, Dimension.REQUESTS_PER_MINUTE),
        (SubjectType.API_TOKEN, Dimension.REQUESTS_PER_MINUTE),
        (SubjectType.API_TOKEN, Dimension.CONCURRENT_REQUESTS),
    )
    limits = tuple(
        Limit(id=f"l{at}", created_at=0.0, subject_type=of, subject_id="x", dimension=each, amount=10**9)
        for at, (of, each) in enumerate(dimensions)
    )
    budgets = tuple(
        Budget(
            id=f"b-{period}",
            created_at=0.0,
            subject_type=SubjectType.USER,
            subject_id="x",
            amount_nano=10**17,
            period=period,
        )
        for period in (Period.DAY, Period.MONTH)
    )
    return Principal(id="t", limits=limits, budgets=budgets)


class Requests:
    """Lets requests of one caller in and settles them."""

    def __init__(self, counters: Counters) -> None:
        self._limiter = Limiter(
            counters, _NothingSpent(), Forecast(PriceBook()), queue_seconds=0.0, are_budgets_open=False
        )
        self._caller = caller()
        self._number = 0

    def begin(self) -> tuple[Entry, UsageRecord]:
        """Make a request, and the record that it will have."""
        self._number += 1
        entry = Entry(cast("Call", _Client(self._number)), self._caller, "chat")
        attempt = AttemptRecord(
            target="p/m",
            provider="p",
            started_at=entry.call.started_at,
            units={"input_tokens": 50, "output_tokens": 50},
            cost_nano=1000,
            currency="USD",
        )
        record = UsageRecord(
            id=entry.call.id,
            started_at=entry.call.started_at,
            operation="chat",
            api_token_id="t",
            units=attempt.units,
            attempts=[attempt],
        )
        return entry, record

    async def admit(self, entry: Entry) -> None:
        """Let a request in."""
        await self._limiter.admit(entry, REQUEST, MODEL, SNAPSHOT, 400)

    async def round(self, *, are_together: bool) -> float:
        """Return the CPU seconds of a request; `are_together` lets all in at once, as tasks that are not counted."""
        made = [self.begin() for _ in range(HELD)]
        began_at = time.process_time()
        if are_together:
            await asyncio.gather(*(self.admit(entry) for entry, _ in made))
        else:
            for entry, _ in made:
                await self.admit(entry)
        for entry, record in made:
            if entry.admission is not None:
                entry.admission.settle(record)
        if are_together:
            # The settlements are written when the loop comes round.
            await asyncio.sleep(0)
        return (time.process_time() - began_at) / HELD


def elsewhere() -> None:
    """Use other code and other data, as the rest of a gateway does between two steps of one request."""
    bytes(_OTHER_DATA)
    compile("class Other:\n    x = [each for each in range(3)]\n", "other", "exec")
    email.message_from_string("a: b\nc: d\n\n")


async def measure_cold(requests: int) -> list[float]:
    """Return the µs of each request, admitted and settled with cold caches, least first."""
    limiting = Requests(MemoryCounters())
    for _ in range(20):
        await limiting.round(are_together=False)
    found = []
    for _ in range(requests):
        entry, record = limiting.begin()
        elsewhere()
        began_at = time.perf_counter()
        await limiting.admit(entry)
        taken = time.perf_counter() - began_at
        elsewhere()
        began_at = time.perf_counter()
        if entry.admission is not None:
            entry.admission.settle(record)
        found.append((taken + time.perf_counter() - began_at) * 1e6)
    return sorted(found)


async def nothing() -> None:
    """Wait as often as a request on Valkey does, for tasks are not what limits cost."""
    await asyncio.sleep(0)


async def tasks_alone() -> float:
    """Return the CPU seconds of a task that does nothing."""
    began_at = time.process_time()
    await asyncio.gather(*(nothing() for _ in range(HELD)))
    return (time.process_time() - began_at) / HELD


async def measure(counters: Counters, rounds: int, *, are_together: bool) -> list[float]:
    """Return the µs of a request in each round, least first."""
    async with counters:
        requests = Requests(counters)
        for _ in range(20):
            await requests.round(are_together=are_together)
        alone = min([await tasks_alone() for _ in range(rounds)]) if are_together else 0.0
        return sorted([(await requests.round(are_together=are_together) - alone) * 1e6 for _ in range(rounds)])


@contextlib.contextmanager
def valkey() -> Iterator[str]:
    """Run a Valkey server anywhere."""
    core: Core = None
    with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as folder, subjects.valkey(core, Path(folder)) as url:
        yield url


def main() -> None:
    """Run as `python -m bench.limiting`."""
    parser = argparse.ArgumentParser(prog="python -m bench.limiting", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="rounds of 32 requests (%(default)s)")
    parser.add_argument("--cold", action="store_true", help="in memory, with other work before each step")
    parser.add_argument("--valkey", action="store_true", help="on a Valkey server too")
    options = parser.parse_args()
    show("in memory", asyncio.run(measure(MemoryCounters(), options.rounds, are_together=False)))
    if options.cold:
        show("in memory, cold", asyncio.run(measure_cold(options.rounds)))
    if options.valkey:
        with valkey() as url:
            show("on Valkey", asyncio.run(measure(ValkeyCounters(url), options.rounds, are_together=True)))


def show(where: str, found: list[float]) -> None:
    """Print what a request takes."""
    print(f"{where}: {found[0]:.1f} µs a request at the least, median {found[len(found) // 2]:.1f}")


if __name__ == "__main__":
    main()
