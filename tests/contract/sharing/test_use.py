"""A provider's own limits are kept to by all gateways together, as far as the news of a moment goes."""

from tests.contract.counters.valkey_process import ValkeyProcess
from tests.contract.sharing.conftest import Gateway, target
from tests.unit.gateway.routing.simulation import chat

from aqueduct.domain.routing import TargetLimits
from aqueduct.gateway.routing.quota import NEWS_SECONDS
from aqueduct.gateway.routing.traffic import Flight
from aqueduct.gateway.routing.traits import Traits

TRAITS = Traits(chat("Hello", b',"max_tokens":40'), "p")


def ready(gateway: Gateway) -> bool:
    return gateway.state.is_ready(gateway.at, TRAITS)


def take(gateway: Gateway, most: int = 100) -> list[Flight]:
    """Ask as often as there is room."""
    taken: list[Flight] = []
    while len(taken) < most and ready(gateway):
        taken.append(gateway.traffic.begin(gateway.state.target, TRAITS, is_stream=False))
    return taken


async def talk(*gateways: Gateway) -> None:
    """Let each say and hear what is used, which it does once a second."""
    for gateway in gateways:
        gateway.at += 1.0
        assert await gateway.exchange()


def two(server: ValkeyProcess, prefix: str, **limits: int) -> tuple[Gateway, Gateway]:
    shared = target(limits=TargetLimits(**limits))
    return Gateway(server.url, prefix, shared), Gateway(server.url, prefix, shared)


async def test_requests_of_all_gateways_count(shared_server: ValkeyProcess, prefix: str) -> None:
    a, b = two(shared_server, prefix, requests_per_minute=10)
    assert len(take(a, 6)) == 6
    await talk(a, b)
    assert len(take(b)) == 4
    await talk(b, a)
    assert not ready(a)
    await a.sharing.close()
    await b.sharing.close()


async def test_tokens_and_places_of_all_gateways_count(shared_server: ValkeyProcess, prefix: str) -> None:
    a, b = two(shared_server, prefix, tokens_per_minute=10 * TRAITS.tokens_used, concurrency=8)
    taken = take(a, 6)
    await talk(a, b)
    assert len(take(b)) == 2
    assert b.state.room_wait(b.at, TRAITS) == NEWS_SECONDS
    for flight in taken:
        flight.end(None, {"input_tokens": TRAITS.tokens_used}, is_whole=True)
    await talk(a, b)
    assert len(take(b)) == 2  # there are places, but the minute is not over
    await a.sharing.close()
    await b.sharing.close()


async def test_who_has_all_of_a_limit_lets_one_who_has_nothing_have_a_part(
    shared_server: ValkeyProcess, prefix: str
) -> None:
    a, b = two(shared_server, prefix, requests_per_minute=10)
    assert len(take(a)) == 10
    await talk(a, b)
    assert not ready(b)
    await talk(b, a)  # hears that the other one is short
    a.at += 61.0
    assert len(take(a)) == 5
    await talk(a, b)
    assert len(take(b)) == 5
    await a.sharing.close()
    await b.sharing.close()


async def test_alone_a_gateway_goes_by_what_it_uses_itself(server: ValkeyProcess, prefix: str) -> None:
    a, b = two(server, prefix, requests_per_minute=10)
    take(a)
    await talk(a, b)
    assert not ready(b)
    server.kill()
    await b.exchange()
    assert len(take(b)) == 10
    await a.sharing.close()
    await b.sharing.close()
