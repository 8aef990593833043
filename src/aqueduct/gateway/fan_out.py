"""Several calls of one choice each, merged into one answer with as many choices."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from aqueduct.domain.model import Target
from aqueduct.domain.usage import Units, sum_units
from aqueduct.gateway.exchange import SSE_TYPE, Sink, StreamExchange
from aqueduct.providers.base import Answer, Event
from aqueduct.wire.sse import DONE, encode_event
from aqueduct.wire.usage import usage_object


def merge_answers(answers: Sequence[Answer]) -> Answer:
    """Return one answer whose choices are those of all, numbered anew, and whose usage is the sum."""
    document: dict[str, Any] = msgspec.json.decode(answers[0].body)
    choices: list[dict[str, Any]] = []
    contents: dict[int, str] = {}
    for answer in answers:
        for choice in msgspec.json.decode(answer.body)["choices"]:
            index = len(choices)
            if choice["index"] in answer.contents:
                contents[index] = answer.contents[choice["index"]]
            choices.append({**choice, "index": index})
    document["choices"] = choices
    units = _sum_units([answer.units for answer in answers])
    if units is not None:
        document["usage"] = usage_object(units)
    return Answer(
        body=msgspec.json.encode(document),
        units=units,
        response_model=answers[0].response_model,
        finish_reason=answers[0].finish_reason,
        contents=contents,
        output_text="".join(answer.output_text for answer in answers),
    )


class FanOutExchange:
    """Several streams of one choice each, their events interleaved as they arrive."""

    content_type = SSE_TYPE

    def __init__(self, target: Target, streams: Sequence[StreamExchange], *, wants_usage: bool) -> None:
        self.target = target
        self.is_whole = False
        self._streams = streams
        self._wants_usage = wants_usage
        self._identity: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._pending: dict[asyncio.Task[list[Event]], int] = {}
        self._open = set(range(len(streams)))

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""
        return self._streams[0].finish_reason

    def contents(self) -> dict[int, str]:
        """Return the text of each choice that the schema promise covers."""
        return {index: text for index, stream in enumerate(self._streams) for text in stream.contents().values()}

    async def read(self) -> bytes:
        """Return what has arrived of any of the streams."""
        blocks: list[bytes] = []
        while not blocks and not self.is_whole:
            async for index, events in self._arrived():
                blocks += [self._renumber(event.payload, index) for event in events if event.payload]
            if not self._open:
                self.is_whole = True
                blocks += self._ending()
        return b"".join(blocks)

    async def pump(self, sink: Sink) -> bytes:
        """Write all blocks but the last to the client, no faster than it reads."""
        while True:
            if sink.is_congested:
                await sink.drain()
            block = await self.read()
            if self.is_whole:
                return block
            sink.write(block)

    async def _arrived(self) -> AsyncIterator[tuple[int, list[Event]]]:
        """Wait until at least one stream has events; yield them by stream."""
        for index in self._open - set(self._pending.values()):
            task = asyncio.get_running_loop().create_task(self._streams[index].read_events())
            self._pending[task] = index
        done, _ = await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
        for task in sorted(done, key=self._pending.__getitem__):
            index = self._pending.pop(task)
            events = task.result()
            if self._streams[index].is_drained:
                self._open.discard(index)
            yield index, events

    def _renumber(self, payload: bytes, index: int) -> bytes:
        """Give an event its choice's index and the id that all events share; usage is summed at the end instead."""
        chunk: dict[str, Any] = msgspec.json.decode(payload)
        if not self._identity:
            self._identity = {name: chunk[name] for name in ("id", "created") if name in chunk}
        if not chunk.get("choices") and chunk.get("usage"):
            return b""
        chunk.pop("usage", None)
        chunk |= self._identity
        chunk["choices"] = [{**choice, "index": index} for choice in chunk.get("choices") or ()]
        self._last = chunk
        return encode_event(msgspec.json.encode(chunk | {"usage": None} if self._wants_usage else chunk))

    def _ending(self) -> list[bytes]:
        units = _sum_units([stream.reader.units for stream in self._streams])
        if not self._wants_usage or units is None:
            return [DONE]
        return [encode_event(msgspec.json.encode(self._last | {"choices": [], "usage": usage_object(units)})), DONE]

    def close(self) -> None:
        """Let all streams go."""
        for task in self._pending:
            if not task.cancel() and not task.cancelled():
                task.exception()  # read, or it would be reported as forgotten: one stream's failure ends them all
        for stream in self._streams:
            stream.close()


def _sum_units(maps: Sequence[Units | None]) -> Units | None:
    """Return the sum, or None if any upstream reported nothing."""
    reported = [units for units in maps if units is not None]
    return sum_units(reported) if len(reported) == len(maps) else None
