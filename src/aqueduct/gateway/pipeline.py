"""One request from its head to its settlement, as a straight line."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from aqueduct.domain.principal import TermsState
from aqueduct.domain.usage import CANCELLED, CLIENT_GONE, FINISHED, REFUSED, SEND_FAILED, UPSTREAM_DIED
from aqueduct.errors import Draining, JournalUnavailable, TermsNotAccepted
from aqueduct.gateway.account import Entry, Ledger
from aqueduct.gateway.admit import Limiter
from aqueduct.gateway.authenticate import Authenticator
from aqueduct.gateway.cache.router import CachedRouter
from aqueduct.gateway.call import Call, ClientGone
from aqueduct.gateway.in_flight import InFlight
from aqueduct.gateway.keepalive import Keepalive
from aqueduct.gateway.relay import Relay
from aqueduct.gateway.response_head import header_lines
from aqueduct.gateway.route import Router
from aqueduct.gateway.state import State
from aqueduct.wire.errors import render
from aqueduct.wire.request import Request
from aqueduct.wire.sse import encode_error_event

logger = structlog.get_logger(__name__)

_CLIENT_CLOSED_REQUEST = 499
"""What is recorded, not sent: nginx's status for a client that left before its answer began."""

_JSON = (b"content-type", b"application/json")
_TERMS_ARE_DUE = (
    "Your organisation's terms of service must be accepted first. With this API token, read them at "
    "GET /api/admin/terms and accept them with POST /api/admin/terms/{id}/accept."
)

Work = Callable[[Entry], Awaitable[None]]


class Dialect(NamedTuple):
    """How one endpoint's body is read."""

    operation: str
    parse: Callable[[bytes], Request]


class Routers(NamedTuple):
    """The ways to an answer: from a target, and by the cache for models that have one."""

    plain: Router
    cached: CachedRouter


class PipelineLimits(NamedTuple):
    """What one request may cost, and all together."""

    max_body_bytes: int
    max_in_flight_bytes: int
    keepalive_interval_seconds: float


class Pipeline:
    """Serves requests; everything it needs is wired in `app.py`."""

    def __init__(
        self,
        state: State,
        authenticator: Authenticator,
        limiter: Limiter,
        routers: Routers,
        ledger: Ledger,
        limits: PipelineLimits,
    ) -> None:
        self._in_flight = InFlight(limits.max_in_flight_bytes)
        self._state = state
        self._authenticator = authenticator
        self._limiter = limiter
        self._routers = routers
        self._ledger = ledger
        self._limits = limits

    def complete(self, call: Call, dialect: Dialect) -> Awaitable[None]:
        """Serve one completion."""

        async def work(entry: Entry) -> None:
            if entry.principal.terms is TermsState.DUE:
                raise TermsNotAccepted(_TERMS_ARE_DUE)
            snapshot = self._state.snapshot
            body = await call.read_body(self._limits.max_body_bytes, self._in_flight)
            if entry.principal.capture is not None:
                self._ledger.begin_capture(entry, entry.principal.capture, body)
            entry.request = request = dialect.parse(body).received(call.id, call.started_at)
            model = snapshot.resolve(entry.principal, request.model)
            entry.model = model.name
            router: Router | CachedRouter = self._routers.plain
            if model.cache is not None:
                # It admits by itself: only it knows whether a request will cost anything.
                router = self._routers.cached
            elif entry.principal.limits or entry.principal.budgets:
                await self._limiter.admit(entry, request, model, snapshot, len(body))
            keepalive = Keepalive(call, self._limits.keepalive_interval_seconds) if request.is_stream else None
            if keepalive is not None:
                keepalive.start()
            try:
                exchange = await router.open(model, request, entry, snapshot)
                await Relay(exchange, entry, self._ledger).run()
            finally:
                if keepalive is not None:
                    keepalive.stop()
            if model.routing.mirror is not None:
                self._routers.plain.mirror(model, entry, snapshot)

        return self.serve(call, dialect.operation, work)

    async def answer(self, entry: Entry, body: bytes, content_type: tuple[bytes, bytes] = _JSON) -> None:
        """Settle an entry that needed no upstream, then send its answer."""
        entry.status = 200
        await self._ledger.settle(entry, FINISHED)
        entry.call.answer(200, header_lines([content_type, (b"x-request-id", entry.call.id.encode())]), body)

    async def serve(self, call: Call, operation: str, work: Work) -> None:
        """Do an authenticated piece of work and settle it, in whatever way it ends."""
        entry: Entry | None = None
        try:
            if self._state.is_draining:
                raise Draining("The gateway is shutting down. Try again shortly.")
            principal = await self._authenticator.authenticate(call)
            if not self._ledger.is_writable:
                raise JournalUnavailable("Usage cannot be recorded at the moment, so nothing is served.")
            entry = self._ledger.open(call, principal, operation)
            call.watch_client()
            await work(entry)
        except asyncio.CancelledError:
            _stay_alive()
            error = Draining("The gateway had to end this request because it is shutting down.")
            await self._conclude(call, entry, CANCELLED, error)
        except ClientGone:
            self._settle_unheard(call, entry)
        except Exception as error:
            if render(error).status == 500:
                logger.error("bug", request_id=call.id, exc_info=error)
            await self._conclude(call, entry, UPSTREAM_DIED if call.is_committed else REFUSED, error)
        finally:
            if entry is not None and entry.holding is not None:
                entry.holding.release()
            call.release()

    async def _conclude(self, call: Call, entry: Entry | None, ending: str, error: Exception) -> None:
        """Settle what was refused, failed or broken off, and tell the client, unless it has left."""
        if call.is_gone:
            self._settle_unheard(call, entry)
            return
        try:
            try:
                await self._settle(call, entry, ending, error)
            except JournalUnavailable as unavailable:
                error = unavailable
            answer_error(call, error)
        except asyncio.CancelledError:
            _stay_alive()
            self._settle_unheard(call, entry)

    async def _settle(self, call: Call, entry: Entry | None, ending: str, error: Exception) -> None:
        if entry is None:
            return
        if entry.is_settled:
            self._ledger.note_undelivered(entry)
            return
        rendered = render(error)
        entry.status = 200 if call.is_committed else rendered.status
        if entry.recording is not None:
            entry.recording.add(encode_error_event(error) if call.is_committed else rendered.body)
        await self._ledger.settle(entry, ending, error_code=rendered.code)

    def _settle_unheard(self, call: Call, entry: Entry | None) -> None:
        """Settle what nobody waits for any more."""
        if entry is None:
            return
        if entry.is_settled:
            self._ledger.note_undelivered(entry)
            return
        entry.status = 200 if call.is_committed else _CLIENT_CLOSED_REQUEST
        self._ledger.settle(entry, SEND_FAILED if call.connection.is_unread else CLIENT_GONE)


def _stay_alive() -> None:
    """Take back a cancellation that was meant for the work, not for its settlement."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def answer_error(call: Call, error: Exception) -> None:
    """Tell the client: with a status of its own before the commit, in the stream after it."""
    if call.is_committed:
        call.cut(encode_error_event(error))
        return
    answer = render(error)
    lines = header_lines([*answer.headers, (b"x-request-id", call.id.encode())])
    call.answer(answer.status, lines, answer.body)
