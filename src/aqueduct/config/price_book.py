"""What the config does not say of models, prices and context windows: looked up in genai-prices, in a passing process.

The catalogue takes 80 MB and more than half a second to load, as much memory as the whole gateway, for the few models
that one serves. So a child process reads it, and only prices come back. It never asks the network: the package fetches
newer prices only where its `UpdatePrices` is started, which nothing here does.
"""

import asyncio
import sys
from collections.abc import Iterable
from functools import lru_cache

import msgspec
import structlog

from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.price import Price
from aqueduct.domain.snapshot import WILDCARD, Snapshot

TIMEOUT_SECONDS = 30.0
CHILD = "aqueduct.config.price_catalogue"

logger = structlog.get_logger(__name__)


class Question(msgspec.Struct, frozen=True):
    """Which model's price is wanted, and where it is served: the catalogue knows providers by their URLs.

    The URL is empty where it cannot: it has names of the internet only.
    """

    url: str
    model: str


class Entry(msgspec.Struct, frozen=True):
    """What the catalogue says of a model: its prices, and how many tokens it reads; None where it does not know."""

    prices: tuple[Price, ...] = ()
    context_window: int | None = None


NOTHING = Entry()


class PriceBook:
    """Remembers the answers; a question is asked once in the life of a process."""

    def __init__(self) -> None:
        self._known: dict[Question, Entry] = {}
        self._turn = asyncio.Lock()

    async def complete(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with prices and windows for its targets that have none and name their model."""
        await self._learn(
            question(target.provider, target.model)
            for model in snapshot.models
            for target in model.targets
            if _lacks(target) and target.model != WILDCARD
        )
        models = {model.name: self._completed(model) for model in snapshot.models}
        return msgspec.structs.replace(
            snapshot,
            models=tuple(models.values()),
            by_name={name: models[model.name] for name, model in snapshot.by_name.items()},
            wildcard=None if snapshot.wildcard is None else models[snapshot.wildcard.name],
            hidden={name: models[model.name] for name, model in snapshot.hidden.items()},
        )

    async def find(self, provider: Provider, model: str) -> tuple[Price, ...]:
        """Return the prices of a model that only a request named (behind `*`); empty if they are not known."""
        asked = question(provider, model)
        await self._learn([asked])
        return self._known.get(asked, NOTHING).prices

    def known(self, provider: Provider, model: str) -> tuple[Price, ...]:
        """Return the prices of a model, as far as they have been asked for; empty if they are not known."""
        return self._known.get(question(provider, model), NOTHING).prices if _url(provider) else ()

    def _completed(self, model: Model) -> Model:
        return msgspec.structs.replace(model, targets=tuple(map(self._completed_target, model.targets)))

    def _completed_target(self, target: Target) -> Target:
        found = self._known.get(question(target.provider, target.model), NOTHING)
        if found is NOTHING or not _lacks(target):
            return target
        window = target.context_window if target.is_window_given else found.context_window
        return msgspec.structs.replace(target, prices=target.prices or found.prices, context_window=window)

    async def _learn(self, questions: Iterable[Question]) -> None:
        wanted = {each for each in questions if each.url}
        if wanted <= self._known.keys():
            return
        async with self._turn:
            new = [each for each in wanted if each not in self._known]
            if not new:
                return
            answers = await ask(new)
            if answers is not None:
                self._known.update(zip(new, answers, strict=True))


def _lacks(target: Target) -> bool:
    """Whether there is anything to look up."""
    return not target.prices or not target.is_window_given


def question(provider: Provider, model: str) -> Question:
    """Return what to look a model up by."""
    return Question(_url(provider), model)


@lru_cache(maxsize=1024)
def _url(provider: Provider) -> str:
    origin = provider.origin
    if origin is None or not is_public_name(origin.host):
        return ""
    return f"{origin.scheme}://{origin.authority}{provider.base_path}"


def is_public_name(host: str) -> bool:
    """Whether a host may be a vendor's: neither an address nor a name of one's own network, such as `localhost`."""
    _, dot, last = host.rpartition(".")
    return dot == "." and ":" not in host and not last.isdigit()


async def ask(questions: list[Question]) -> list[Entry] | None:
    """Ask a child process; None when it fails, which is logged and costs nothing but what it would have said."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", CHILD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output, _ = await child.communicate(msgspec.json.encode(questions))
        return msgspec.json.decode(output, type=list[Entry])
    except (TimeoutError, msgspec.MsgspecError) as error:
        logger.error("prices not found", reason=type(error).__name__, models=len(questions))
        return None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
