"""Where a model's rules and its split send a request: to another model, or to some of the model's own targets first.

What they lead to is a model again, made once for each snapshot, so that everything after it is as for any other one.
"""

import math
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import msgspec
import structlog
from prometheus_client import Counter

from aqueduct.domain.model import Model, Target
from aqueduct.domain.snapshot import WILDCARD, Snapshot
from aqueduct.domain.steering import Rule, Side, Split
from aqueduct.gateway.account import Entry
from aqueduct.gateway.routing.conditions import Test, compile_condition
from aqueduct.gateway.routing.facts import Facts
from aqueduct.gateway.routing.grouping import compile_grouping, fraction, salt_of
from aqueduct.telemetry.metrics import STEERED
from aqueduct.wire.request import Request

logger = structlog.get_logger(__name__)

_AFTER_ALL_OTHERS = 1001
"""What is added to the priority of the targets of other sides: more than the config allows."""


class Destination(NamedTuple):
    """Where some requests go: a model whose targets are those that are left to choose among.

    `is_final`: its own rules are not asked any more. `name` is how the rule, or the side of the split, is called.
    """

    name: str
    model: Model
    is_final: bool
    counter: Counter


class _Branch(NamedTuple):
    test: Test
    course: Destination


class _Fork(NamedTuple):
    """A split: the courses of its sides, each with its percentage and its salt."""

    sides: list[tuple[float, bytes, Destination]]
    key: Callable[[Facts], bytes]

    def choose(self, facts: Facts) -> Destination:
        """Return the side of a request's group, by weighted rendezvous: growing one takes from the others only."""
        key = self.key(facts)
        return max(self.sides, key=lambda side: -side[0] / math.log(fraction(key, side[1])))[2]


class _Compiled(NamedTuple):
    branches: list[_Branch]
    fork: _Fork | None
    rest: Model

    def choose(self, facts: Facts) -> Destination | None:
        """Return the course of the first rule that holds, or of the split; None where the model's own targets do."""
        for branch in self.branches:
            if branch.test(facts):
                return branch.course
        return None if self.fork is None else self.fork.choose(facts)


class Steering:
    """Knows where the models of a snapshot send their requests."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._snapshot: Snapshot | None = None
        self._compiled: dict[str, _Compiled] = {}

    def steer(self, model: Model, request: Request, entry: Entry, snapshot: Snapshot) -> tuple[Model, Request]:
        """Return the model whose targets are to be asked, and the request under its name."""
        if snapshot is not self._snapshot:
            self._snapshot, self._compiled = snapshot, {}
        facts = Facts(request, entry.principal, entry.call.headers)
        # The config refuses circles.
        while True:
            compiled = self._compiled.get(model.name) or self._compile(model, snapshot)
            course = compiled.choose(facts)
            if course is None:
                return compiled.rest, request
            course.counter.inc()
            logger.debug("steered", request_id=entry.call.id, model=model.name, by=course.name, to=course.model.name)
            if course.model.name != model.name:
                request = request.with_fields(model=course.model.name)
            if course.is_final:
                return course.model, request
            model = course.model

    def _compile(self, model: Model, snapshot: Snapshot) -> _Compiled:
        routing = model.routing
        branches = [self._branch(model, rule, snapshot) for rule in routing.rules]
        fork = None if routing.split is None else self._fork(model, routing.split, snapshot)
        compiled = self._compiled[model.name] = _Compiled(branches, fork, _unsteered(model))
        return compiled

    def _branch(self, model: Model, rule: Rule, snapshot: Snapshot) -> _Branch:
        # A percentage is drawn by where it leads to, so that rules can be put before it without moving anybody.
        test = compile_condition(rule.when, salt_of(model.name, rule.model or "", *rule.targets), self._rng)
        counter = STEERED.labels(model.name, rule.name)
        if rule.model is not None:
            other = _find(snapshot, rule.model)
            return _Branch(test, Destination(rule.name, other, not other.routing.is_steered, counter))
        wanted = frozenset(rule.targets)
        own = [target for target in model.targets if target.label in wanted or target.name in wanted]
        return _Branch(test, Destination(rule.name, _unsteered(model, own), True, counter))

    def _fork(self, model: Model, split: Split, snapshot: Snapshot) -> _Fork:
        sides: list[tuple[float, bytes, Destination]] = []
        for side in split.sides:
            if side.percentage:
                course = Destination(
                    side.name, _side(model, side, split, snapshot), True, STEERED.labels(model.name, side.name)
                )
                sides.append((side.percentage, salt_of(model.name, side.name), course))
        return _Fork(sides, compile_grouping(split.by, self._rng))


def _side(model: Model, side: Side, split: Split, snapshot: Snapshot) -> Model:
    """Return what a side asks: itself first, then the other sides, then what it falls back to anyway.

    A side of 0 % is asked for nothing at all.
    """
    off = {each.name for each in split.sides if not each.percentage}
    names = [each.name for each in split.sides if each.is_model and each.percentage and each != side]
    own = [target for target in model.targets if target.label not in off]
    if side.is_model:
        other = _find(snapshot, side.name)
        # Not by the model's name, under which the targets of a side that is off would be asked too.
        behind = [_put_back(target) for target in own if target.model != WILDCARD]
        names += model.routing.fallbacks
        return _with_fallbacks(msgspec.structs.replace(other, targets=(*other.targets, *behind)), names)
    ranked = [target if target.label == side.name else _put_back(target) for target in own]
    return _with_fallbacks(_unsteered(model, sorted(ranked, key=lambda target: target.priority)), names)


def speaks_for(model: Model, target: Target) -> bool:
    """Whether what a target answers is what a model answers: not that of another side, which stands in."""
    return target.priority < _AFTER_ALL_OTHERS and any(each is target for each in model.targets)


def _put_back(target: Target) -> Target:
    return msgspec.structs.replace(target, priority=target.priority + _AFTER_ALL_OTHERS)


def _with_fallbacks(model: Model, names: list[str]) -> Model:
    if not names:
        return model
    fallbacks = (*names, *(name for name in model.routing.fallbacks if name not in names))
    return msgspec.structs.replace(model, routing=msgspec.structs.replace(model.routing, fallbacks=fallbacks))


def _unsteered(model: Model, targets: list[Target] | None = None) -> Model:
    """Return the model without what steers its requests, with all of its targets or some."""
    routing = msgspec.structs.replace(model.routing, rules=(), split=None).compiled()
    return msgspec.structs.replace(model, routing=routing, targets=model.targets if targets is None else tuple(targets))


def _find(snapshot: Snapshot, name: str) -> Model:
    found = snapshot.find(name)
    if found is None:
        raise LookupError(name)  # the config checked it
    return found
