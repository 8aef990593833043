"""Copies of answered requests for shadow models: sent when the client has its answer, read to the end, and dropped.

A copy is asked for once, and never again. Nobody waits for it, no health of a target is judged by it, and it counts for
none of the caller's limits and budgets: its usage record belongs to the installation, under the token id `mirror`.
"""

import asyncio
import time
from typing import NamedTuple

import msgspec
import structlog

from aqueduct.domain.model import Model, Target
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.steering import Mirror
from aqueduct.domain.usage import CANCELLED, FINISHED, REFUSED, UPSTREAM_DIED, UsageRecord, shortened
from aqueduct.errors import (
    Draining,
    Overloaded,
    RequestError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
)
from aqueduct.gateway.account import Entry, Journal, add_attempts
from aqueduct.gateway.attachments.preparing import Attachments, Opens
from aqueduct.gateway.call import new_request_id
from aqueduct.gateway.capture import Recorder, Recording
from aqueduct.gateway.checked import Schema
from aqueduct.gateway.exchange import Exchange
from aqueduct.gateway.in_flight import InFlight
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.routing.strategies import order_targets
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.gateway.routing.traits import Traits
from aqueduct.gateway.schema_prompt import hold_to_schema
from aqueduct.telemetry.metrics import MIRROR_SECONDS, MIRRORED
from aqueduct.wire.errors import render
from aqueduct.wire.request import Request

MIRROR = "mirror"
"""The operation of a copy's usage record, and the id of the API token that it is recorded under, which nobody has."""

_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_MAX_HELD_BYTES = 64 * 1024 * 1024
"""How many bytes of requests are held for copies under way."""

logger = structlog.get_logger(__name__)


class _Copy(NamedTuple):
    """One copy to be sent: the shadow and its target, the request as the client sent it, and the request's entry."""

    mirror: Mirror
    shadow: Model
    target: Target
    request: Request
    original: Entry
    size: int


class Mirrors:
    """Sends copies; `run` it beside the gateway: without it, or at its end, none is sent."""

    def __init__(
        self, opener: Opener, attachments: Attachments | None, journal: Journal, recorder: Recorder, traffic: Traffic
    ) -> None:
        self._opener = opener
        self._attachments = attachments
        self._journal = journal
        self._recorder = recorder
        self._traffic = traffic
        self._held = InFlight(_MAX_HELD_BYTES)
        self._under_way: dict[str, int] = {}
        """How many copies each model's mirror has under way, by the name of the model."""
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Send copies until cancelled; those that are under way then end with it, and are recorded."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def send(self, model: Model, original: Entry, snapshot: Snapshot) -> None:
        """Send a copy of an answered request, if the dice say so and there is room; waits and raises for nothing."""
        try:
            self._send(model, original, snapshot)
        except Exception as error:
            # One of the process's edges: the request is answered and settled, and is not to hear of a bug here.
            logger.error("bug", request_id=original.call.id, exc_info=error)

    def _send(self, model: Model, original: Entry, snapshot: Snapshot) -> None:
        mirror, request = model.routing.mirror, original.request
        # What the cache answered was asked of nobody: there is nothing to compare.
        if mirror is None or request is None or not original.attempts or self._traffic.rng.random() >= mirror.share:
            return
        shadow = _shadow(model, mirror, original, snapshot)
        if shadow is None or self._group is None or not self._journal.is_writable:
            return
        target = self._pick(shadow, request, original)
        size = sum(memoryview(raw).nbytes for raw in request.fields.values())
        if target is None or self._under_way.get(model.name, 0) >= mirror.concurrency or not self._hold(size):
            MIRRORED.labels(shadow.name, "dropped").inc()
            return
        self._under_way[model.name] = self._under_way.get(model.name, 0) + 1
        self._group.create_task(self._work(model.name, _Copy(mirror, shadow, target, request, original, size)))

    def _pick(self, shadow: Model, request: Request, original: Entry) -> Target | None:
        """Return the shadow's first target that is well and has room: what is to be tried is for real requests."""
        traits, now = Traits(request, original.principal.id, original.call.started_at), self._traffic.now()
        targets = order_targets(shadow, traits, self._traffic)
        return next((each for each in targets if self._traffic.state(each).is_well(now, traits)), None)

    def _hold(self, size: int) -> bool:
        try:
            self._held.take(size)
        except Overloaded:
            return False
        return True

    async def _work(self, name: str, copy: _Copy) -> None:
        try:
            await self._ask(copy)
        except Exception as error:
            # One of the process's edges: a bug here must not end the gateway, in whose task group this runs.
            logger.error("bug", request_id=copy.original.call.id, exc_info=error)
        finally:
            self._under_way[name] -= 1
            self._held.give(copy.size)

    async def _ask(self, copy: _Copy) -> None:
        """Ask the shadow once, read what it answers, and record it, however that ends."""
        request = copy.request.with_fields(model=copy.shadow.name)
        attempts = Entry(copy.original.call, copy.original.principal, MIRROR)
        # What it takes of the target's own limits counts, how it goes does not.
        attempts.traffic, attempts.is_judged = self._traffic, False
        attempts.traits = Traits(request, copy.original.principal.id, copy.original.call.started_at)
        account = _Account(copy, request, self._recorder)
        error: Exception | None = None
        try:
            async with asyncio.timeout(copy.mirror.timeout_seconds):
                exchange = await self._opens(request, attempts).open(request, copy.target, attempts)
                account.begin()
                try:
                    await self._read(exchange, account)
                finally:
                    exchange.close()
        except (UpstreamError, RequestError) as caught:
            error = caught
        except TimeoutError:
            error = UpstreamTimeout("the shadow took longer than the mirror lets it")
        except asyncio.CancelledError:
            error = Draining("The gateway ended while the shadow was being asked.")
            raise
        except Exception as caught:
            error = caught
            raise
        finally:
            if attempts.holding is not None:
                attempts.holding.release()
            self._journal.record(account.settle(attempts, error))

    def _opens(self, request: Request, entry: Entry) -> Opens:
        """Return what asks the shadow: files are made ready first, then what is said of a schema is added."""
        opener: Opens = self._opener if request.schema is None else _HeldOpener(self._opener, request.schema)
        if self._attachments is None or not request.has_attachments:
            return opener
        return self._attachments.opener(opener, request, entry)

    async def _read(self, exchange: Exchange, account: "_Account") -> None:
        size = 0
        while True:
            block = await exchange.read()
            size += len(block)
            account.note(block)
            if exchange.is_whole:
                account.finish_reason = exchange.finish_reason
                return
            if size > _MAX_ANSWER_BYTES:
                raise UpstreamInvalidResponse("the shadow's answer is too long to be read")


class _HeldOpener:
    """Asks for JSON as the gateway would; the answer is not checked, for nobody gets it."""

    def __init__(self, opener: Opener, schema: Schema) -> None:
        self._opener = opener
        self._schema = schema

    async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
        """Return the target's answer, plain unless it holds itself to the schema."""
        if not (request.is_stream and self._opener.flows(request, target)):
            plain = request.with_fields(stream=None, stream_options=None)
            request = hold_to_schema(plain, self._schema, self._opener.way(plain, target))
        return await self._opener.open(request, target, entry)


class _Account:
    """What is recorded of one copy: its usage, its pace and, where that is wished and allowed, what was said."""

    def __init__(self, copy: _Copy, request: Request, recorder: Recorder) -> None:
        self._copy = copy
        self._request = request
        self._started_at, self._started = time.time(), time.perf_counter()
        self._first_byte_ms: float | None = None
        self.finish_reason: str | None = None
        policy = copy.original.principal.capture
        self._recording: Recording | None = None
        if copy.mirror.is_captured and policy is not None:
            self._recording = Recording(recorder, policy, msgspec.json.encode(request.fields))

    def begin(self) -> None:
        """The answer, or the first content of a stream, is there."""
        self._first_byte_ms = self._elapsed_ms()
        if self._request.is_stream:
            MIRROR_SECONDS.labels(self._copy.shadow.name, "first_content").observe(self._first_byte_ms / 1000)

    def note(self, block: bytes) -> None:
        """A part of the answer is there."""
        if self._recording is not None:
            self._recording.add(block)

    def settle(self, attempts: Entry, error: Exception | None) -> UsageRecord:
        """Count the copy, hand over what was captured, and return the usage record."""
        copy = self._copy
        record = UsageRecord(
            id=new_request_id(self._started_at),
            started_at=self._started_at,
            operation=MIRROR,
            api_token_id=MIRROR,
            model=copy.shadow.name,
            request_model=shortened(copy.request.model),
            is_stream=self._request.is_stream,
            finish_reason=shortened(self.finish_reason),
            first_byte_ms=self._first_byte_ms,
            total_ms=self._elapsed_ms(),
            client_request_id=copy.original.call.id,
        )
        if error is not None:
            rendered = render(error)
            record.status, record.error_code = rendered.status, shortened(rendered.code)
        record.ending = self._ending(error)
        add_attempts(record, attempts.attempts)
        MIRRORED.labels(copy.shadow.name, _outcome(error)).inc()
        if error is None:
            MIRROR_SECONDS.labels(copy.shadow.name, "answer").observe(record.total_ms / 1000)
        if self._recording is not None:
            self._recording.finish(_owned(record, copy.original))
        return record

    def _ending(self, error: Exception | None) -> str:
        if error is None:
            return FINISHED
        if isinstance(error, Draining):
            return CANCELLED
        return REFUSED if self._first_byte_ms is None else UPSTREAM_DIED

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000


def _shadow(model: Model, mirror: Mirror, original: Entry, snapshot: Snapshot) -> Model | None:
    """Return whom the copy is for: another model, or the own targets that are meant but for those that were asked."""
    if mirror.model is not None:
        return snapshot.find(mirror.model)
    asked = {attempt.record.target for attempt in original.attempts}
    meant = [each for each in model.targets if mirror.target in (each.label, each.name) and each.name not in asked]
    return msgspec.structs.replace(model, targets=tuple(meant)) if meant else None


def _outcome(error: Exception | None) -> str:
    """Return what became of a copy, as the metric has it."""
    if error is None:
        return "answered"
    if isinstance(error, Draining):
        return "cancelled"
    return "timed_out" if isinstance(error, UpstreamTimeout) else "failed"


def _owned(record: UsageRecord, original: Entry) -> UsageRecord:
    """Return the record as a capture has it: what was said belongs to whoever said it, and only they may read it."""
    principal = original.principal
    return msgspec.structs.replace(
        record,
        api_token_id=principal.id,
        organisation_id=principal.organisation_id,
        team_id=principal.team_id,
        user_id=principal.user_id,
        service_account_id=principal.service_account_id,
    )
