"""What limits ask of a request: how they are counted, under which keys, and what is kept of callers' words."""

import asyncio
import re
import tracemalloc
from collections.abc import Sequence
from typing import Any, cast

import pytest
from typing_extensions import override

from aqueduct.config.price_book import PriceBook
from aqueduct.counters.answers import Answer, Reservation
from aqueduct.counters.claims import Claim
from aqueduct.counters.memory import MemoryCounters
from aqueduct.domain.limit import Dimension, Limit
from aqueduct.domain.measure import MEASURES
from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.domain.snapshot import WILDCARD, Snapshot
from aqueduct.domain.subject import SubjectType
from aqueduct.domain.usage import UsageRecord
from aqueduct.errors import CountersUnavailable, JournalUnavailable
from aqueduct.gateway.account import Entry, Journal, Ledger
from aqueduct.gateway.admit import Limiter, Spending
from aqueduct.gateway.call import Call
from aqueduct.gateway.capture import Recorder
from aqueduct.gateway.forecast import Estimate, Forecast
from aqueduct.gateway.gauges import Plans
from aqueduct.storage.sync import Tick
from aqueduct.wire.chat import parse_chat

ESTIMATE = Estimate(at=1e9, input_tokens=5, output_tokens=7, is_guess=False, costs_nano={})
MODEL = Model(name="one", targets=())


def limit(
    dimension: Dimension = Dimension.REQUESTS_PER_MINUTE,
    *,
    model_pattern: str | None = None,
    multipliers: dict[str, float] | None = None,
) -> Limit:
    return Limit(
        id="limit",
        created_at=0.0,
        subject_type=SubjectType.API_TOKEN,
        subject_id="token",
        dimension=dimension,
        amount=100,
        model_pattern=model_pattern,
        multipliers=multipliers or {},
    )


def caller(*limits: Limit) -> Principal:
    return Principal(id="token", limits=limits)


def remaining(counters: MemoryCounters, of: Limit, model: str = "one") -> int:
    """Let a request through, as it would be shown."""
    plan = Plans().find(caller(of), model, None)
    answer = counters.reserve_now(plan.claims(ESTIMATE.at, None), plan.amounts(ESTIMATE))
    assert isinstance(answer, Reservation), answer
    (found,) = re.findall(rb"x-ratelimit-remaining-requests: (\d+)\r\n", plan.lines(answer))
    return int(found)


def test_every_dimension_has_a_row() -> None:
    assert MEASURES.keys() == set(Dimension)


def test_a_limit_goes_on_after_its_multipliers_were_removed_or_added() -> None:
    counters = MemoryCounters()
    weighted = limit(multipliers={"large": 2.0})
    assert [remaining(counters, weighted, "large") for _ in range(5)] == [98, 96, 94, 92, 90]
    assert remaining(counters, limit()) == 99
    assert remaining(counters, weighted) == 89


def test_places_are_the_same_whatever_the_multipliers() -> None:
    limits = (limit(Dimension.CONCURRENT_REQUESTS, multipliers=each) for each in ({}, {"large": 2.0}))
    first, second = (Plans().find(caller(each), "one", None).claims(1e9, None)[0].key for each in limits)
    assert first == second


def test_names_that_clients_make_up_are_not_kept() -> None:
    principal = caller(limit(model_pattern="gpt-*"))
    plans = Plans()
    tracemalloc.start()
    try:
        for number in range(100):
            plans.find(principal, f"{number}".zfill(1_000_000), None, is_named=False)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 5_000_000


def test_names_that_clients_make_up_fall_under_the_limits_that_mean_them() -> None:
    principal = caller(limit(model_pattern="gpt-*", multipliers={"gpt-large*": 3.0}))
    plans = Plans()

    def amounts(model: str) -> list[int]:
        return list(plans.find(principal, model, None, is_named=False).amounts(ESTIMATE))

    assert [amounts(model) for model in ("gpt-1", "gpt-large-1", "other", "gpt-2", "gpt-large-2")] == [
        [1000],
        [3000],
        [],
        [1000],
        [3000],
    ]


class _Client:
    """As much of a call as limits look at."""

    id = "request-1"
    started_at = 1e9
    client_request_id = None
    limit_lines = b""

    def elapsed_ms(self) -> float:
        return 1.0


class _Away(MemoryCounters):
    """Counters whose server is away."""

    @override
    async def reserve(self, *_: Any, **__: Any) -> Answer:
        raise CountersUnavailable("away")


class _Failing(MemoryCounters):
    """Counters with a bug, which shows once."""

    has_failed = False

    @override
    def settle(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise ValueError("a bug")
        super().settle(reservation, amounts)


class _Written:
    """A journal in which a turn's records are written with the turn."""

    is_writable = True

    def __init__(self) -> None:
        self._tick = Tick()
        asyncio.get_running_loop().call_soon(self._tick.set_result, None)

    def record(self, record: object) -> Tick:
        return self._tick


class _FullDisk:
    """A journal that cannot be written."""

    is_writable = False

    def record(self, record: object) -> Tick:
        tick = Tick()
        asyncio.get_running_loop().call_soon(tick.fail, JournalUnavailable("no room"))
        return tick


def entry_of(principal: Principal) -> Entry:
    return Entry(cast("Call", _Client()), principal, "chat")


def limiter(counters: MemoryCounters) -> Limiter:
    return Limiter(counters, cast("Spending", None), Forecast(PriceBook()), queue_seconds=0.0, are_budgets_open=False)


REQUEST = parse_chat(b'{"model": "one", "messages": [{"role": "user", "content": "Hi"}]}')


async def test_a_model_that_no_limit_means_needs_no_counters() -> None:
    for model in (MODEL, Model(name=WILDCARD, targets=())):
        entry = entry_of(caller(limit(model_pattern="other")))
        await limiter(_Away()).admit(entry, REQUEST, model, Snapshot(), 100)
        assert entry.admission is not None
        entry.admission.settle(UsageRecord(id="request-1", started_at=1e9, operation="chat", api_token_id="token"))


async def test_what_is_not_in_the_journal_is_not_used_and_gives_back_what_it_held() -> None:
    counters = MemoryCounters()
    held = (limit(Dimension.CONCURRENT_REQUESTS), limit(Dimension.REQUESTS_PER_MINUTE))
    entry = entry_of(caller(*held))
    await limiter(counters).admit(entry, REQUEST, MODEL, Snapshot(), 100)
    ledger = Ledger(cast("Journal", _FullDisk()), cast("Recorder", None))
    with pytest.raises(JournalUnavailable):
        await ledger.settle(entry, "finished")
    claims: list[Claim] = list(Plans().find(caller(*held), "one", None).claims(1e9, None))
    answer = counters.reserve_now(claims, [1, 1])
    assert isinstance(answer, Reservation)
    assert list(answer.used) == [1, 1]


async def test_requests_of_one_turn_are_settled_together_and_one_that_fails_keeps_no_other_back() -> None:
    loop, errors = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: errors.append(repr(context["exception"])))
    counters = _Failing()
    held = (limit(Dimension.CONCURRENT_REQUESTS),)
    principal, limits = caller(*held), limiter(counters)
    ledger = Ledger(cast("Journal", _Written()), cast("Recorder", None))
    entries = [entry_of(principal) for _ in range(4)]
    for entry in entries:
        await limits.admit(entry, REQUEST, MODEL, Snapshot(), 100)
    await asyncio.gather(*(ledger.settle(entry, "finished") for entry in entries))
    await asyncio.sleep(0)
    assert errors == ["ValueError('a bug')"]
    answer = counters.reserve_now(list(Plans().find(caller(*held), "one", None).claims(1e9, None)), [1])
    assert isinstance(answer, Reservation)
    # Of the four, only the one that failed holds its place.
    assert list(answer.used) == [2]
