"""API tokens, from the use cases to the rows, and as the gateway finds them."""

import dataclasses
import time

import pytest
import sqlalchemy as sa

from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.principal import Principal
from aqueduct.errors import AlreadyExists, InvalidValue, NotFound
from aqueduct.settings import ServerKey, Settings
from aqueduct.storage.api_tokens import ApiTokenStore
from aqueduct.storage.tables import api_tokens


async def find(workspace: Workspace, value: str) -> Principal | None:
    return await ApiTokenStore(workspace.database, workspace.keys).find(value)


async def find_id(workspace: Workspace, value: str) -> str | None:
    found = await find(workspace, value)
    return None if found is None else found.id


async def test_a_value_is_256_random_bits_behind_its_prefix_and_finds_its_token(workspace: Workspace) -> None:
    created = await workspace.api_tokens.create("one", expires_at=time.time() + 60, allowed_models=["a", "b-*"])
    assert len(created.value) == 46
    assert created.value.startswith("aq-")
    assert created.value not in repr(created)
    found = await find(workspace, created.value)
    assert found is not None
    assert (found.id, found.expires_at) == (created.api_token.id, created.api_token.expires_at)
    assert [name for name in ("a", "b", "b-1", "c") if found.may_use(name)] == ["a", "b-1"]
    assert await find(workspace, created.value + "x") is None


async def test_the_value_is_stored_nowhere(workspace: Workspace) -> None:
    created = await workspace.api_tokens.create("one")
    files = [path.read_bytes() for path in workspace.directory.path.rglob("*") if path.is_file()]
    assert any(created.api_token.id.encode() in content for content in files)
    assert not any(created.value.encode() in content for content in files)
    shown = created.api_token.hint.replace("aq-", "").replace("…", "")
    assert len(shown) == 8


async def test_every_change_raises_the_revision(workspace: Workspace) -> None:
    seen = [workspace.revision.read()]
    for change in (
        workspace.api_tokens.create("one"),
        workspace.api_tokens.rotate(SYSTEM, "one"),
        workspace.api_tokens.revoke(SYSTEM, "one"),
    ):
        await change
        seen.append(workspace.revision.read())
    assert seen == [0, 1, 2, 3]


async def test_a_name_is_unique_among_live_tokens_and_free_again_after(workspace: Workspace) -> None:
    await workspace.api_tokens.create("one")
    with pytest.raises(AlreadyExists, match="already a token named `one`"):
        await workspace.api_tokens.create("one")
    await workspace.api_tokens.revoke(SYSTEM, "one")
    await workspace.api_tokens.create("one")
    assert len(await workspace.api_tokens.list(SYSTEM)) == 2


@pytest.mark.parametrize("name", ["", " a", "a\nb", "tok_1", "x" * 101])
async def test_a_name_that_would_confuse_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(InvalidValue):
        await workspace.api_tokens.create(name)


async def test_an_expiry_in_the_past_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InvalidValue, match="already passed"):
        await workspace.api_tokens.create("one", expires_at=time.time() - 1)


async def test_a_revoked_token_is_found_but_not_usable(workspace: Workspace) -> None:
    created = await workspace.api_tokens.create("one")
    await workspace.api_tokens.revoke(SYSTEM, created.api_token.id)
    found = await find(workspace, created.value)
    assert found is not None
    assert not found.is_usable(time.time())
    for act in (workspace.api_tokens.revoke, workspace.api_tokens.rotate):
        with pytest.raises(NotFound):
            await act(SYSTEM, "one")


async def test_rotation_keeps_the_token_and_ends_the_old_value_at_once(workspace: Workspace) -> None:
    old = await workspace.api_tokens.create("one", allowed_models=["a"])
    new = await workspace.api_tokens.rotate(SYSTEM, "one")
    assert (new.api_token.id, new.api_token.allowed_models) == (old.api_token.id, ("a",))
    assert new.api_token.hint != old.api_token.hint
    assert await find_id(workspace, new.value) == new.api_token.id
    former = await find(workspace, old.value)
    assert former is not None
    assert not former.is_usable(time.time())


async def test_with_grace_the_old_value_works_until_it_ends(workspace: Workspace) -> None:
    now = 1_800_000_000.0
    tokens = ApiTokens(dataclasses.replace(workspace.registry, clock=lambda: now))
    old = await tokens.create("one", expires_at=now + 100)
    await tokens.rotate(SYSTEM, "one", grace_seconds=60)
    former = await find(workspace, old.value)
    assert former is not None
    assert former.expires_at == now + 60
    await tokens.rotate(SYSTEM, "one", grace_seconds=1000)
    assert await find(workspace, old.value) is None


async def test_grace_does_not_outlast_the_tokens_own_expiry(workspace: Workspace) -> None:
    now = 1_800_000_000.0
    tokens = ApiTokens(dataclasses.replace(workspace.registry, clock=lambda: now))
    old = await tokens.create("one", expires_at=now + 100)
    await tokens.rotate(SYSTEM, "one", grace_seconds=1000)
    former = await find(workspace, old.value)
    assert former is not None
    assert former.expires_at == now + 100


async def test_tokens_survive_a_rotation_of_the_server_key(settings: Settings) -> None:
    async with create_workspace(settings) as workspace:
        old = await workspace.api_tokens.create("old")
    rotated = settings.model_copy(update={"hash_keys": (ServerKey("next", b"n" * 32),)})
    async with create_workspace(rotated) as workspace:
        new = await workspace.api_tokens.create("new")
        assert await find_id(workspace, old.value) == old.api_token.id
        assert await find_id(workspace, new.value) == new.api_token.id
        async with workspace.database.reading() as connection:
            key_ids = set(await connection.scalars(sa.select(api_tokens.c.key_id)))
    assert len(key_ids) == 2
    assert "next" in key_ids
