"""The real router under virtual time, in front of targets that do what a test says."""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, cast

from typing_extensions import override

from aqueduct.domain.event import Event
from aqueduct.domain.http import Origin
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.price import Price
from aqueduct.domain.principal import Principal
from aqueduct.domain.routing import BreakerRules, Routing
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import UpstreamError
from aqueduct.gateway.account import Entry
from aqueduct.gateway.call import Call
from aqueduct.gateway.checked import CheckedOpener
from aqueduct.gateway.exchange import Exchange, PlainExchange
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.route import Router
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.providers.base import Answer
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.request import Request

T = TypeVar("T")

Behaviour = Callable[[float], float | BaseException]
"""What a target does with a request at an instant: answer after so many seconds, or fail at once."""


class _Selector(selectors.SelectSelector):
    """Does not wait: where nothing has happened, the time that would have been waited has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock runs as fast as there is something to do."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    @override
    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine under virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class _Client:
    """As much of a call as routing looks at."""

    id = "r"
    headers: Mapping[bytes, bytes] = {}
    started_at = 1_700_000_000.0
    is_committed = False
    body_bytes = 1_000_000_000


def _answer(_: float) -> float | BaseException:
    return 0.1


class NoPrices:
    """A price book that knows nothing."""

    async def find(self, provider: Provider, model: str) -> tuple[Price, ...]:
        """Return nothing."""
        return ()


class World:
    """Targets by name, what each does, and what they were asked; `open` sends a request through the real router."""

    def __init__(self, models: Sequence[Model], seed: int = 1) -> None:
        self.snapshot = Snapshot(models=tuple(models), by_name={model.name: model for model in models})
        self.behaviours: dict[str, Behaviour] = {}
        self.asked: list[tuple[float, str]] = []
        self.events: list[Event] = []
        self.traffic = Traffic(lambda: asyncio.get_running_loop().time(), random.Random(seed))
        self.entries: list[Entry] = []
        self.router = Router(
            cast("Opener", self._Opener(self)),
            cast("CheckedOpener", None),
            NoPrices(),
            self.events.append,
            self.traffic,
        )

    async def open(self, model: str = "m", request: Request | None = None, principal: str = "p") -> Exchange:
        """Send one request."""
        request = request or chat()
        entry = Entry(cast("Call", _Client()), Principal(id=principal, name=principal), "chat")
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

    class _Opener:
        def __init__(self, world: "World") -> None:
            self._world = world

        async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
            world = self._world
            attempt = entry.begin_attempt(target, request)
            name = f"{target.name}#{target.provider.key_number}" if target.provider.key_number > 1 else target.name
            now = asyncio.get_running_loop().time()
            world.asked.append((now, name))
            behaviour = world.behaviours.get(name, _answer)
            outcome = behaviour(now)
            try:
                if isinstance(outcome, BaseException):
                    raise outcome
                attempt.is_sent = True
                await asyncio.sleep(outcome)
                attempt.answer = Answer(body=b"{}", units={"input_tokens": 1, "output_tokens": 1})
            except BaseException as error:
                attempt.end(error if isinstance(error, UpstreamError) else None)
                raise
            attempt.end(None)
            return PlainExchange(target, attempt.answer)


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
