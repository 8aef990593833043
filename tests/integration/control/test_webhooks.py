"""Webhooks: what can be done with them, and messages on their way to a receiver that fails, stalls and accepts."""

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from tests.integration.control.conftest import World
from tests.integration.upstream.scripted_server import EMPTY_OK, Peer, ScriptedServer, always

from aqueduct.control.audit import AuditLog
from aqueduct.control.deliveries import Deliveries, decide
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.webhook_addresses import WebhookAddresses, parse_url
from aqueduct.control.webhook_sender import TIMEOUTS, Answer, WebhookSender
from aqueduct.control.webhooks import CreatedWebhook, NewWebhook, Webhooks
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.event import DAY_SECONDS, Event, EventKind, target_down_event
from aqueduct.domain.webhook import Webhook
from aqueduct.errors import AlreadyExists, InvalidValue, NotAllowed, NotFound
from aqueduct.storage import outbox
from aqueduct.storage.events import Events
from aqueduct.storage.outbox import Claim, Delivery, State
from aqueduct.storage.tables import deliveries, events, webhooks
from aqueduct.storage.vault import CannotOpen, Sealed
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport

LOOPBACK = (ip_network("127.0.0.0/8"),)
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
NOW = time.time()
DOWN = target_down_event("gpt at openai", "openai", "gpt", code="upstream_timeout", now=NOW)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def delivering(
    workspace: Workspace,
    clock: Callable[[], float] = time.time,
    networks: tuple[Any, ...] = LOOPBACK,
    stalled_seconds: float = 5.0,
) -> AsyncIterator[tuple[Events, Deliveries]]:
    transport = Transport()
    timeouts = msgspec.structs.replace(TIMEOUTS, first_byte_seconds=stalled_seconds)
    told = Events(workspace.database, clock)
    sender = WebhookSender(transport, WebhookAddresses(networks, TransportOptions()), timeouts)
    try:
        yield told, Deliveries(workspace.registry, told, sender, clock=clock)
    finally:
        await transport.close()


async def make(workspace: Workspace, server: ScriptedServer, **wanted: Any) -> CreatedWebhook:
    url = f"http://127.0.0.1:{server.port}/hook?a=b"
    return await Webhooks(workspace.registry).create(SYSTEM, NewWebhook(name="ops", url=url, **wanted))


async def sent(workspace: Workspace) -> list[Delivery]:
    page = await Webhooks(workspace.registry).deliveries(SYSTEM, "ops")
    return [each.delivery for each in page.items]


def verify(message: bytes, secret: str) -> dict[str, Any]:
    """Check a message as a receiver does; return its body."""
    head, _, body = message.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert abs(int(fields[b"webhook-timestamp"]) - time.time()) < 60
    signed = fields[b"webhook-id"] + b"." + fields[b"webhook-timestamp"] + b"." + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert b"v1," + base64.b64encode(digest) in fields[b"webhook-signature"].split(b" ")
    parsed: dict[str, Any] = json.loads(body)
    return parsed | {"id": fields[b"webhook-id"].decode()}


async def test_a_message_is_tried_until_a_receiver_that_fails_and_stalls_accepts_it(workspace: Workspace) -> None:
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.request())
        if len(received) == 1:
            peer.drop()
        elif len(received) == 2:
            await peer.send(UNAVAILABLE)
        elif len(received) == 3:
            await peer.wait_closed()
        else:
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    clock = Clock()
    async with ScriptedServer(script) as server, delivering(workspace, clock, stalled_seconds=0.2) as (told, loop):
        created = await make(workspace, server)
        told.emit(DOWN)
        seen = []
        for _ in range(4):
            await loop.deliver_due()
            (delivery,) = await sent(workspace)
            seen.append((delivery.state, delivery.attempts, delivery.error))
            clock.now += 60
        await loop.deliver_due()
    assert seen == [
        (State.PENDING, 1, "unreachable"),
        (State.PENDING, 2, "status_503"),
        (State.PENDING, 3, "timeout"),
        (State.DELIVERED, 4, None),
    ]
    bodies = [verify(message, created.secret) for message in received]
    assert len(bodies) == 4
    assert all(body == bodies[0] for body in bodies)
    assert (bodies[0]["type"], bodies[0]["id"], bodies[0]["data"]["target"]) == (
        "target.down",
        DOWN.id,
        "gpt at openai",
    )
    assert received[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")


async def test_an_event_is_told_once_however_many_notice_it(workspace: Workspace) -> None:
    async with ScriptedServer(always(EMPTY_OK)) as server:
        await make(workspace, server)
        async with delivering(workspace) as (one, first), delivering(workspace) as (other, second):
            for told in (one, one, other):
                told.emit(DOWN)
            await asyncio.gather(first.deliver_due(), second.deliver_due())
            other.emit(msgspec.structs.replace(DOWN, happened_at=NOW + 1))
            await asyncio.gather(first.deliver_due(), second.deliver_due())
    (delivery,) = await sent(workspace)
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 1)


async def test_of_many_that_deliver_one_takes_each_message(workspace: Workspace) -> None:
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.request())
        await peer.send(EMPTY_OK)

    async with ScriptedServer(script) as server:
        created = await make(workspace, server)
        async with delivering(workspace) as (told, first), delivering(workspace) as (_, second):
            for number in range(12):
                told.emit(target_down_event(f"t{number}", "openai", "gpt", code="x", now=NOW))
            await told.flush()
            for _ in range(4):
                await asyncio.gather(first.deliver_due(), second.deliver_due())
    ids = [verify(message, created.secret)["id"] for message in received]
    assert len(ids) == len(set(ids)) == 12


async def test_a_budgets_event_is_stored_with_what_is_spent_or_not_at_all(workspace: Workspace) -> None:
    def spend(connection: sa.Connection) -> list[Event]:
        return outbox.record(connection, [DOWN, DOWN], NOW)

    def fail(connection: sa.Connection) -> None:
        outbox.record(connection, [DOWN], NOW)
        raise InvalidValue("the transaction is rolled back")

    with pytest.raises(InvalidValue):
        await workspace.database.write_in_bulk(fail)
    assert await workspace.database.write_in_bulk(spend) == [DOWN]
    assert await workspace.database.write_in_bulk(spend) == []


async def test_who_runs_is_told_at_once_and_a_receiver_that_stalls_keeps_nobody_waiting(workspace: Workspace) -> None:
    received = asyncio.Queue[bytes]()

    async def accept(peer: Peer) -> None:
        while True:
            await received.put(await peer.request())
            await peer.send(EMPTY_OK)

    async def stall(peer: Peer) -> None:
        await peer.request()
        await peer.wait_closed()

    async with (
        ScriptedServer(stall) as bad,
        ScriptedServer(accept) as good,
        delivering(workspace, stalled_seconds=60.0) as (told, loop),
    ):
        for number in range(3):
            url = f"http://127.0.0.1:{bad.port}/"
            await Webhooks(workspace.registry).create(SYSTEM, NewWebhook(name=f"bad {number}", url=url))
        await make(workspace, good)
        running = asyncio.create_task(loop.run())
        try:
            async with asyncio.timeout(30):
                for number in range(6):
                    told.emit(target_down_event(f"t{number}", "openai", "gpt", code="x", now=NOW))
                    await received.get()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_after_a_day_a_message_is_given_up(workspace: Workspace) -> None:
    clock = Clock()
    async with ScriptedServer(always(UNAVAILABLE)) as server, delivering(workspace, clock) as (told, loop):
        await make(workspace, server)
        told.emit(DOWN)
        started_at = clock.now
        attempts = 0
        while True:
            await loop.deliver_due()
            (delivery,) = await sent(workspace)
            if delivery.next_attempt_at is None:
                break
            attempts += 1
            assert delivery.next_attempt_at > clock.now
            clock.now = delivery.next_attempt_at
    assert (delivery.state, delivery.error) == (State.DEAD, "status_503")
    assert 10 <= delivery.attempts <= 30
    assert 0.5 * DAY_SECONDS < clock.now - started_at <= DAY_SECONDS


@pytest.mark.parametrize(
    ("attempts", "retry_after", "expected"),
    [(1, 0.0, 5.0), (2, 0.0, 10.0), (5, 0.0, 80.0), (20, 0.0, 14_400.0), (1, 120.0, 120.0), (1, 10.0**6, 14_400.0)],
)
def test_each_wait_is_twice_the_one_before(attempts: int, retry_after: float, expected: float) -> None:
    webhook = Webhook(id="whk_1", name="x", url="https://example.com/", created_at=0.0)
    sealed = Sealed("k", b"")
    claimed = Claim(webhook=webhook, sealed=sealed, event=DOWN, attempts=attempts, created_at=0.0)
    failed = Answer(status=503, error="status_503", retry_after_seconds=retry_after)
    assert decide(claimed, failed, 100.0, 1.0).next_attempt_at == 100.0 + expected
    assert decide(claimed, Answer(status=410, error="status_410"), 100.0, 1.0).next_attempt_at is None


async def test_what_cannot_be_tried_is_given_up_after_a_day_and_forgotten_after_a_month(workspace: Workspace) -> None:
    clock = Clock()
    async with ScriptedServer(always(EMPTY_OK)) as server, delivering(workspace, clock) as (told, loop):
        await make(workspace, server)
        async with workspace.database.writing() as connection:
            await connection.execute(sa.update(webhooks).values(secret_key_id="lost"))
        told.emit(DOWN)
        await loop.deliver_due()
        clock.now += DAY_SECONDS + 100
        await loop.deliver_due()
        (delivery,) = await sent(workspace)
        assert (delivery.state, delivery.attempts, delivery.error) == (State.DEAD, 0, "was never tried")
        clock.now += 31 * DAY_SECONDS
        await loop.deliver_due()
        assert await sent(workspace) == []
        assert server.accepted == 0


async def test_tokens_about_to_expire_are_told_of(workspace: Workspace) -> None:
    now = time.time()
    ends_at = now + 9 * DAY_SECONDS
    await workspace.api_tokens.issue(SYSTEM, NewApiToken(name="ci", expires_at=ends_at))
    await workspace.api_tokens.issue(SYSTEM, NewApiToken(name="for ever"))
    clock = Clock()
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.request())
        await peer.send(EMPTY_OK)

    async with ScriptedServer(script) as server, delivering(workspace, clock) as (_, loop):
        created = await make(workspace, server)
        for days in (0, 1.9, 2.1, 2.5, 7.9, 8.1, 8.5, 9.1):
            clock.now = now + days * DAY_SECONDS
            await loop.deliver_due()
    told = [verify(message, created.secret)["data"] for message in received]
    assert [(each["name"], each["days_left"]) for each in told] == [("ci", 7), ("ci", 1)]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[::ffff:0:127.0.0.1]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[fec0::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
        "http://localhost/",
        "http://224.0.0.1/",
        "http://100.64.0.1/",
    ],
)
async def test_a_private_address_is_reached_by_setting_only(url: str) -> None:
    origin, _ = parse_url(url)
    with pytest.raises(InvalidValue, match="AQUEDUCT_WEBHOOK_NETWORKS"):
        await WebhookAddresses((), TransportOptions()).settle(origin)
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    settled = await WebhookAddresses(everything, TransportOptions()).settle(origin)
    assert settled.addresses
    assert settled.host == origin.host


async def test_a_webhook_is_not_led_to_a_private_address(world: World) -> None:
    use_cases, wanted = Webhooks(world.registry), NewWebhook(name="ops", url="http://169.254.169.254/latest/")
    boss, lead = await world.act_as(world.ours.boss), await world.act_as(world.ours.lead)
    with pytest.raises(InvalidValue, match="AQUEDUCT_WEBHOOK_NETWORKS"):
        await use_cases.create(boss, wanted)
    with pytest.raises(NotAllowed):
        await use_cases.create(lead, wanted)
    await use_cases.create(boss, NewWebhook(name="ops", url="http://127.0.0.1/"))
    with pytest.raises(InvalidValue, match="AQUEDUCT_WEBHOOK_NETWORKS"):
        await use_cases.change(boss, "ops", {"url": "http://[::ffff:10.0.0.1]/"})
    (kept,) = await use_cases.everything(boss)
    assert (kept.url, kept.version) == ("http://127.0.0.1/", 1)
    # What was allowed once can still be switched off.
    narrower = dataclasses.replace(world.registry, webhook_networks=())
    assert not (await Webhooks(narrower).change(boss, "ops", {"is_active": False})).is_active


async def test_a_message_to_a_private_address_is_not_sent(workspace: Workspace) -> None:
    async with ScriptedServer(always(EMPTY_OK)) as server, delivering(workspace, networks=()) as (told, loop):
        await make(workspace, server)
        told.emit(DOWN)
        await loop.deliver_due()
        (delivery,) = await sent(workspace)
        assert (delivery.state, delivery.error, server.accepted) == (State.PENDING, "address_not_public", 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.com/"},
        {"url": "https://"},
        {"url": "https://user:secret@example.com/"},
        {"url": "https://example.com/ x"},
        {"url": "https://example.com/#x"},
        {"url": "https://example.com:port/"},
        {"url": "https://ex ample/"},
        {"url": f"https://example.com/{'x' * 2000}"},
        {"events": ("everything",)},
        {"events": ("webhook.test",)},
        {"events": ()},
        {"name": "whk_x"},
    ],
)
async def test_a_webhook_that_cannot_be_is_refused(workspace: Workspace, wrong: dict[str, Any]) -> None:
    wanted = msgspec.structs.replace(NewWebhook(name="ops", url="https://example.com/hook"), **wrong)
    with pytest.raises(InvalidValue):
        await Webhooks(workspace.registry).create(SYSTEM, wanted)


async def test_webhooks_are_their_organisations_own(world: World) -> None:
    use_cases, wanted = Webhooks(world.registry), NewWebhook(name="ops", url="https://example.com/hook")
    boss, lead = await world.act_as(world.ours.boss), await world.act_as(world.ours.lead)
    everyones = await use_cases.create(SYSTEM, wanted)
    theirs = await use_cases.create(SYSTEM, wanted, organisation=world.theirs.organisation.id)
    ours = await use_cases.create(boss, wanted)
    assert ours.webhook.organisation_id == world.ours.organisation.id
    assert await use_cases.everything(boss) == [ours.webhook]
    assert await use_cases.everything(lead) == []
    with pytest.raises(AlreadyExists):
        await use_cases.create(SYSTEM, wanted)
    with pytest.raises(NotAllowed):
        await use_cases.create(lead, wanted)
    with pytest.raises(NotFound):
        await use_cases.create(boss, wanted, organisation=world.theirs.organisation.id)
    for foreign in (everyones, theirs):
        for attempt in (use_cases.read, use_cases.rotate, use_cases.deliveries, use_cases.delete):
            with pytest.raises(NotFound):
                await attempt(boss, foreign.webhook.id)
    await Organisations(world.registry).delete(SYSTEM, world.theirs.organisation.id)
    assert {each.id for each in await use_cases.everything(SYSTEM)} == {everyones.webhook.id, ours.webhook.id}


async def test_a_secret_is_stored_encrypted_and_shown_once(workspace: Workspace) -> None:
    use_cases = Webhooks(workspace.registry)
    created = await use_cases.create(SYSTEM, NewWebhook(name="ops", url="https://example.com/hook"))
    rotated = await use_cases.rotate(SYSTEM, "ops")
    async with workspace.database.reading() as connection:
        known = await workspace.registry.webhook_secrets.find(connection, created.webhook.id)
        rows = [tuple(row) for row in await connection.execute(sa.select(webhooks))]
    assert known is not None
    assert known.usable(time.time()) == [rotated.secret, created.secret]
    assert known.usable(time.time() + DAY_SECONDS) == [rotated.secret]
    log = msgspec.json.encode([entry async for entry in AuditLog(workspace.registry).export(SYSTEM)]).decode()
    for secret in (created.secret, rotated.secret):
        assert secret not in log
        assert secret not in repr(rows)
        assert secret not in repr((created, rotated))


async def test_a_secret_opens_in_its_own_row_only(workspace: Workspace) -> None:
    use_cases = Webhooks(workspace.registry)
    one = await use_cases.create(SYSTEM, NewWebhook(name="one", url="https://example.com/"))
    other = await use_cases.create(SYSTEM, NewWebhook(name="other", url="https://example.com/"))
    async with workspace.database.writing() as connection:
        stolen = sa.select(webhooks.c.secret).where(webhooks.c.id == one.webhook.id).scalar_subquery()
        await connection.execute(
            sa.update(webhooks).where(webhooks.c.id == other.webhook.id).values(secret=stolen.correlate(None))
        )
        with pytest.raises(CannotOpen, match="damaged"):
            await workspace.registry.webhook_secrets.find(connection, other.webhook.id)


async def test_a_deleted_webhook_is_sent_nothing_more(workspace: Workspace) -> None:
    async with ScriptedServer(always(EMPTY_OK)) as server, delivering(workspace) as (told, loop):
        await make(workspace, server)
        told.emit(DOWN)
        await told.flush()
        await Webhooks(workspace.registry).delete(SYSTEM, "ops")
        await loop.deliver_due()
        async with workspace.database.reading() as connection:
            assert await connection.scalar(sa.select(sa.func.count()).select_from(deliveries)) == 0
            assert await connection.scalar(sa.select(sa.func.count()).select_from(events)) == 1
        assert server.accepted == 0


async def test_a_webhook_is_told_of_what_it_names_and_while_it_is_on(workspace: Workspace) -> None:
    async with ScriptedServer(always(EMPTY_OK)) as server, delivering(workspace) as (told, loop):
        await make(workspace, server, events=("config.refused",))
        told.emit(DOWN)
        await loop.deliver_due()
        assert await sent(workspace) == []
        await Webhooks(workspace.registry).change(SYSTEM, "ops", {"events": ["*"], "is_active": False})
        told.emit(msgspec.structs.replace(DOWN, id="evt_2", kind=EventKind.CONFIG_REFUSED))
        await loop.deliver_due()
        assert await sent(workspace) == []


async def test_what_was_told_before_a_kill_is_delivered_after_it(workspace: Workspace) -> None:
    arrived, release = asyncio.Event(), asyncio.Event()
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.request())
        arrived.set()
        if len(received) == 1:
            await release.wait()
        await peer.send(EMPTY_OK)

    url = workspace.database.engine.url.render_as_string(hide_password=False)
    async with ScriptedServer(script) as server:
        created = await make(workspace, server)
        program = str(Path(__file__).with_name("delivering_process.py"))
        url = url.replace("+aiosqlite", "").replace("+asyncpg", "")
        process = await asyncio.create_subprocess_exec(sys.executable, program, str(workspace.directory.path), url)
        try:
            async with asyncio.timeout(30):
                await arrived.wait()
        finally:
            process.kill()
            await process.wait()
        release.set()
        clock = Clock()
        async with delivering(workspace, clock) as (_, loop):
            await loop.deliver_due()
            assert len(received) == 1, "while the lease lasts nobody else tries"
            clock.now += outbox.LEASE_SECONDS + 5
            await loop.deliver_due()
    (delivery,) = await sent(workspace)
    assert (delivery.state, delivery.attempts) == (State.DELIVERED, 2)
    assert len({verify(message, created.secret)["id"] for message in received}) == 1
