import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from aqueduct.upstream.transport import Transport


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything holds on the loop that the gateway runs on, and on the one of the standard library."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.close()
