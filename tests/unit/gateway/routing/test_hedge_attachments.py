"""A hedge's clock runs from when the request goes out: what is fetched for it first says nothing of its target."""

import asyncio
from typing import cast

from tests.documents import PNG
from tests.unit.gateway.routing.simulation import World, chat, model

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.domain.routing import Hedge
from aqueduct.gateway.attachments.fetching import Fetched, UrlFetcher
from aqueduct.gateway.attachments.preparing import Attachments
from aqueduct.gateway.attachments.room import Room
from aqueduct.gateway.documents.extraction import DocumentReader
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.route import Extras, Router
from aqueduct.gateway.target_caller import TargetCaller
from aqueduct.providers.registry import KINDS
from aqueduct.simulation.opener import NoPrices, SimulatedOpener
from aqueduct.simulation.virtual_time import run
from aqueduct.wire.chat import parse_chat

BODY = (
    b'{"model":"m","messages":[{"role":"user","content":'
    b'[{"type":"image_url","image_url":{"url":"https://pictures.example/a.png"}}]}]}'
)


class SlowWeb:
    """A network on which every address takes its time."""

    async def fetch(self, url: str, limit_bytes: int, cover: object) -> Fetched:
        await asyncio.sleep(5)
        return Fetched(PNG, "image/png", "a.png")


def ollama(name: str) -> Target:
    """Return a target that fetches no image itself."""
    return Target(provider=Provider(name=name, kind="ollama", origin=Origin("http", name, 80)), model="x")


def test_what_fetching_takes_asks_no_second_target() -> None:
    world = World([model(ollama("a"), ollama("b"), hedge=Hedge(after_seconds=1.0))])
    opener = SimulatedOpener(world)
    attachments = Attachments(
        Opener(TargetCaller(KINDS, {})), cast("UrlFetcher", SlowWeb()), DocumentReader(), Room(100_000_000)
    )
    world.router = Router(
        opener, opener, NoPrices(), world.events.append, world.traffic, Extras(attachments=attachments)
    )

    async def work() -> None:
        await world.open(request=parse_chat(BODY))
        assert world.asked == [(5.0, "a/x")]
        world.behaviours["a/x"] = lambda _: 30.0
        await world.open(request=parse_chat(BODY))
        assert [(round(at, 3), name) for at, name in world.asked[1:]] == [(10.1, "a/x"), (11.1, "b/x")]
        await world.open(request=chat())

    run(work())
