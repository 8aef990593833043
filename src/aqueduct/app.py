"""The composition root: the only file that names concrete stores and wires the planes."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from aqueduct.cache.contract import AnswerStore
from aqueduct.cache.memory import MemoryAnswers
from aqueduct.cache.valkey import ValkeyAnswers
from aqueduct.config.compile import LOCAL_ALIAS
from aqueduct.config.file import ConfigFile
from aqueduct.config.price_book import PriceBook
from aqueduct.control.bootstrap import announce, create_first_token
from aqueduct.control.budget_watch import BudgetWatch
from aqueduct.control.deliveries import Deliveries
from aqueduct.control.public_address import public_origin
from aqueduct.control.recovery import Recovery
from aqueduct.control.served import check_credentials
from aqueduct.control.webhook_addresses import WebhookAddresses
from aqueduct.control.webhook_sender import WebhookSender
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.counters.contract import Counters
from aqueduct.counters.guard import GuardedCounters
from aqueduct.counters.memory import MemoryCounters
from aqueduct.counters.valkey import ValkeyCounters
from aqueduct.domain.budget import Budget
from aqueduct.domain.health import TargetHealth
from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.domain.session import PREFIX as SESSION_PREFIX
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import CountersUnavailable, TokenCheckUnavailable
from aqueduct.gateway.account import BestEffortJournal, Ledger
from aqueduct.gateway.admit import Limiter
from aqueduct.gateway.asgi import CALL, Application, AsgiEndpoint, Receive, Send
from aqueduct.gateway.attachments.fetching import UrlFetcher
from aqueduct.gateway.attachments.preparing import Attachments
from aqueduct.gateway.attachments.room import Room
from aqueduct.gateway.authenticate import Authenticator
from aqueduct.gateway.cache.keeper import Keeper
from aqueduct.gateway.cache.router import CachedRouter
from aqueduct.gateway.checked import CheckedOpener
from aqueduct.gateway.client_address import ClientAddress
from aqueduct.gateway.documents.extraction import DocumentReader
from aqueduct.gateway.endpoints import Endpoints
from aqueduct.gateway.failure_log import FailureLog
from aqueduct.gateway.forecast import Forecast
from aqueduct.gateway.mirror import Mirrors
from aqueduct.gateway.opening import Opener
from aqueduct.gateway.pipeline import Pipeline, PipelineLimits, Routers
from aqueduct.gateway.route import Extras, Router
from aqueduct.gateway.routing.checks import HealthChecks
from aqueduct.gateway.routing.traffic import Traffic
from aqueduct.gateway.routing.view import StateTeller, list_health
from aqueduct.gateway.schema.checker import SchemaChecker
from aqueduct.gateway.server import GatewayServer, bind, loop_factory
from aqueduct.gateway.sharing.board import Board
from aqueduct.gateway.sharing.sharing import Alone, Sharing
from aqueduct.gateway.state import State
from aqueduct.gateway.target_caller import Signer, TargetCaller
from aqueduct.local import weights
from aqueduct.local.children import Children
from aqueduct.providers.registry import KINDS
from aqueduct.settings import Settings, environment
from aqueduct.storage.api_tokens import ApiTokenStore
from aqueduct.storage.capture_retention import CaptureRetention
from aqueduct.storage.captures import CaptureWriter
from aqueduct.storage.events import Events
from aqueduct.storage.hearing import Hearing
from aqueduct.storage.journal import Journal as FileJournal
from aqueduct.storage.retention import Retention
from aqueduct.storage.session_principals import SessionStore
from aqueduct.storage.shipper import Shipper
from aqueduct.storage.spending import read_spending
from aqueduct.telemetry.metrics import CONFIG_IS_REFUSED
from aqueduct.upstream.addresses import AddressGuard
from aqueduct.upstream.aws_signer import AwsSigner
from aqueduct.upstream.google_signer import GoogleSigner
from aqueduct.upstream.options import transport_options
from aqueduct.upstream.transport import Transport

_MAX_ADMIN_BODY_BYTES = 4 * 1024 * 1024
_SPENDING_SECONDS = 10.0
"""How long a request may wait until it is known what was spent of a budget: a database that hangs must not hold it."""

ListHealth = Callable[[], Iterable[TargetHealth]]

logger = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Run the gateway until it is told to end."""
    listener = bind(settings)
    with contextlib.closing(listener), asyncio.Runner(loop_factory=loop_factory()) as runner:
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
        check_credentials(snapshot, KINDS)
        http = _owned(stack, Transport(transport_options(settings)))
        deliveries = _owned(stack, _deliveries(workspace, settings, events, http))
        children = _owned(stack, Children(http, lambda: weights.find(workspace.directory.path)))
        await children.start(snapshot)
        journal = FileJournal(workspace.directory.journal, fsync=settings.journal_fsync)
        stack.callback(journal.close)
        shipper = _owned(stack, Shipper(workspace.database, journal, workspace.directory.journal))
        capture_writer = _owned(stack, CaptureWriter(workspace.database))
        counters = await stack.enter_async_context(_counters(settings))
        keeper = await stack.enter_async_context(contextlib.aclosing(Keeper(_answers(settings))))
        checker = _owned(stack, SchemaChecker())
        state = State(snapshot)
        client_address = ClientAddress(settings.trusted_proxies)
        authenticator = Authenticator(StoredTokens(workspace), workspace.revision, client_address)
        opener = Opener(TargetCaller(KINDS, {"http": http, "https": http, **children.transports}, _signers(http)))
        traffic = Traffic()
        sharing = await _share(settings, snapshot, traffic, events)
        limiter = Limiter(
            counters,
            StoredSpending(workspace, shipper),
            Forecast(price_book),
            queue_seconds=settings.queue_seconds,
            are_budgets_open=settings.budgets_without_counters == "open",
        )
        fetcher, reader = UrlFetcher(http, _fetch_guard(settings)), _owned(stack, DocumentReader())
        attachments = Attachments(opener, fetcher, reader, Room(settings.max_attachment_bytes))
        accounts = journal if settings.unaccounted == "refuse" else BestEffortJournal(journal)
        mirrors = Mirrors(opener, attachments, accounts, capture_writer, traffic)
        router = Router(
            opener,
            CheckedOpener(opener, checker),
            price_book,
            events.emit,
            traffic,
            Extras(attachments, mirrors),
        )
        pipeline = Pipeline(
            state,
            authenticator,
            limiter,
            Routers(router, CachedRouter(router, limiter, keeper)),
            Ledger(accounts, capture_writer),
            PipelineLimits(settings.max_body_bytes, settings.max_in_flight_bytes, settings.keepalive_interval_seconds),
        )
        admin = AdminApplication(workspace, authenticator, lambda: list_health(state.snapshot, traffic))
        api = AsgiEndpoint(admin, state, client_address, min(settings.max_body_bytes, _MAX_ADMIN_BODY_BYTES))
        site = PagesApplication(workspace, state, settings, http, public_origin(settings, listener.getsockname()[1]))
        server = GatewayServer(
            Endpoints(pipeline, state, api, AsgiEndpoint(site, state, client_address, _MAX_ADMIN_BODY_BYTES)),
            settings,
            state,
            lambda: announce(first_token, workspace, listener, model=_example(snapshot)),
        )

        async def swap(changed: Snapshot) -> None:
            await asyncio.to_thread(check_credentials, changed, KINDS)
            changed = await price_book.complete(changed)
            await children.start(changed)
            state.swap(changed)
            traffic.retain(target for model in changed.models for target in model.targets)
            await children.retire(changed)

        CONFIG_IS_REFUSED.set_function(lambda: config.error is not None)
        background = [config.watch(swap), server.sweep(), shipper.run(), deliveries.run(), capture_writer.run()]
        background += [mirrors.run(), keeper.run(), sharing.run()]
        background += [HealthChecks(lambda: state.snapshot, traffic, KINDS, http).run()]
        background += await _watches(workspace, settings, counters, events)
        await _run(server, listener, background)


def _signers(http: Transport) -> Mapping[str, Signer]:
    return {"google": GoogleSigner(http), "aws": AwsSigner()}


async def _share(settings: Settings, snapshot: Snapshot, traffic: Traffic, events: Events) -> Sharing | Alone:
    """Watch the targets, and share their health with the other gateways of a Valkey server, if there is one."""
    teller = StateTeller(events.emit)
    traffic.listeners.append(teller)
    traffic.failure_listeners.append(FailureLog())
    traffic.retain(target for model in snapshot.models for target in model.targets)
    if settings.valkey_url is None:
        return Alone()
    sharing = Sharing(Board(settings.valkey_url.get_secret_value()), traffic, teller.learn)
    await sharing.begin()
    return sharing


class _Closable(Protocol):
    async def close(self) -> None: ...


_Owned = TypeVar("_Owned", bound=_Closable)


def _owned(stack: contextlib.AsyncExitStack, thing: _Owned) -> _Owned:
    """Return a thing that the stack closes."""
    stack.push_async_callback(thing.close)
    return thing


def _fetch_guard(settings: Settings) -> AddressGuard | None:
    """Return what decides where images and files may be fetched from; None: nowhere."""
    return AddressGuard(settings.fetch_networks, transport_options(settings)) if settings.fetch_urls else None


def _deliveries(workspace: Workspace, settings: Settings, events: Events, http: Transport) -> Deliveries:
    addresses = WebhookAddresses(settings.webhook_networks, transport_options(settings))
    return Deliveries(workspace.registry, events, WebhookSender(http, addresses))


async def _watches(
    workspace: Workspace, settings: Settings, counters: Counters, events: Events
) -> list[Coroutine[Any, Any, None]]:
    """Return what looks at the database every now and then; changes are heard from this moment on."""
    database = workspace.database
    hearing = Hearing(database, workspace.revision)
    await hearing.begin()
    watches = [hearing.run(), BudgetWatch(database, events.emit).run(), CaptureRetention(database).run()]
    if isinstance(counters, GuardedCounters) and isinstance(counters.counters, ValkeyCounters):
        watches.append(Recovery(database, counters.counters).run())
    if settings.retention_days is not None:
        watches.append(Retention(database, settings.retention_days).run())
    return watches


async def _run(server: GatewayServer, listener: socket.socket, background: Iterable[Coroutine[Any, Any, None]]) -> None:
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
    """API tokens, and sessions of the pages, out of the database, for the authenticator."""

    def __init__(self, workspace: Workspace) -> None:
        self._store = ApiTokenStore(workspace.database, workspace.keys)
        self._sessions = SessionStore(workspace.database, workspace.keys)

    async def find(self, value: str) -> Principal | None:
        """Look a value up; raise `TokenCheckUnavailable` while the database is gone."""
        try:
            if value.startswith(SESSION_PREFIX):
                return await self._sessions.find(value, time.time())
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
            async with asyncio.timeout(_SPENDING_SECONDS):
                await self._shipper.ship()
                async with self._workspace.database.reading() as connection:
                    return await read_spending(connection, budget, begins_at)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            logger.warning("budget not known: the database does not answer", reason=type(error).__name__)
            raise CountersUnavailable("Budgets cannot be checked at the moment. Try again shortly.") from error


class LazyApplication:
    """An application that is imported when it is first asked for, in a thread."""

    def __init__(self) -> None:
        self._building: asyncio.Future[Application] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._building is None:
            self._building = asyncio.ensure_future(asyncio.to_thread(self.build))
        application = await asyncio.shield(self._building)
        await application(scope, receive, send)

    def build(self) -> Application:
        """Import it and put it together."""
        raise NotImplementedError


class AdminApplication(LazyApplication):
    """The admin API: FastAPI is most of a second and 30 MB."""

    def __init__(self, workspace: Workspace, authenticator: Authenticator, health: ListHealth) -> None:
        super().__init__()
        self._workspace = workspace
        self._authenticator = authenticator
        self._health = health

    @override
    def build(self) -> Application:
        from aqueduct.admin_api.application import build_application  # noqa: PLC0415 -- heavy, see above

        return build_application(self._workspace.registry, self._authenticate, self._health)

    async def _authenticate(self, scope: MutableMapping[str, Any]) -> Principal:
        return await self._authenticator.authenticate(scope[CALL])


class PagesApplication(LazyApplication):
    """The pages: Starlette, Jinja, argon2 and what issuers and passkeys take are most of a second."""

    def __init__(self, workspace: Workspace, state: State, settings: Settings, http: Transport, origin: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._state = state
        self._http = http
        self._options = transport_options(settings)
        self._origin = origin

    @override
    def build(self) -> Application:
        from aqueduct.web.application import build_application  # noqa: PLC0415 -- heavy, see above
        from aqueduct.web.services import open_services  # noqa: PLC0415 -- heavy, see above
        from aqueduct.web.ways import open_ways  # noqa: PLC0415 -- heavy, see above

        registry = self._workspace.registry
        ways = open_ways(
            registry,
            self._workspace.vault,
            self._http,
            self._options,
            lambda: self._state.snapshot.sign_in,
            self._origin,
        )
        return build_application(open_services(registry, self._visible, ways))

    def _visible(self, principal: Principal) -> list[tuple[str, Model]]:
        return self._state.snapshot.visible(principal)


def _counters(settings: Settings) -> Counters:
    """Return what counts for limits: this process, which is never away, or Valkey for all that share it."""
    if settings.valkey_url is None:
        return MemoryCounters()
    return GuardedCounters(
        ValkeyCounters(settings.valkey_url.get_secret_value()),
        are_limits_open=settings.limits_without_counters == "open",
        are_budgets_open=settings.budgets_without_counters == "open",
    )


def _answers(settings: Settings) -> AnswerStore:
    """Return what keeps cached answers: this process, or Valkey for all that share it."""
    url = settings.cache_valkey_url
    return MemoryAnswers(settings.cache_memory_bytes) if url is None else ValkeyAnswers(url.get_secret_value())


def _example(snapshot: Snapshot) -> str:
    """Return the name of a model for the first request somebody makes."""
    names = list(snapshot.by_name)
    return LOCAL_ALIAS if LOCAL_ALIAS in names else next(iter(names), "your-model-name")
