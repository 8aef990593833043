"""Keeps a silent stream alive: proxies and clients give up on a connection that says nothing for long."""

import asyncio
import time

from aqueduct.gateway.call import Call
from aqueduct.gateway.exchange import SSE_TYPE
from aqueduct.gateway.response_head import header_lines
from aqueduct.wire.sse import KEEPALIVE


class Keepalive:
    """Sends a comment when nothing was sent for `interval_seconds`; the first one commits the answer with status 200.

    A timer, not a task: it costs a stream that is never silent next to nothing.
    """

    def __init__(self, call: Call, interval_seconds: float) -> None:
        self._call = call
        self._interval_seconds = interval_seconds
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to watch."""
        if self._interval_seconds > 0:
            self._timer = self._loop.call_later(self._interval_seconds, self._check)

    def stop(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        left = self._interval_seconds - (time.perf_counter() - self._call.last_sent)
        if left <= 0:
            left = self._interval_seconds
            self._send()
        self._timer = self._loop.call_later(left, self._check)

    def _send(self) -> None:
        call = self._call
        if call.is_gone or call.is_congested:  # a client that does not read needs no sign of life
            return
        if not call.is_committed:
            fields = ((b"content-type", SSE_TYPE), (b"x-request-id", call.id.encode()))
            call.commit(200, header_lines(fields))
        call.write(KEEPALIVE)
