"""Owns the answer's way to the client and the settlement, which happens once, however the request ends."""

from collections.abc import Sequence

from aqueduct.domain.usage import FINISHED
from aqueduct.gateway.account import Entry, Ledger
from aqueduct.gateway.exchange import Exchange

_MAX_VALUE_CHARACTERS = 1000

HeaderFields = list[tuple[bytes, bytes]]


class Relay:
    """Sends one exchange to one client. Its last block is released only when the journal has the record."""

    def __init__(self, exchange: Exchange, entry: Entry, ledger: Ledger) -> None:
        self._exchange = exchange
        self._entry = entry
        self._ledger = ledger

    async def run(self) -> None:
        """Relay to the end; whatever goes wrong on the way is raised for the pipeline to settle."""
        exchange, entry, call = self._exchange, self._entry, self._entry.call
        try:
            block = await exchange.read()
            entry.first_byte_ms = call.elapsed_ms()
            entry.status = 200
            if not exchange.is_whole:
                await self._commit(())
                while not exchange.is_whole:
                    await call.write(block)
                    block = await exchange.read()
        finally:
            exchange.close()
        await self._ledger.settle(entry, FINISHED, finish_reason=exchange.finish_reason)
        if not call.is_committed:
            await self._commit([(b"content-length", b"%d" % len(block))])
        await call.end(block)

    async def _commit(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        call = self._entry.call
        if call.is_committed:
            return
        await call.commit(200, [*answer_headers(self._entry, self._exchange), *fields])


def answer_headers(entry: Entry, exchange: Exchange) -> HeaderFields:
    """Return the headers of an answer that a target gave."""
    headers = [
        (b"content-type", exchange.content_type),
        (b"x-request-id", entry.call.id.encode()),
        (b"x-aqueduct-target", _header_value(exchange.target.name)),
        (b"x-aqueduct-attempts", b"%d" % len(entry.attempts)),
    ]
    if dropped := entry.attempts[-1].dropped:
        headers.append((b"x-aqueduct-dropped-params", _header_value(", ".join(dropped))))
    return headers


def _header_value(text: str) -> bytes:
    """Return text that config or client chose as a header can carry it."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(character if character.isascii() and character.isprintable() else "?" for character in text)
    return text[:_MAX_VALUE_CHARACTERS].encode()
