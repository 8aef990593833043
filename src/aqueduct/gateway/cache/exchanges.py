"""Answers on their way out of the cache, and into it: exchanges like any other, as far as the relay can tell."""

from collections.abc import Callable

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


class KeptExchange:
    """An answer that is noted while it passes; `conclude` hears of its end, with its bytes if it was whole.

    A plain answer is handed over as it is. Of a stream every block is noted, up to `max_bytes` of answer.
    """

    def __init__(self, exchange: Exchange, max_bytes: int, conclude: Callable[[bytes | None], None]) -> None:
        self.exchange = exchange
        self._conclude = conclude
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
        block = await self.exchange.pump(Tap(sink, self._note))
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
        else:
            self._blocks.append(block)
