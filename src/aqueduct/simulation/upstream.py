"""Targets that answer, fail, fill up and slow down as a scenario says."""

import asyncio
from collections import deque
from fnmatch import fnmatchcase

from aqueduct.domain.model import Target
from aqueduct.domain.routing import TargetLimits
from aqueduct.errors import (
    InvalidRequest,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from aqueduct.gateway.routing.quota import Quota, Slot
from aqueduct.providers.base import Answer
from aqueduct.providers.statuses import failure_of
from aqueduct.simulation.opener import Course
from aqueduct.simulation.request import SimulatedRequest
from aqueduct.simulation.scenario import OutageNode, Scenario, TargetNode, dice_of
from aqueduct.simulation.spread import draw
from aqueduct.simulation.virtual_time import now
from aqueduct.wire.request import Request

_REFUSED_SECONDS = 0.001
_ERROR_SECONDS = 0.05
"""How long it takes to hear that a connection is refused, and that a request is."""

_NOTHING = Answer(body=b"", units=None)


class SimulatedTargets:
    """All targets of a simulation; each is made when it is first asked."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._targets: dict[tuple[str, int], SimulatedTarget] = {}

    async def begin(self, request: Request, target: Target) -> Course:
        """A call arrives: return its course, when it is its turn there."""
        return await self._find(target).begin(_of_simulation(request), target)

    def end(self, request: Request, target: Target, answer: Answer | None) -> None:
        """A call is over."""
        self._find(target).end(_of_simulation(request), answer)

    def _find(self, target: Target) -> "SimulatedTarget":
        key = target.name, target.provider.key_number
        found = self._targets.get(key)
        if found is None:
            found = self._targets[key] = SimulatedTarget(node_of(target.name, self._scenario), key, self._scenario.seed)
        return found


def node_of(name: str, scenario: Scenario) -> TargetNode:
    """Return what the scenario says of a target: the first entry that fits, or what holds where none does."""
    found = (node for node in scenario.targets if fnmatchcase(name, node.target))
    return next(found, TargetNode(target=name))


class SimulatedTarget:
    """One target with one credential."""

    def __init__(self, node: TargetNode, key: tuple[str, int], seed: int) -> None:
        self._node = node
        self._dice = dice_of(seed, *key)
        self._outages = [each for each in node.outages if each.key is None or each.key == key[1]]
        self._breaks = sorted(each.start for each in self._outages if each.breaks_answers)
        self._limits = TargetLimits(
            requests_per_minute=node.requests_per_minute, tokens_per_minute=node.tokens_per_minute
        )
        self._quota = None if self._limits == TargetLimits() else Quota()
        self._slots: dict[int, Slot] = {}
        self._places_taken = 0
        self._working: set[int] = set()
        self._queue: deque[asyncio.Future[None]] = deque()

    async def begin(self, request: SimulatedRequest, target: Target) -> Course:
        """A call arrives: return its course, when it is its turn."""
        failure = self._outage(target, request) or self._refusal(request, target)
        if failure is not None:
            return failure
        node, began_at = self._node, now()
        stretch = 1.0
        if node.concurrency is not None and self._places_taken >= node.concurrency:
            if isinstance(node.overload, int):
                return _failed(failure_of(node.overload, "overloaded", None))
            if node.overload == "queue":
                timeouts = target.stream_timeouts if request.is_stream else target.plain_timeouts
                if not await self._wait_for_turn(timeouts.first_byte_seconds):
                    return Course(_NOTHING, 0.0, failure=UpstreamTimeout("waited too long"))
            else:
                self._places_taken += 1
                stretch = self._places_taken / node.concurrency
        else:
            self._places_taken += 1
        self._working.add(id(request))
        return self._course(request, target, stretch, now() - began_at)

    def end(self, request: SimulatedRequest, answer: Answer | None) -> None:
        """A call is over: whoever waits is next."""
        slot = self._slots.pop(id(request), None)
        if slot is not None and self._quota is not None:
            self._quota.settle(slot, _tokens_used(answer), now())
        if id(request) in self._working:
            self._working.discard(id(request))
            self._give_place_on()

    def _outage(self, target: Target, request: Request) -> Course | None:
        """Return how the call fails, where an outage is on and concerns it."""
        at = now()
        for outage in self._outages:
            if outage.start <= at < outage.end and (outage.share == 1 or self._dice.random() < outage.share):
                timeouts = target.stream_timeouts if request.is_stream else target.plain_timeouts
                return _failing(outage, timeouts.first_byte_seconds)
        return None

    def _refusal(self, request: SimulatedRequest, target: Target) -> Course | None:
        """Return how the call fails for what it is, or for how many there are of it."""
        if target.context_window is not None and request.input_tokens > target.context_window:
            overflow = InvalidRequest("too long", code="context_length_exceeded", param="messages")
            return _failed(UpstreamRejected(overflow, status=400))
        if self._quota is not None:
            wait = self._quota.wait_seconds(self._limits, request.tokens_used, now())
            if wait > 0:
                return _failed(UpstreamRateLimited("limit a minute", status=429, retry_after_seconds=wait))
            self._slots[id(request)] = self._quota.take(now(), request.tokens_used)
        if self._node.error_rate and self._dice.random() < self._node.error_rate:
            return _failed(UpstreamServerError("by chance", status=500))
        return None

    async def _wait_for_turn(self, seconds: float) -> bool:
        """Wait for a place, first come first served; return whether there was one in time."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(turn)
        except TimeoutError:
            self._leave(turn)
            return False
        except BaseException:
            self._leave(turn)
            raise
        return True

    def _leave(self, turn: asyncio.Future[None]) -> None:
        """Stop waiting; a place that was given in the same moment goes to the next."""
        if turn in self._queue:
            self._queue.remove(turn)
        elif turn.done():
            self._give_place_on()

    def _give_place_on(self) -> None:
        """Give a place to whoever waits longest; it is free where nobody does."""
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self._places_taken -= 1

    def _course(self, request: SimulatedRequest, target: Target, stretch: float, waited_seconds: float) -> Course:
        node, dice, at = self._node, self._dice, now()
        for slow in node.slow:
            if slow.start <= at < slow.end:
                stretch *= slow.factor
        first = draw(node.first_token, dice) * stretch
        rest = request.output_tokens / max(draw(node.tokens_per_second, dice), 1e-6) * stretch
        answer = Answer(
            body=b"{}", units={"input_tokens": request.input_tokens, "output_tokens": request.output_tokens}
        )
        timeouts = target.stream_timeouts if request.is_stream else target.plain_timeouts
        # Of a plain answer the first byte is there when all of it is.
        until_byte = first if request.is_stream else first + rest
        patience = min(timeouts.first_byte_seconds, timeouts.total_seconds) - waited_seconds
        if until_byte > patience:
            return Course(_NOTHING, max(patience, 0.0), failure=UpstreamTimeout("too slow to begin"))
        course = Course(answer, first, rest)
        if waited_seconds + first + rest > timeouts.total_seconds:
            rest = max(timeouts.total_seconds - waited_seconds - first, 0.0)
            course = Course(answer, first, rest, break_off=UpstreamTimeout("too slow to end"))
        return self._broken(course, at)

    def _broken(self, course: Course, at: float) -> Course:
        """Return the course, cut where an outage begins that breaks answers off."""
        ends_at = at + course.first_seconds + course.rest_seconds
        begins_at = next((each for each in self._breaks if at < each < ends_at), None)
        if begins_at is None:
            return course
        broken = UpstreamUnreachable("the connection broke")
        if begins_at < at + course.first_seconds:
            return Course(_NOTHING, begins_at - at, failure=broken)
        rest = begins_at - at - course.first_seconds
        return course._replace(rest_seconds=rest, break_off=broken)


def _failed(error: UpstreamError) -> Course:
    return Course(_NOTHING, _ERROR_SECONDS, failure=error)


def _failing(outage: OutageNode, first_byte_seconds: float) -> Course:
    """Return how a call fails in an outage."""
    if isinstance(outage.answer, int):
        return _failed(failure_of(outage.answer, "outage", outage.retry_after))
    if outage.answer == "stall":
        return Course(_NOTHING, first_byte_seconds, failure=UpstreamTimeout("it says nothing"))
    refused = UpstreamUnreachable("connection refused")
    refused.is_sent = False
    return Course(_NOTHING, _REFUSED_SECONDS, failure=refused)


def _tokens_used(answer: Answer | None) -> int:
    return 0 if answer is None or answer.units is None else sum(answer.units.values())


def _of_simulation(request: Request) -> SimulatedRequest:
    if not isinstance(request, SimulatedRequest):
        raise TypeError("only simulated clients ask simulated targets")
    return request
