"""The composition root: the only file that names concrete stores and wires the planes."""

import asyncio
import contextlib
import functools
import gc
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, MutableMapping
from typing import Any, cast

import structlog
import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from aqueduct.config.compile import LOCAL_ALIAS
from aqueduct.config.file import ConfigFile
from aqueduct.config.price_book import PriceBook
from aqueduct.control.bootstrap import announce, create_first_token
from aqueduct.control.budget_watch import BudgetWatch
from aqueduct.control.deliveries import Deliveries
from aqueduct.control.webhook_addresses import WebhookAddresses
from aqueduct.control.webhook_sender import WebhookSender
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.counters.guard import GuardedCounters
from aqueduct.counters.memory import MemoryCounters
from aqueduct.counters.valkey import ValkeyCounters
from aqueduct.domain.budget import Budget
from aqueduct.domain.health import TargetHealth
from aqueduct.domain.principal import Principal
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import ConfigurationError, CountersUnavailable, TokenCheckUnavailable
from aqueduct.gateway.account import BestEffortJournal
from aqueduct.gateway.admit import Limiter
from aqueduct.gateway.asgi import CALL, Application, AsgiEndpoint, Receive, Send
from aqueduct.gateway.authenticate import Authenticator
from aqueduct.gateway.checked import CheckedOpener
from aqueduct.gateway.client_address import ClientAddress
from aqueduct.gateway.downstream import DownstreamLimits, DownstreamProtocol, ServerState
from aqueduct.gateway.endpoints import Endpoints
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.pipeline import Pipeline, PipelineLimits
from aqueduct.gateway.route import Router
from aqueduct.gateway.routing.checks import HealthChecks
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.gateway.routing.view import StateTeller, list_health
from aqueduct.gateway.schema.checker import SchemaChecker
from aqueduct.gateway.state import State
from aqueduct.gateway.target_caller import TargetCaller
from aqueduct.local import weights
from aqueduct.local.transport import LocalTransport
from aqueduct.providers.registry import KINDS
from aqueduct.settings import Settings, environment
from aqueduct.storage.api_tokens import ApiTokenStore
from aqueduct.storage.events import Events
from aqueduct.storage.journal import Journal as FileJournal
from aqueduct.storage.retention import Retention
from aqueduct.storage.shipper import Shipper
from aqueduct.storage.spending import read_spending
from aqueduct.telemetry.metrics import CONFIG_IS_REFUSED
from aqueduct.upstream.options import transport_options
from aqueduct.upstream.transport import Transport

_SWEEP_SECONDS = 1.0
_LAST_WORDS_SECONDS = 5.0
_BACKLOG = 4096
_COLLECT_AFTER = 20_000
_MAX_ADMIN_BODY_BYTES = 4 * 1024 * 1024

ListHealth = Callable[[], Iterable[TargetHealth]]

logger = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Run the gateway until it is told to end."""
    listener = _bind(settings)
    with contextlib.closing(listener), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    """Open what the gateway needs, one inside the other, serve, and close it in reverse."""
    async with contextlib.AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(create_workspace(settings))
        first_token = await create_first_token(workspace)
        events = Events(workspace.database)
        config = ConfigFile(settings.config_file, environment(), KINDS, events.emit)
        price_book = PriceBook()
        snapshot = await price_book.complete(config.load())
        http = Transport(transport_options(settings))
        stack.push_async_callback(http.close)
        addresses = WebhookAddresses(settings.webhook_networks, transport_options(settings))
        deliveries = Deliveries(workspace.registry, events, WebhookSender(http, addresses))
        stack.push_async_callback(deliveries.close)
        local = LocalTransport(http, lambda: weights.find(workspace.directory.path))
        stack.push_async_callback(local.close)
        await local.start(_local_paths(snapshot))
        journal = FileJournal(workspace.directory.journal, fsync=settings.journal_fsync)
        stack.callback(journal.close)
        shipper = Shipper(workspace.database, journal, workspace.directory.journal)
        stack.push_async_callback(shipper.close)
        counters = await stack.enter_async_context(_counters(settings))
        checker = SchemaChecker()
        stack.push_async_callback(checker.close)
        state = State(snapshot)
        client_address = ClientAddress(settings.trusted_proxies)
        authenticator = Authenticator(StoredTokens(workspace), workspace.revision, client_address)
        opener = Opener(TargetCaller(KINDS, {"http": http, "https": http, "local": local}))
        traffic = Traffic()
        traffic.listeners.append(StateTeller(events.emit))
        pipeline = Pipeline(
            state,
            authenticator,
            Limiter(
                counters,
                StoredSpending(workspace, shipper),
                queue_seconds=settings.queue_seconds,
                are_budgets_open=settings.budgets_without_counters == "open",
            ),
            Router(opener, CheckedOpener(opener, checker), price_book, events.emit, traffic),
            journal if settings.unaccounted == "refuse" else BestEffortJournal(journal),
            PipelineLimits(settings.max_body_bytes, settings.max_in_flight_bytes, settings.keepalive_interval_seconds),
        )
        admin = AdminApplication(workspace, authenticator, lambda: list_health(state.snapshot, traffic))
        max_body_bytes = min(settings.max_body_bytes, _MAX_ADMIN_BODY_BYTES)
        endpoints = Endpoints(pipeline, state, AsgiEndpoint(admin, state, client_address, max_body_bytes))
        server = GatewayServer(
            endpoints, settings, state, lambda: announce(first_token, workspace, listener, model=_example(snapshot))
        )

        async def swap(changed: Snapshot) -> None:
            changed = await price_book.complete(changed)
            paths = _local_paths(changed)
            await local.start(paths)
            state.swap(changed)
            traffic.retain(target for model in changed.models for target in model.targets)
            await local.retire(paths)

        CONFIG_IS_REFUSED.set_function(lambda: config.error is not None)
        background = [config.watch(swap), server.sweep(), shipper.run(), deliveries.run()]
        background.append(HealthChecks(lambda: state.snapshot, traffic, http).run())
        background.append(BudgetWatch(workspace.database, events.emit).run())
        if settings.retention_days is not None:
            background.append(Retention(workspace.database, settings.retention_days).run())
        await _run(server, listener, background)


async def _run(
    server: "GatewayServer", listener: socket.socket, background: Iterable[Coroutine[Any, Any, None]]
) -> None:
    """Serve, with the background work beside it, which ends when the server does."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in background]
        try:
            await server.serve(sockets=[listener])
            await server.wait_for_last_words()
        finally:
            for task in tasks:
                task.cancel()


class StoredTokens:
    """API tokens out of the database, for the authenticator."""

    def __init__(self, workspace: Workspace) -> None:
        self._store = ApiTokenStore(workspace.database, workspace.keys)

    async def find(self, value: str) -> Principal | None:
        """Look a value up; raise `TokenCheckUnavailable` while the database is gone."""
        try:
            return await self._store.find(value)
        except (SQLAlchemyError, OSError) as error:
            logger.warning("token not checked: the database does not answer", reason=type(error).__name__)
            raise TokenCheckUnavailable("API tokens cannot be checked at the moment. Try again shortly.") from error


class StoredSpending:
    """What was spent of budgets, out of the rollups."""

    def __init__(self, workspace: Workspace, shipper: Shipper) -> None:
        self._workspace = workspace
        self._shipper = shipper

    async def spent(self, budget: Budget, begins_at: float) -> int:
        """Sum what was spent since an instant, what is still in the journal too."""
        try:
            await self._shipper.ship()
            async with self._workspace.database.reading() as connection:
                return await read_spending(connection, budget, begins_at)
        except (SQLAlchemyError, OSError) as error:
            logger.warning("budget not known: the database does not answer", reason=type(error).__name__)
            raise CountersUnavailable("Budgets cannot be checked at the moment. Try again shortly.") from error


class AdminApplication:
    """The admin API, imported when it is first asked for, in a thread: FastAPI is most of a second and 30 MB."""

    def __init__(self, workspace: Workspace, authenticator: Authenticator, health: ListHealth) -> None:
        self._workspace = workspace
        self._authenticator = authenticator
        self._health = health
        self._building: asyncio.Future[Application] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._building is None:
            self._building = asyncio.ensure_future(asyncio.to_thread(self._build))
        application = await asyncio.shield(self._building)
        await application(scope, receive, send)

    def _build(self) -> Application:
        from aqueduct.admin_api.application import build_application  # noqa: PLC0415 -- heavy, see above

        return build_application(self._workspace.registry, self._authenticate, self._health)

    async def _authenticate(self, scope: MutableMapping[str, Any]) -> Principal:
        return await self._authenticator.authenticate(scope[CALL])


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


def _counters(settings: Settings) -> GuardedCounters:
    """Return what counts for limits: this process, or Valkey for all that share it."""
    url = settings.valkey_url
    return GuardedCounters(
        MemoryCounters() if url is None else ValkeyCounters(url.get_secret_value()),
        are_limits_open=settings.limits_without_counters == "open",
        are_budgets_open=settings.budgets_without_counters == "open",
    )


def _settle_memory() -> None:
    """Take what start-up made out of the garbage collector's rounds, and make them rarer: they took 9 % (by perf)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


def _bind(settings: Settings) -> socket.socket:
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


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 -- not made for Windows

    return uvloop.new_event_loop


def _example(snapshot: Snapshot) -> str:
    """Return the name of a model for the first request somebody makes."""
    names = list(snapshot.by_name)
    return LOCAL_ALIAS if LOCAL_ALIAS in names else next(iter(names), "your-model-name")


def _local_paths(snapshot: Snapshot) -> set[str]:
    """Return the model files that the snapshot names; the embedded model's is empty."""
    return {
        target.model_path or ""
        for model in snapshot.models
        for target in model.targets
        if target.provider.kind == "local"
    }
