"""Asks simulated targets in place of real ones: the seam at which the router meets what is made up."""

import asyncio
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast

from aqueduct.domain.model import Provider, Target
from aqueduct.domain.price import Price
from aqueduct.domain.principal import Principal
from aqueduct.errors import UpstreamError
from aqueduct.gateway.account import Entry
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.call import Call
from aqueduct.gateway.exchange import SSE_TYPE, Exchange, PlainExchange, Sink
from aqueduct.providers.base import Answer
from aqueduct.wire.request import Request


class Course(NamedTuple):
    """What becomes of one call: seconds until its first content and from there to its end; at both it may fail.

    `answer` is what it says when it goes well.
    """

    answer: Answer
    first_seconds: float
    rest_seconds: float = 0.0
    failure: UpstreamError | None = None
    """In place of the first content."""
    break_off: UpstreamError | None = None
    """In place of the end."""


class Upstreams(Protocol):
    """What targets do."""

    async def begin(self, request: Request, target: Target) -> Course:
        """A call arrives: return its course, when it is its turn there."""

    def end(self, request: Request, target: Target, answer: Answer | None) -> None:
        """A call is over, well (with its answer) or not."""


class SimulatedOpener:
    """Opens targets that are made up; each call is an attempt like any other."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self.hedges = 0
        """How many calls were made beside another one for the same request."""

    async def check_schemas(self, request: Request) -> None:
        """Every schema will do: nothing is said that it would be checked against."""

    async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
        """Return the answer: whole if plain, at its first content if streamed."""
        self.hedges += any(each.flight is not None for each in entry.attempts)
        attempt = entry.begin_attempt(target, request)
        upstreams = self._upstreams
        answer: Answer | None = None
        try:
            course = await upstreams.begin(request, target)
            attempt.is_sent = True
            seconds = course.first_seconds
            if not request.is_stream and course.failure is None:
                seconds += course.rest_seconds
            await asyncio.sleep(seconds)
            if course.failure is not None:
                raise course.failure
            if request.is_stream:
                attempt.note_content()
                return SimulatedStream(attempt, course, upstreams)
            if course.break_off is not None:
                raise course.break_off
            answer = attempt.answer = course.answer
        except BaseException as error:
            attempt.end(error if isinstance(error, UpstreamError) else None)
            upstreams.end(request, target, None)
            raise
        attempt.end(None)
        upstreams.end(request, target, answer)
        return PlainExchange(target, answer)


class SimulatedStream:
    """What is left of a streamed answer after its first content."""

    content_type = SSE_TYPE
    finish_reason = "stop"

    def __init__(self, attempt: Attempt, course: Course, upstreams: Upstreams) -> None:
        self.target = attempt.target
        self.is_whole = False
        self._attempt = attempt
        self._course = course
        self._upstreams = upstreams
        self._error: UpstreamError | None = None
        self._is_closed = False

    async def read(self) -> bytes:
        """Wait until its end; raise where it breaks off."""
        await asyncio.sleep(self._course.rest_seconds)
        if self._course.break_off is not None:
            self._error = self._course.break_off
            raise self._error
        self._attempt.answer = self._course.answer
        self.is_whole = True
        return b""

    async def pump(self, sink: Sink) -> bytes:
        """Wait until its end: nobody reads it."""
        return await self.read()

    def close(self) -> None:
        """Record what was used, and leave the target."""
        if not self._is_closed:
            self._is_closed = True
            self._attempt.end(self._error)
            self._upstreams.end(self._attempt.request, self.target, self._attempt.answer)

    def contents(self) -> dict[int, str]:
        """Nothing is said."""
        return {}


class _Client:
    """As much of a client's call as routing looks at."""

    __slots__ = ("started_at",)
    id = "simulated"
    headers: Mapping[bytes, bytes] = MappingProxyType({})
    is_committed = False
    body_bytes = sys.maxsize
    """So long that every target's window is looked at closely."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at


def begin_entry(principal: Principal, started_at: float) -> Entry:
    """Return the account of a request that no connection carries; `started_at` in seconds since the epoch."""
    # A real call is a connection with everything that belongs to one; the router asks little of it.
    return Entry(cast("Call", _Client(started_at)), principal, "chat")


class NoPrices:
    """A price book that knows nothing beyond what a snapshot says."""

    async def find(self, provider: Provider, model: str) -> tuple[Price, ...]:
        """Return nothing."""
        return ()
