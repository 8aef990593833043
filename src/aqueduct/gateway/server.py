"""The server: uvicorn's, over our own side of HTTP/1.1, with its port, its event loop and its end."""

import asyncio
import contextlib
import functools
import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import cast

import uvicorn
from typing_extensions import override

from aqueduct.errors import ConfigurationError
from aqueduct.gateway.downstream import DownstreamLimits, DownstreamProtocol, ServerState
from aqueduct.gateway.endpoints import Endpoints
from aqueduct.gateway.state import State
from aqueduct.settings import Settings

_SWEEP_SECONDS = 1.0
_LAST_WORDS_SECONDS = 5.0
_BACKLOG = 4096
_COLLECT_AFTER = 20_000


class GatewayServer(uvicorn.Server):
    """uvicorn, told to drain by signals and left by every task before the process goes on to close its stores."""

    def __init__(self, endpoints: Endpoints, settings: Settings, state: State, on_started: Callable[[], None]) -> None:
        limits = DownstreamLimits(
            max_connections=settings.max_connections,
            max_header_bytes=settings.max_header_bytes,
            max_header_count=settings.max_header_count,
            head_timeout_seconds=settings.head_timeout_seconds,
            body_timeout_seconds=settings.body_timeout_seconds,
        )
        super().__init__(
            uvicorn.Config(
                endpoints,
                http=cast("type[asyncio.Protocol]", functools.partial(_new_connection, limits, endpoints)),
                interface="asgi3",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=max(1, int(settings.drain_timeout_seconds)),
            )
        )
        self._state = state
        self._on_started = on_started

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain at the first signal; a second interrupt does not wait for requests in flight."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._drain, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _drain(self, number: int) -> None:
        self._state.is_draining = True
        self.handle_exit(number, None)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _settle_memory()
        self._state.is_ready = True
        self._on_started()

    async def sweep(self) -> None:
        """Close the connections of clients that take too long to say what they want."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, DownstreamProtocol):
                    connection.close_if_stalled(now)

    async def wait_for_last_words(self) -> None:
        """Let requests that were ended by the drain's timeout, or are by a second interrupt, settle."""
        tasks = list(self.server_state.tasks)
        if self.force_exit:
            for task in tasks:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS_SECONDS)


def _new_connection(
    limits: DownstreamLimits, endpoints: Endpoints, *, server_state: ServerState, **_: object
) -> DownstreamProtocol:
    """Make a connection's protocol as uvicorn's server asks for it; it has no use for uvicorn's own settings."""
    return DownstreamProtocol(server_state, limits, endpoints)


def _settle_memory() -> None:
    """Take what start-up made out of the garbage collector's rounds, and make them rarer: they took 9 % (by perf)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


def bind(settings: Settings) -> socket.socket:
    """Take the port before anything else is made; raise `ConfigurationError` if it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
            "Is another program using the port? Choose another with `--port`."
        ) from error
    return listener


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop: uvloop where it exists, else (None) Python's own."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 -- not made for Windows

    return uvloop.new_event_loop
