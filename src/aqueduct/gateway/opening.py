"""Opens one target for one request: a single call, or several that make up one answer."""

from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

from aqueduct.domain.http import Timeouts
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.gateway.account import Entry
from aqueduct.gateway.exchange import Exchange, PlainExchange, StreamExchange
from aqueduct.gateway.fan_out import FanOutExchange, merge_answers
from aqueduct.gateway.gathering import gather
from aqueduct.gateway.target_caller import TargetCaller
from aqueduct.providers.base import Answer, Operation
from aqueduct.wire.request import Request


class Opener:
    """Opens targets; where a target cannot give `n` choices in one call, it makes one call a choice and merges."""

    def __init__(self, caller: TargetCaller) -> None:
        self._caller = caller

    async def open(self, request: Request, target: Target, entry: Entry) -> Exchange:
        """Return the target's answer: whole if plain, at its first event with content if streamed."""
        if not request.is_stream:
            return PlainExchange(target, await self.ask(request, target, entry, target.plain_timeouts))
        calls = self._caller.operation(request, target).calls(request)
        if len(calls) == 1:
            return await self._stream(calls[0], target, entry)
        begun: list[StreamExchange] = []

        async def begin(call: Request) -> StreamExchange:
            stream = await self._stream(call, target, entry)
            begun.append(stream)
            return stream

        try:
            streams = await gather([begin(call) for call in calls])
        except BaseException:
            for stream in begun:
                stream.close()
            raise
        return FanOutExchange(target, streams, wants_usage=request.wants_usage)

    def ask(self, request: Request, target: Target, entry: Entry, timeouts: Timeouts) -> Awaitable[Answer]:
        """Return the target's whole answer to a plain request."""
        asks = [
            self._caller.ask(entry.begin_attempt(target, call), timeouts)
            for call in self._caller.operation(request, target).calls(request)
        ]
        return asks[0] if len(asks) == 1 else _merge(asks)

    def operation(self, request: Request, target: Target) -> Operation:
        """Return the adapter's side of the request's operation."""
        return self._caller.operation(request, target)

    def limits_output(self, request: Request, target: Target) -> bool:
        """Whether the target's adapter says how long the answer may be."""
        return self._caller.operation(request, target).limits_output(request)

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """Return how the target is held to the request's JSON schema."""
        return self._caller.operation(request, target).way(request, target)

    def flows(self, request: Request, target: Target) -> bool:
        """Whether a stream held to a JSON schema may flow before it has been checked whole."""
        return self._caller.operation(request, target).flows(request, target)

    def holds_calls(self, request: Request, target: Target) -> bool:
        """Whether a stream with calls of strict functions may flow before they have been checked."""
        return self._caller.operation(request, target).holds_calls(request, target)

    async def _stream(self, request: Request, target: Target, entry: Entry) -> StreamExchange:
        return await self._caller.stream(entry.begin_attempt(target, request), target.stream_timeouts)


async def _merge(asks: Sequence[Coroutine[Any, Any, Answer]]) -> Answer:
    return merge_answers(await gather(asks))
