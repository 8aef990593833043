"""What one gateway finds out of a target, all know; one at a time tries; and without the server each goes on alone."""

import asyncio

import pytest
from tests.contract.counters.valkey_process import ValkeyProcess
from tests.contract.sharing.conftest import Gateway, target

from aqueduct.domain.http import Origin
from aqueduct.errors import UpstreamRateLimited, UpstreamUnauthorized
from aqueduct.gateway.routing.breaker import BreakerState
from aqueduct.gateway.routing.policy import Symptom


async def exchange(*gateways: Gateway) -> None:
    for each in gateways:
        assert await each.exchange()


async def close(*gateways: Gateway) -> None:
    for each in gateways:
        await each.sharing.close()


async def test_what_one_gateway_takes_out_of_use_is_out_of_use_for_all_and_back_for_all(
    shared_server: ValkeyProcess, prefix: str
) -> None:
    a, b = (Gateway(shared_server.url, prefix) for _ in range(2))
    b.at = 77.0  # clocks need not agree
    await exchange(a, b)
    a.fail()
    await exchange(a, b)
    assert b.state.breaker.state(b.at) is BreakerState.OPEN
    assert b.state.breaker.reason is Symptom.FAILURE
    assert b.state.breaker.open_until == pytest.approx(87.0, abs=0.5)
    assert b.learned == [b.state]
    a.state.breaker.close()
    a.traffic.tell(a.state, None)
    await exchange(a, b)
    assert b.state.breaker.is_closed
    assert b.learned == [b.state] * 2
    await close(a, b)


@pytest.mark.parametrize(
    ("error", "reason", "seconds"),
    [
        (UpstreamRateLimited("no", retry_after_seconds=30.0), Symptom.RATE_LIMIT, 30.0),
        (UpstreamUnauthorized("no", status=401), Symptom.REFUSAL, 60.0),
    ],
)
async def test_waits_that_were_asked_for_and_refused_credentials_are_shared(
    shared_server: ValkeyProcess, prefix: str, error: UpstreamRateLimited, reason: Symptom, seconds: float
) -> None:
    a, b = (Gateway(shared_server.url, prefix) for _ in range(2))
    a.fail(error)
    await exchange(a, b)
    assert (b.state.breaker.reason, b.state.is_in_use(b.at)) == (reason, False)
    assert b.state.breaker.open_until - b.at == pytest.approx(seconds, abs=0.5)
    await close(a, b)


async def test_a_gateway_that_starts_learns_what_is_out_of_use(shared_server: ValkeyProcess, prefix: str) -> None:
    a = Gateway(shared_server.url, prefix)
    a.fail()
    await exchange(a)
    await close(a)
    again = Gateway(shared_server.url, prefix)
    await again.sharing.begin()
    assert not again.state.is_in_use(again.at)
    await close(again)


async def test_one_gateway_at_a_time_tries_what_is_half_open(shared_server: ValkeyProcess, prefix: str) -> None:
    gateways = [Gateway(shared_server.url, prefix) for _ in range(3)]
    gateways[0].fail()
    await exchange(*gateways)
    for each in gateways:
        each.at += 10.1
        assert each.state.breaker.state(each.at) is BreakerState.HALF_OPEN
        assert not each.state.is_in_use(each.at)  # it is not known yet whose turn it is
        assert each.state.leases.is_pending(each.state.id)
    await exchange(*gateways)
    first, *others = gateways
    assert first.state.is_in_use(first.at)
    assert not any(each.state.is_in_use(each.at) for each in others)
    probe = first.ask()
    assert not first.state.is_in_use(first.at)
    # Its client leaves, which says nothing of the target: the next may be another's turn.
    probe.end(None, {}, is_whole=False)
    for each in others:
        each.at += 1.0
        assert not each.state.is_in_use(each.at)
    await exchange(first, *others)
    second, third = others
    assert second.state.is_in_use(second.at)
    second.ask().end(None, {}, is_whole=True)
    await exchange(second, first, third)
    assert all(each.state.breaker.is_closed for each in gateways)
    await close(*gateways)


async def test_a_turn_is_kept_for_as_long_as_it_is_used_and_lapses_with_its_gateway(
    shared_server: ValkeyProcess, prefix: str
) -> None:
    a, b = (Gateway(shared_server.url, prefix) for _ in range(2))
    a.fail()
    await exchange(a, b)
    for each in (a, b):
        each.at += 10.1
        each.state.is_in_use(each.at)
    await exchange(a)
    a.ask()
    key = f"{prefix}:targets:1:leases"
    before = shared_server.lines("HVALS", key)
    shared_server.command("HSET", key, a.state.id, f"{before[0]} 1")  # the time is up
    await exchange(a, b)
    assert shared_server.lines("HVALS", key)[0] == before[0]
    assert int(shared_server.lines("HVALS", key)[1]) > 1
    shared_server.command("HSET", key, a.state.id, f"{before[0]} 1")  # and nobody renews it
    b.at += 1.0
    b.state.is_in_use(b.at)
    await exchange(b)
    assert b.state.is_in_use(b.at)
    await close(a, b)


async def test_of_two_waits_the_longer_one_counts_whoever_says_it_last(
    shared_server: ValkeyProcess, prefix: str
) -> None:
    a, b = (Gateway(shared_server.url, prefix) for _ in range(2))
    a.fail(UpstreamUnauthorized("no", status=401))
    b.fail(UpstreamRateLimited("no", retry_after_seconds=2.0))
    await exchange(a, b)
    late = Gateway(shared_server.url, prefix)
    await exchange(a, b, late)
    for each in (a, b, late):
        assert each.state.breaker.reason is Symptom.REFUSAL
        assert each.state.breaker.open_until - each.at == pytest.approx(60.0, abs=0.5)
    await close(a, b, late)


async def test_what_differs_does_not_mix_and_no_credential_is_said(shared_server: ValkeyProcess, prefix: str) -> None:
    a = Gateway(shared_server.url, prefix)
    a.fail()
    others = [
        Gateway(shared_server.url, prefix, target(api_key="sk-another")),
        Gateway(shared_server.url, prefix, target(origin=Origin("https", "api.example.net", 443))),
        Gateway(shared_server.url, prefix, target(origin=None)),
    ]
    await exchange(a, *others)
    assert all(each.state.breaker.is_closed for each in others)
    said = " ".join(shared_server.lines("HGETALL", f"{prefix}:targets:1:health"))
    assert a.state.id in said
    assert "secret" not in said
    await close(a, *others)


async def test_the_embedded_engine_is_each_gateways_own(shared_server: ValkeyProcess, prefix: str) -> None:
    a, b = (Gateway(shared_server.url, prefix, target(origin=None)) for _ in range(2))
    a.fail()
    await exchange(a, b)
    assert b.state.breaker.is_closed
    await close(a, b)


async def test_without_the_server_each_goes_on_alone_and_tells_what_it_knows_when_it_is_back(
    server: ValkeyProcess, prefix: str
) -> None:
    a, b = (Gateway(server.url, prefix) for _ in range(2))
    await exchange(a, b)
    server.kill()
    a.fail()
    assert not await a.exchange()
    assert not await b.exchange()
    a.at += 10.1
    assert a.state.is_in_use(a.at)  # nobody is to be asked
    assert b.state.breaker.is_closed
    server.start()  # with nothing in it
    await exchange(a, a, b)
    assert b.state.breaker.state(b.at) is BreakerState.HALF_OPEN
    await close(a, b)


async def test_a_server_that_does_not_answer_holds_nothing_up(server: ValkeyProcess, prefix: str) -> None:
    a = Gateway(server.url, prefix)
    await exchange(a)
    a.fail()
    a.at += 10.1
    server.pause()
    assert not a.state.is_in_use(a.at)  # asked for
    assert not await a.exchange()
    assert a.state.is_in_use(a.at)
    server.resume()
    await exchange(a)
    await close(a)


async def test_news_of_a_target_that_fails_here_while_they_are_heard_are_not_lost(
    shared_server: ValkeyProcess, prefix: str
) -> None:
    a, b = (Gateway(shared_server.url, prefix) for _ in range(2))
    a.fail(UpstreamUnauthorized("no", status=401))
    await exchange(b, a)
    hearing = asyncio.create_task(b.exchange())
    await asyncio.sleep(0)  # what it says is on its way
    b.fail(UpstreamRateLimited("no", retry_after_seconds=2.0))
    assert await hearing
    await exchange(b, a)
    for each in (a, b):
        assert each.state.breaker.reason is Symptom.REFUSAL
        assert each.state.breaker.open_until - each.at == pytest.approx(60.0, abs=0.5)
    await close(a, b)
