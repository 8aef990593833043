"""A server that is away, hangs, is late or comes back."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from tests.contract.counters.conftest import PATIENCE_SECONDS
from tests.contract.counters.reserving import granted, refused, remaining
from tests.contract.counters.valkey_process import ValkeyProcess

from aqueduct.counters.answers import Reservation
from aqueduct.counters.claims import Budget, Place, Window
from aqueduct.counters.guard import GuardedCounters
from aqueduct.counters.valkey import ValkeyCounters
from aqueduct.errors import ConfigurationError, CountersUnavailable
from aqueduct.telemetry.metrics import REQUESTS_WITHOUT_COUNTERS

SOON_SECONDS = 0.5
"""At most ten times the time that a call may take: a busy machine is slow, but what hangs is slower."""


@pytest.fixture
def hanging_port() -> Iterator[int]:
    """A listener that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def soon() -> Iterator[None]:
    started_at = time.monotonic()
    yield
    assert time.monotonic() - started_at < SOON_SECONDS


class HoldingRelay:
    """Stands between counters and their server, and lets the answers through one by one when told to."""

    def __init__(self, server: Path, path: Path) -> None:
        self.path = path
        self.is_holding = False
        self._server = server
        self._permits = asyncio.Semaphore(0)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(await asyncio.start_unix_server(self._relay, self.path))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def release_one(self) -> None:
        self._permits.release()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        with contextlib.closing(writer), contextlib.closing(to_server):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, to_server, may_hold=False))
                group.create_task(self._copy(from_server, writer, may_hold=True))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, may_hold: bool) -> None:
        while block := await source.read(65536):
            if may_hold and self.is_holding:
                await self._permits.acquire()
            sink.write(block)
        sink.close()


async def reserve_when_back(counters: ValkeyCounters, *claims: Window | Place | Budget) -> Reservation:
    """Reserve as soon as the counters have their server again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(CountersUnavailable):
                return await granted(counters, *claims)
            await asyncio.sleep(0.02)


async def until_left(counters: ValkeyCounters, claim: Window | Budget, amount: int) -> None:
    """Wait until so much is left of a count."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await remaining(counters, claim) != amount:  # noqa: ASYNC110 -- it is a server's state
            await asyncio.sleep(0.02)


async def test_a_server_that_is_not_there_is_unavailable_at_once(server: ValkeyProcess) -> None:
    server.kill()
    async with ValkeyCounters(server.url) as counters:
        for _ in range(100):
            with soon(), pytest.raises(CountersUnavailable):
                await counters.reserve([Window("requests", 1)])


async def test_a_server_that_never_answered_is_unavailable_at_once(hanging_port: int) -> None:
    async with ValkeyCounters(f"valkey://127.0.0.1:{hanging_port}") as counters:
        with soon():
            for _ in range(1000):
                with pytest.raises(CountersUnavailable):
                    await counters.reserve([Window("requests", 1)])


async def test_a_server_that_stops_answering_costs_one_short_wait_and_then_none(server: ValkeyProcess) -> None:
    async with ValkeyCounters(server.url) as counters:
        await reserve_when_back(counters, Window("requests", 1))
        server.pause()
        with soon():
            answers = await asyncio.gather(
                *(counters.reserve([Window("requests", 1)]) for _ in range(100)), return_exceptions=True
            )
        assert {type(answer) for answer in answers} == {CountersUnavailable}
        with soon():
            for _ in range(1000):
                with pytest.raises(CountersUnavailable):
                    await counters.reserve([Window("requests", 1)])
        server.resume()
        await reserve_when_back(counters, Window("others", 1))


async def test_a_server_that_was_started_again_is_found_again(server: ValkeyProcess) -> None:
    async with ValkeyCounters(server.url) as counters:
        reservation = await granted(counters, Window("requests", 1), Place("place", 1))
        server.kill()
        server.start()
        await reserve_when_back(counters, Window("requests", 1), Place("place", 2))
        # What it was made in is gone; settling it harms nobody.
        counters.settle(reservation, (5, 0))
        refusal = await refused(counters, Window("requests", 1, 0), Place("place", 1))
        assert [each.remaining for each in refusal.standings] == [0, 0]


async def test_what_is_settled_while_the_server_is_away_is_counted_once_when_it_is_back(server: ValkeyProcess) -> None:
    async with ValkeyCounters(server.url, timeout_seconds=0.2) as counters:
        await counters.seed("money", 0)
        claims = (Place("place", 5), Budget("money", 100, 10))
        sent, unsent, uncounted = [await granted(counters, *claims) for _ in range(3)]
        server.pause()
        counters.settle(sent, (0, 20))
        with pytest.raises(CountersUnavailable):
            await counters.reserve(claims)
        counters.settle(unsent, (0, 3))
        counters.release(uncounted)
        counters.settle(Reservation(claims), (0, 5))
        # It carries out what it had been sent: the first settlement, which is then sent again, and the reservation.
        server.resume()
        await reserve_when_back(counters, Window("anything", 1))
        # The ten are reserved by the call that was not waited for.
        await until_left(counters, Budget("money", 100, 0), 100 - 20 - 3 - 5 - 10)
        # Longer than until settlements that were lost are sent again.
        await asyncio.sleep(1.0)
        assert await remaining(counters, Budget("money", 100, 0)) == 62
        # One place is held by the reservation whose answer nobody took; nobody renews it.
        assert await remaining(counters, Place("place", 5)) == 3


async def test_callers_that_give_up_do_not_mix_up_the_answers_of_others(server: ValkeyProcess) -> None:
    async with ValkeyCounters(server.url, timeout_seconds=PATIENCE_SECONDS) as counters:
        server.pause()
        calls = [asyncio.create_task(counters.reserve([Window(f"key {i}", 1000 + i)])) for i in range(300)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        server.resume()
        for number, call in list(enumerate(calls))[1::2]:
            answer = await call
            assert isinstance(answer, Reservation)
            assert [each.limit for each in answer.standings] == [1000 + number]
            assert [each.remaining for each in answer.standings] == [999 + number]
        # What the others had reserved was given back.
        for number in range(0, 300, 2):
            assert await remaining(counters, Window(f"key {number}", 10, 0)) == 10


async def test_an_answer_that_comes_late_is_given_back(server: ValkeyProcess, tmp_path: Path) -> None:
    async with (
        HoldingRelay(server.path, tmp_path / "relay") as relay,
        ValkeyCounters(f"unix://{relay.path}", timeout_seconds=1.0) as counters,
    ):
        relay.is_holding = True
        early = asyncio.create_task(counters.reserve([Window("requests", 5)]))
        await asyncio.sleep(0.5)
        late = asyncio.create_task(counters.reserve([Window("requests", 5)]))
        await asyncio.sleep(0.25)
        # Half a second before the second call is overdue: the server is alive, and the connection stays.
        relay.release_one()
        assert isinstance(await early, Reservation)
        with pytest.raises(CountersUnavailable):
            await late
        relay.is_holding = False
        relay.release_one()
        await until_left(counters, Window("requests", 5, 0), 4)


async def test_what_a_request_cost_whose_reservation_was_not_heard_of_is_spent_once(server: ValkeyProcess) -> None:
    claims: list[Window | Place | Budget] = [Window("requests", 9), Place("place", 9), Budget("money", 100, 10)]
    counters = ValkeyCounters(server.url, timeout_seconds=0.2)
    async with GuardedCounters(counters, are_limits_open=True, are_budgets_open=True) as guarded:
        await guarded.seed("money", 0)
        server.pause()
        reservation = await guarded.reserve(claims, name="request-1")
        assert isinstance(reservation, Reservation)
        assert not reservation.is_counted
        # It does what it was asked meanwhile: the money and the place stay reserved until somebody hears of it.
        server.resume()
        await reserve_when_back(counters, Window("anything", 1))
        await until_left(counters, Budget("money", 100, 0), 90)
        guarded.settle(reservation, [1, 0, 7])
        everything = await granted(counters, Window("requests", 9, 0), Place("place", 9), Budget("money", 100, 0))
        assert [each.remaining for each in everything.standings] == [8, 8, 93]
        # Nothing is left of it that would lapse, and be found in the journal, and be spent again.
        assert server.lines("ZRANGE", "{aqueduct}r:money", "0", "-1") == [f"0:{everything.name}"]


def test_a_wrong_url_is_a_configuration_error_that_does_not_show_it() -> None:
    with pytest.raises(ConfigurationError, match="AQUEDUCT_VALKEY_URL") as caught:
        ValkeyCounters("https://user:secret@example.com")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("are_limits_open", "are_budgets_open", "claims", "is_served"),
    [
        (True, False, [Window("requests", 1), Place("place", 1)], True),
        (True, False, [Window("requests", 1), Budget("money", 1, 1)], False),
        (True, False, [Window("requests", 1), Budget("money", 1, 1, is_hard=False)], True),
        (True, True, [Window("requests", 1), Budget("money", 1, 1)], True),
        (False, True, [Budget("money", 1, 1)], True),
        (False, True, [Place("place", 1), Budget("money", 1, 1)], False),
        (False, False, [], True),
    ],
)
async def test_limits_and_budgets_each_fail_open_or_closed(
    server: ValkeyProcess,
    *,
    are_limits_open: bool,
    are_budgets_open: bool,
    claims: list[Window | Place | Budget],
    is_served: bool,
) -> None:
    server.kill()
    guarded = GuardedCounters(
        ValkeyCounters(server.url), are_limits_open=are_limits_open, are_budgets_open=are_budgets_open
    )
    counted = REQUESTS_WITHOUT_COUNTERS.labels("served" if is_served else "refused")
    before = counted._value.get()
    async with guarded:
        assert not await guarded.seed("money", 5)
        if is_served:
            reservation = await granted(guarded, *claims)
            guarded.settle(reservation, [1] * len(claims))
        else:
            with pytest.raises(CountersUnavailable):
                await guarded.reserve(claims)
    assert counted._value.get() == before + 1
