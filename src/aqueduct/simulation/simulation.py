"""Runs a scenario: clients arrive, the real router finds them a target, what becomes of each is counted."""

import asyncio
import time
from collections.abc import Callable, Iterator

from aqueduct.domain.event import Event
from aqueduct.domain.model import Target
from aqueduct.domain.principal import Principal
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.usage import UsageRecord
from aqueduct.errors import AllTargetsFailed, RequestError, UpstreamError
from aqueduct.gateway.account import Entry, add_attempts
from aqueduct.gateway.route import Router
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.providers.base import Answer
from aqueduct.simulation import virtual_time
from aqueduct.simulation.opener import Course, NoPrices, SimulatedOpener, begin_entry
from aqueduct.simulation.report import Report, report_of
from aqueduct.simulation.request import Wish, request_of
from aqueduct.simulation.scenario import Scenario, TrafficNode, dice_of
from aqueduct.simulation.spread import draw, even_steps, instants, random_steps
from aqueduct.simulation.tally import Tally
from aqueduct.simulation.upstream import SimulatedTargets
from aqueduct.simulation.virtual_time import now
from aqueduct.wire.errors import render
from aqueduct.wire.request import Request

_PROGRESS_STEPS = 200

OnProgress = Callable[[float, int], None]
"""Hears how many of the simulated seconds have passed, and how many requests are over."""


def simulate(snapshot: Snapshot, scenario: Scenario, on_progress: OnProgress | None = None) -> Report:
    """Run a scenario against what a snapshot serves; return what was found."""
    tally = Tally()
    virtual_time.run(_Simulation(snapshot, scenario, tally).run(on_progress))
    return report_of(scenario, tally)


class _Simulation:
    """One run."""

    def __init__(self, snapshot: Snapshot, scenario: Scenario, tally: Tally) -> None:
        self._snapshot = snapshot
        self._scenario = scenario
        self._tally = tally
        self._epoch = time.time()
        traffic = Traffic(now, dice_of(scenario.seed, "router"))
        traffic.listeners.append(tally.hear)
        self._opener = SimulatedOpener(_Counted(SimulatedTargets(scenario), tally))
        self._router = Router(self._opener, self._opener, NoPrices(), _forget, traffic)

    async def run(self, on_progress: OnProgress | None) -> None:
        """Let all requests come, and go."""
        async with asyncio.TaskGroup() as group:
            progress = None if on_progress is None else group.create_task(self._tell(on_progress))
            async with asyncio.TaskGroup() as clients:
                for index, node in enumerate(self._scenario.traffic):
                    clients.create_task(self._arrive(clients, node, index))
            if progress is not None:
                progress.cancel()
        self._tally.hedges = self._opener.hedges

    async def _arrive(self, clients: asyncio.TaskGroup, node: TrafficNode, index: int) -> None:
        """Let the requests of one kind come."""
        for at, wish in self._wishes(node, index):
            await asyncio.sleep(at - now())
            clients.create_task(self._ask(wish))

    def _wishes(self, node: TrafficNode, index: int) -> Iterator[tuple[float, Wish]]:
        """Yield what is asked for, and when: the same for a seed, whatever becomes of it."""
        dice = dice_of(self._scenario.seed, "traffic", index)
        end = self._scenario.duration if node.end is None else min(node.end, self._scenario.duration)
        seconds = end - node.start
        if seconds <= 0:
            return
        steps = random_steps(dice) if node.arrivals.is_random else even_steps()
        for at in instants(node.arrivals.segments(seconds), steps):
            yield (
                node.start + at,
                Wish(
                    model=node.model,
                    caller=dice.randrange(node.callers),
                    input_tokens=round(draw(node.input_tokens, dice)),
                    output_tokens=round(draw(node.output_tokens, dice)),
                    max_tokens=node.max_tokens,
                    is_stream=dice.random() < node.streamed,
                ),
            )

    async def _ask(self, wish: Wish) -> None:
        """Be one client, from its request to the end of its answer."""
        began_at = now()
        who = f"caller-{wish.caller}"
        entry = begin_entry(Principal(id=who, name=who), self._epoch + began_at)
        model = self._snapshot.resolve(entry.principal, wish.model)
        try:
            exchange = await self._router.open(model, request_of(wish), entry, self._snapshot)
            first_content_seconds = now() - began_at if wish.is_stream else None
            try:
                while not exchange.is_whole:
                    await exchange.read()
            finally:
                exchange.close()
        except (AllTargetsFailed, RequestError) as error:
            answer = render(error)
            self._tally.take_failure(wish.model, f"{answer.status} {answer.code or 'invalid_request'}")
        except UpstreamError as error:  # after the commit
            self._tally.take_failure(wish.model, f"stream broken off ({error.code})")
        else:
            self._tally.take_answer(wish.model, now() - began_at, first_content_seconds)
        self._take_usage(entry)

    def _take_usage(self, entry: Entry) -> None:
        record = UsageRecord(id="", started_at=self._epoch, operation="chat", api_token_id=entry.principal.id)
        add_attempts(record, entry.attempts)
        self._tally.take_usage(record)

    async def _tell(self, on_progress: OnProgress) -> None:
        """Tell how far it is until everything is over."""
        duration, tally = self._scenario.duration, self._tally
        try:
            while True:
                on_progress(min(now(), duration), sum(each.requests for each in tally.models.values()))
                await asyncio.sleep(duration / _PROGRESS_STEPS)
        finally:
            on_progress(duration, sum(each.requests for each in tally.models.values()))


class _Counted:
    """Targets whose load is counted."""

    def __init__(self, targets: SimulatedTargets, tally: Tally) -> None:
        self._targets = targets
        self._tally = tally

    async def begin(self, request: Request, target: Target) -> Course:
        """Count a call that begins."""
        tally = self._tally.target(target.name)
        tally.attempts += 1
        tally.in_flight += 1
        tally.most_in_flight = max(tally.most_in_flight, tally.in_flight)
        return await self._targets.begin(request, target)

    def end(self, request: Request, target: Target, answer: Answer | None) -> None:
        """Count a call that is over."""
        tally = self._tally.target(target.name)
        tally.in_flight -= 1
        tally.answered += answer is not None
        self._targets.end(request, target, answer)


def _forget(event: Event) -> None:
    """Nobody is told of what happens to nobody."""
