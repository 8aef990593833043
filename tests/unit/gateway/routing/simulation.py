"""The real router under virtual time, in front of targets that do what a test says."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from aqueduct.domain.event import Event
from aqueduct.domain.http import Origin
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.principal import Principal
from aqueduct.domain.routing import BreakerRules, Routing
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import UpstreamError
from aqueduct.gateway.account import Entry
from aqueduct.gateway.exchange import Exchange
from aqueduct.gateway.route import Router
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.providers.base import Answer
from aqueduct.simulation.opener import Course, NoPrices, SimulatedOpener, begin_entry
from aqueduct.simulation.virtual_time import now
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.request import Request

Behaviour = Callable[[float], float | UpstreamError]
"""What a target does with a request at an instant: answer after so many seconds, or fail at once."""


class World:
    """Targets by name, what each does, and what they were asked; `open` sends a request through the real router."""

    def __init__(self, models: Sequence[Model], seed: int = 1) -> None:
        self.snapshot = Snapshot(models=tuple(models), by_name={model.name: model for model in models})
        self.behaviours: dict[str, Behaviour] = {}
        self.asked: list[tuple[float, str]] = []
        self.events: list[Event] = []
        self.traffic = Traffic(now, random.Random(seed))
        self.entries: list[Entry] = []
        opener = SimulatedOpener(self)
        self.router = Router(opener, opener, NoPrices(), self.events.append, self.traffic)

    async def open(self, model: str = "m", request: Request | None = None, principal: str = "p") -> Exchange:
        """Send one request."""
        request = request or chat()
        entry = begin_entry(Principal(id=principal, name=principal), 1_700_000_000.0)
        self.entries.append(entry)
        return await self.router.open(self.snapshot.by_name[model], request, entry, self.snapshot)

    async def try_open(self, model: str = "m") -> bool:
        """Send one request; return whether it was answered."""
        try:
            await self.open(model)
        except Exception:  # noqa: BLE001 - whatever it was, the client has no answer
            return False
        return True

    def count(self, name: str) -> int:
        """Return how often a target was asked."""
        return sum(each == name for _, each in self.asked)

    def names(self) -> list[str]:
        """Return what was asked, in order."""
        return [name for _, name in self.asked]

    async def begin(self, request: Request, target: Target) -> Course:
        """Be asked: note it, and do what the test says."""
        name = f"{target.name}#{target.provider.key_number}" if target.provider.key_number > 1 else target.name
        self.asked.append((now(), name))
        answer = Answer(body=b"{}", units={"input_tokens": 1, "output_tokens": 1})
        outcome = self.behaviours[name](now()) if name in self.behaviours else 0.1
        return Course(answer, 0, failure=outcome) if isinstance(outcome, UpstreamError) else Course(answer, outcome)

    def end(self, request: Request, target: Target, answer: Answer | None) -> None:
        """Nothing is held while a call runs."""


def target(name: str, **members: Any) -> Target:
    """Return a target at a provider of that name."""
    breaker = members.pop("breaker", BreakerRules())
    provider = Provider(name=name, kind="openai", origin=Origin("http", name, 80), breaker=breaker)
    return Target(provider=members.pop("provider", provider), model="x", **members)


def model(*targets: Target, name: str = "m", **routing: Any) -> Model:
    """Return a model."""
    return Model(name=name, targets=targets, routing=Routing(**routing).compiled())


def chat(text: str = "Hello", members: bytes = b"") -> Request:
    """Return a request."""
    message = b'{"role":"user","content":"%b"}' % text.encode()
    return parse_chat(b'{"model":"m","messages":[%b]%b}' % (message, members))
