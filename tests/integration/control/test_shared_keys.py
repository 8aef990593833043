"""Gateways with data directories of their own on one database: the same keys, or a clear word."""

import hashlib
from pathlib import Path

import pytest
from tests.integration.control.test_webhooks import DOWN, delivering, make, sent, verify
from tests.integration.upstream.scripted_server import EMPTY_OK, Peer, ScriptedServer
from tests.postgres_server import PostgresServer

from aqueduct.control.workspace import create_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.errors import ConfigurationError
from aqueduct.settings import ServerKey, Settings
from aqueduct.storage.api_tokens import ApiTokenStore
from aqueduct.storage.outbox import State


def key(name: str) -> ServerKey:
    return ServerKey(name, hashlib.sha256(name.encode()).digest())


def settings_of(tmp_path: Path, url: str, name: str, **keys: tuple[ServerKey, ...]) -> Settings:
    values = {"data_dir": tmp_path / name, "database_url": url, "webhook_networks": "127.0.0.0/8"}
    return Settings.model_validate({**values, **keys})


async def test_with_keys_in_common_tokens_work_and_webhooks_are_signed_everywhere(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.create_database()
    shared = {"hash_keys": (key("h"),), "encryption_keys": (key("e"),)}
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.request())
        await peer.send(EMPTY_OK)

    async with (
        create_workspace(settings_of(tmp_path, url, "a", **shared)) as first,
        create_workspace(settings_of(tmp_path, url, "b", **shared)) as second,
        ScriptedServer(script) as server,
    ):
        assert not first.directory.keys.exists()
        created = await first.api_tokens.create("ci")
        assert await ApiTokenStore(second.database, second.keys).find(created.value) is not None
        webhook = await make(first, server)
        async with delivering(second) as (told, loop):
            told.emit(DOWN)
            await loop.deliver_due()
    assert verify(received[0], webhook.secret)["type"] == "target.down"


async def test_a_gateway_that_recognises_no_token_does_not_start_and_says_what_to_share(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.create_database()
    async with create_workspace(settings_of(tmp_path, url, "a")) as first:
        await first.api_tokens.create("ci")
        with pytest.raises(ConfigurationError, match="AQUEDUCT_HASH_KEYS and AQUEDUCT_ENCRYPTION_KEYS"):
            async with create_workspace(settings_of(tmp_path, url, "b")):
                pass
        (tmp_path / "b" / "keys.json").write_bytes(first.directory.keys.read_bytes())
        async with create_workspace(settings_of(tmp_path, url, "b")):
            pass
        await first.api_tokens.revoke(SYSTEM, "ci")
        async with create_workspace(settings_of(tmp_path, url, "c")):
            pass


async def test_a_message_is_left_to_a_gateway_that_can_sign_it(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.create_database()
    shared = {"hash_keys": (key("h"),)}
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        received.append(await peer.request())
        await peer.send(EMPTY_OK)

    async with (
        create_workspace(settings_of(tmp_path, url, "a", **shared, encryption_keys=(key("e"),))) as first,
        create_workspace(settings_of(tmp_path, url, "b", **shared, encryption_keys=(key("other"),))) as second,
        ScriptedServer(script) as server,
        delivering(first) as (_, able),
        delivering(second) as (told, unable),
    ):
        webhook = await make(first, server)
        told.emit(DOWN)
        await unable.deliver_due()
        (delivery,) = await sent(second)
        assert (delivery.state, delivery.attempts) == (State.PENDING, 0)
        await able.deliver_due()
        (delivery,) = await sent(second)
        assert delivery.state is State.DELIVERED
    verify(received[0], webhook.secret)
