"""Owns the answer's way to the client and the settlement, which happens once, however the request ends."""

from functools import lru_cache, partial

from aqueduct.domain.usage import FINISHED
from aqueduct.gateway.account import Entry, Ledger
from aqueduct.gateway.exchange import Outgoing, Sink, Tap
from aqueduct.gateway.response_head import HeaderLines

_MAX_VALUE_CHARACTERS = 1000


class Relay:
    """Sends one exchange to one client. Its last block is released only when the journal has the record."""

    def __init__(self, exchange: Outgoing, entry: Entry, ledger: Ledger) -> None:
        self._exchange = exchange
        self._entry = entry
        self._ledger = ledger

    async def run(self) -> None:
        """Relay to the end; whatever goes wrong on the way is raised for the pipeline to settle."""
        exchange, entry, call = self._exchange, self._entry, self._entry.call
        recording = entry.recording
        sink: Sink = call if recording is None else Tap(call, recording.add)
        try:
            block = await exchange.read()
            entry.first_byte_ms = call.elapsed_ms()
            entry.status = 200
            if not exchange.is_whole:
                self._commit(None)
                sink.write(block)
                block = await exchange.pump(sink)
        finally:
            exchange.close()
        if recording is not None:
            recording.add(block)
        await self._ledger.settle(entry, FINISHED, finish_reason=exchange.finish_reason)
        if not call.is_committed:
            self._commit(len(block))
        elif call.is_congested:
            await call.drain()
        call.end(block)
        if call.is_congested:
            call.connection.on_undelivered = partial(self._ledger.note_undelivered, entry)

    def _commit(self, content_length: int | None) -> None:
        call = self._entry.call
        if not call.is_committed:
            call.commit(200, answer_headers(self._entry, self._exchange), content_length)


def answer_headers(entry: Entry, exchange: Outgoing) -> HeaderLines:
    """Return the headers of an answer that a target gave, or the cache."""
    target, cached = exchange.target, entry.cached
    lines = b"content-type: %b\r\nx-request-id: %b\r\nx-aqueduct-target: %b\r\nx-aqueduct-attempts: %d\r\n" % (
        exchange.content_type,
        entry.call.id.encode(),
        b"cache" if target is None else _header_value(target.name),
        len(entry.attempts),
    )
    if cached is not None:
        lines += cached.lines()
    if dropped := entry.attempts[-1].dropped if cached is None or cached.answer is None else cached.answer.dropped:
        lines += b"x-aqueduct-dropped-params: %b\r\n" % _header_value(", ".join(dropped))
    return lines


@lru_cache(maxsize=4096)
def _header_value(text: str) -> bytes:
    """Return text that config or client chose as a header can carry it."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(character if character.isascii() and character.isprintable() else "?" for character in text)
    return text[:_MAX_VALUE_CHARACTERS].encode()
