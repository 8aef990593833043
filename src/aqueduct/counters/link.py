"""One connection to a Valkey server, shared by all calls of the process: sent in batches, answered in order.

redis-py makes the connection (TLS, authentication, database) and reads from it. Its pool is not used: one connection
that is written once in a turn of the event loop costs a quarter of one borrowed for each call, and a call that its
caller gave up does not have to close it, for the answer still has a place in the order. What breaks the order ends the
connection, with every call on it.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.connection import HiredisRespSerializer
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError

from aqueduct.errors import ConfigurationError, CountersUnavailable
from aqueduct.telemetry.metrics import COUNTERS_ARE_AWAY

CONNECT_SECONDS = 1.0
RETRY_SECONDS = 1.0
GRACE_SECONDS = 0.005
"""How much longer a late answer may be: in a loop that was held up, it may have come and not been read yet."""

_packer: Any = HiredisRespSerializer()

logger = structlog.get_logger(__name__)


class Call:
    """A script to run with its keys and one argument, and what becomes of it; `lose` or `answer` is called once."""

    __slots__ = ("argument", "is_forgotten", "is_overdue", "keys", "script", "sent_at")

    def __init__(self, script: str, keys: list[str], argument: str) -> None:
        self.script = script
        self.keys = keys
        self.argument = argument
        self.sent_at = 0.0
        self.is_overdue = False
        self.is_forgotten = False
        """Whether the server did not know the script any more, so that it is sent whole."""

    def answer(self, reply: Any) -> None:
        """Take the reply, which may come after `expire`."""

    def expire(self) -> None:
        """Stop whoever waits from waiting: the answer is late."""

    def lose(self) -> None:
        """Learn that no answer will come; whether the script ran, nobody knows."""


class Link:
    """Connects, and connects again; `run` it, and `send` calls meanwhile."""

    def __init__(self, url: str, scripts: Mapping[str, str], timeout_seconds: float) -> None:
        self._pool = open_pool(url)
        self._sources = dict(scripts)
        self._digests: dict[str, str] = {}
        self._timeout_seconds = timeout_seconds
        self._outbox: list[Call] = []
        self._in_flight: deque[Call] = deque()
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._has_mail = asyncio.Event()
        self._tried = asyncio.Event()
        self._is_silent = asyncio.Event()
        self.is_up = False

    async def first_attempt(self) -> None:
        """Wait until connecting worked or failed for the first time."""
        await self._tried.wait()

    async def run(self) -> None:
        """Keep the connection until cancelled, whatever happens to the server."""
        is_known_down = False
        while True:
            connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's own
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's own
                    for name, source in self._sources.items():
                        self._digests[name] = (await _ask(connection, "SCRIPT", "LOAD", source)).decode()
                if is_known_down:
                    logger.warning("counters_are_back")
                is_known_down = False
                self._set_up(True)
                await self._serve(connection)
            except (RedisError, OSError, TimeoutError) as error:
                if not is_known_down:
                    logger.error("counters_are_away", reason=f"{type(error).__name__}: {error}"[:200])
                is_known_down = True
            finally:
                self._set_up(False)
                await connection.disconnect(nowait=True)
            await asyncio.sleep(RETRY_SECONDS)

    def send(self, call: Call) -> None:
        """Send a call with all others of this turn. Raises `CountersUnavailable` while there is no connection."""
        if not self.is_up:
            raise CountersUnavailable("Limits cannot be checked at the moment. Try again shortly.")
        call.sent_at = time.monotonic()
        self._outbox.append(call)
        self._has_mail.set()
        if self._timer is None:
            self._watch(self._timeout_seconds)

    def _set_up(self, is_up: bool) -> None:
        self.is_up = is_up
        self._tried.set()
        COUNTERS_ARE_AWAY.set(not is_up)
        if is_up:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lost = [*self._in_flight, *self._outbox]
        self._in_flight.clear()
        self._outbox.clear()
        for call in lost:
            call.lose()

    async def _serve(self, connection: AbstractConnection) -> None:
        """Write and read until the connection fails, and raise what it failed with."""
        self._is_silent.clear()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(connection))
                group.create_task(self._read(connection))
                group.create_task(self._raise_on_silence())
        except ExceptionGroup as errors:
            failures, bugs = errors.split((RedisError, OSError, TimeoutError))
            if bugs is not None or failures is None:
                raise
            raise failures.exceptions[0] from None

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._has_mail.wait()
            self._has_mail.clear()
            calls, self._outbox = self._outbox, []
            # In flight before the first byte is: whatever happens from here on, the answers keep their order.
            self._in_flight.extend(calls)
            await connection.send_packed_command(b"".join(map(self._pack, calls)))

    def _pack(self, call: Call) -> bytes:
        name, script = ("EVAL", self._sources) if call.is_forgotten else ("EVALSHA", self._digests)
        return b"".join(_packer.pack(name, script[call.script], len(call.keys), *call.keys, call.argument))

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            try:
                reply = await connection.read_response()
            except NoScriptError:
                call = self._next_in_flight()
                call.is_forgotten = True
                self._outbox.append(call)
                self._has_mail.set()
            except ReadOnlyError:
                # A server that was demoted: its address may lead to another one by now.
                raise
            except ResponseError as error:
                logger.error("counters_refused_a_call", reason=str(error)[:200])
                self._next_in_flight().lose()
            else:
                self._next_in_flight().answer(reply)
            self._heard_at = time.monotonic()

    def _next_in_flight(self) -> Call:
        if not self._in_flight:
            raise ConnectionError("an answer came to no question")
        return self._in_flight.popleft()

    async def _raise_on_silence(self) -> None:
        await self._is_silent.wait()
        raise TimeoutError(f"no answer within {self._timeout_seconds * 1000:g} ms")

    def _watch(self, delay_seconds: float, *, is_recheck: bool = False) -> None:
        due_at = time.monotonic() + delay_seconds
        self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._check, due_at, is_recheck)

    def _check(self, due_at: float, is_recheck: bool) -> None:
        """Expire the calls that took too long; a server that said nothing meanwhile is given up."""
        self._timer = None
        now = time.monotonic()
        if now - due_at > GRACE_SECONDS and not is_recheck:
            # It is the event loop that was held up: answers may have come and not been read yet.
            self._watch(GRACE_SECONDS, is_recheck=True)
            return
        waiting = [*self._in_flight, *self._outbox]
        overdue = list(itertools.takewhile(lambda call: call.sent_at + self._timeout_seconds <= now, waiting))
        for call in overdue:
            if not call.is_overdue:
                call.is_overdue = True
                call.expire()
        if overdue and now - max(overdue[0].sent_at, self._heard_at) >= self._timeout_seconds:
            self._is_silent.set()
            self._set_up(False)
        elif waiting:
            following = next((call.sent_at for call in waiting if not call.is_overdue), now)
            self._watch(max(following + self._timeout_seconds - now, GRACE_SECONDS))


def open_pool(url: str, socket_seconds: float | None = None) -> ConnectionPool:
    """Understand the URL; raise `ConfigurationError`, without showing it, when it is not one.

    `socket_seconds` is how long an answer may take.
    """
    # The same protocol by another name.
    for name, known_name in (("valkey://", "redis://"), ("valkeys://", "rediss://")):
        if url.startswith(name):
            url = known_name + url.removeprefix(name)
    try:
        return ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=socket_seconds,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=None,
            driver_info=None,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"AQUEDUCT_VALKEY_URL: {error}. Write it as redis://[user:password@]host:6379/0, or rediss:// for TLS."
        ) from None


async def _ask(connection: AbstractConnection, *words: str) -> Any:
    """Send one command and return its reply, before the connection is shared."""
    await connection.send_command(*words)
    return await connection.read_response()
