"""Answers on their way out of the cache, and into it: exchanges like any other, as far as the relay can tell."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from typing_extensions import override

from aqueduct.domain.capture import EVENT_BYTES_A_BYTE
from aqueduct.domain.model import Target
from aqueduct.gateway.cache.answer import StoredAnswer
from aqueduct.gateway.exchange import JSON_TYPE, SSE_TYPE, Exchange, PlainExchange, Sink, Tap
from aqueduct.wire.replay import replay, replay_completion
from aqueduct.wire.request import Request
from aqueduct.wire.sse import DONE, encode_event

REPLAYS = {"chat": replay, "completions": replay_completion}
"""How an answer is made a stream, by operation; others are not cached."""


class StoredExchange:
    """A kept answer, plain or as a stream, as this request wants it."""

    target = None
    is_whole = True

    def __init__(self, answer: StoredAnswer, request: Request) -> None:
        self.finish_reason = answer.finish_reason
        self.content_type = JSON_TYPE
        self._block = answer.body
        if request.is_stream:
            self.content_type = SSE_TYPE
            payloads = REPLAYS[request.operation](answer.body, wants_usage=request.wants_usage)
            self._block = b"".join(map(encode_event, payloads)) + DONE

    async def read(self) -> bytes:
        """Return all of it."""
        return self._block

    async def pump(self, sink: Sink) -> bytes:
        """Return the one block."""
        return self._block

    def close(self) -> None:
        """Nothing is left to let go of."""


PATIENCE_SECONDS = 1.0
"""How long the clients of one stream may be slow, all in all, before nobody waits for it any more."""


class Followers(NamedTuple):
    """Who waits for an answer that passes: `conclude` hears of its end, with its bytes if it was whole.

    `release` is told, perhaps more than once, that to wait for it is not worth while.
    """

    conclude: Callable[[bytes | None], None]
    release: Callable[[], None]


class _PatientTap(Tap):
    """Lets go of those who wait once the client has been slow for too long: they need not be as slow as he is."""

    def __init__(self, sink: Sink, note: Callable[[bytes], None], release: Callable[[], None]) -> None:
        super().__init__(sink, note)
        self._release = release
        self._patience_seconds = PATIENCE_SECONDS

    @override
    async def drain(self) -> None:
        """Wait until the client has caught up, or left."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        timer = loop.call_later(self._patience_seconds, self._release)
        try:
            await super().drain()
        finally:
            timer.cancel()
            self._patience_seconds = max(0.0, self._patience_seconds - (loop.time() - started))


class KeptExchange:
    """An answer that is noted while it passes, for those who wait for it and those who come later.

    A plain answer is handed over as it is. Of a stream every block is noted, up to `max_bytes` of answer.
    """

    def __init__(self, exchange: Exchange, max_bytes: int, followers: Followers) -> None:
        self.exchange = exchange
        self._conclude, self._release = followers
        self._blocks: list[bytes] = []
        self._answer = exchange.answer if isinstance(exchange, PlainExchange) else None
        self._room = max_bytes * EVENT_BYTES_A_BYTE
        self._is_over = False

    @property
    def target(self) -> Target:
        """Who answers."""
        return self.exchange.target

    @property
    def content_type(self) -> bytes:
        """As the answer has it."""
        return self.exchange.content_type

    @property
    def is_whole(self) -> bool:
        """Whether all of it was read."""
        return self.exchange.is_whole

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it came."""
        return self.exchange.finish_reason

    async def read(self) -> bytes:
        """Return the next block."""
        block = await self.exchange.read()
        self._note(block)
        return block

    async def pump(self, sink: Sink) -> bytes:
        """Write all blocks but the last to the client; return the last."""
        block = await self.exchange.pump(_PatientTap(sink, self._note, self._release))
        self._note(block)
        return block

    def close(self) -> None:
        """Let the answer go, and say what came of it; safe to call twice."""
        self.exchange.close()
        if self._is_over:
            return
        self._is_over = True
        if self._answer is not None:
            self._conclude(self._answer.body)
        else:
            self._conclude(b"".join(self._blocks) if self.exchange.is_whole and self._room >= 0 else None)

    def _note(self, block: bytes) -> None:
        """Note a block that passes; too long an answer is forgotten."""
        if self._answer is not None:
            return
        self._room -= len(block)
        if self._room < 0:
            self._blocks.clear()
            self._release()
        else:
            self._blocks.append(block)
