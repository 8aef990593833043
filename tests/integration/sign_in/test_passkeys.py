"""Passkeys, with an authenticator in software: registered, a way in alone, a second step, and what lets nobody in."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.integration.sign_in.conftest import ORIGIN
from tests.software_authenticator import SoftwareAuthenticator, b64

from aqueduct.control.audit import AuditLog
from aqueduct.control.flows import new_value
from aqueduct.control.passkeys import MAX_PASSKEYS, Passkeys, Site
from aqueduct.control.users import NewUser, Users
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM, Actor
from aqueduct.domain.credential import Passkey
from aqueduct.domain.identity import Role
from aqueduct.errors import AlreadyExists, InvalidValue, NotAllowed, NotFound, SignInRefused


@pytest.fixture
def passkeys(workspace: Workspace) -> Passkeys:
    return Passkeys(workspace.registry, Site(origin=ORIGIN))


@pytest.fixture
async def ann(workspace: Workspace) -> Actor:
    return await make_actor(workspace, "ann")


async def make_actor(workspace: Workspace, name: str, role: Role = Role.MEMBER) -> Actor:
    user = await Users(workspace.registry).create(SYSTEM, NewUser(name=name, role=role), organisation="university")
    return Actor(kind="user", name=name, id=user.id, user_id=user.id, role=role, organisation_id=user.organisation_id)


async def register(passkeys: Passkeys, actor: Actor, authenticator: SoftwareAuthenticator, browser: str) -> Passkey:
    options = await passkeys.begin_registration(actor, browser)
    return await passkeys.finish_registration(actor, browser, authenticator.create(options), name="my phone")


@pytest.mark.usefixtures("database_url")
async def test_a_passkey_lets_its_user_in_alone_or_after_his_password(
    passkeys: Passkeys, ann: Actor, browser: str, workspace: Workspace
) -> None:
    phone = SoftwareAuthenticator(ORIGIN, is_synced=True)
    made = await register(passkeys, ann, phone, browser)
    assert (made.name, made.is_synced, made.transports) == ("my phone", True, ("internal",))
    assert await passkeys.has_any(str(ann.user_id))
    options = await passkeys.begin(browser)
    assert (options["userVerification"], options["allowCredentials"]) == ("required", [])
    assert (await passkeys.finish(browser, phone.get(options))).id == ann.user_id
    options = await passkeys.begin(browser, user_id=ann.user_id)
    assert [each["id"] for each in options["allowCredentials"]] == [b64(phone.id)]
    phone.verifies = False
    assert (await passkeys.finish(browser, phone.get(options), user_id=ann.user_id)).id == ann.user_id
    [used] = await passkeys.registered(ann, str(ann.user_id))
    assert used.sign_count == phone.count == 3
    assert used.last_used_at is not None
    log = await AuditLog(workspace.registry).page(SYSTEM)
    assert (log.items[0].action, log.items[0].actor_name) == ("register_passkey", "ann")


Bend = Callable[[SoftwareAuthenticator], None]


def unverified(phone: SoftwareAuthenticator) -> None:
    phone.verifies = False


def phished(phone: SoftwareAuthenticator) -> None:
    phone.origin = "https://ai.example.org.evil.example"


def of_another_site(phone: SoftwareAuthenticator) -> None:
    phone.rp_id = "example.org"


def cloned(phone: SoftwareAuthenticator) -> None:
    phone.count = 0


def of_another_key(phone: SoftwareAuthenticator) -> None:
    phone.key = SoftwareAuthenticator(ORIGIN).key


def of_another_user(phone: SoftwareAuthenticator) -> None:
    phone.user_handle = b64(b"usr_somebody")


async def test_what_is_not_that_passkey_on_this_site_lets_nobody_in(
    passkeys: Passkeys, ann: Actor, browser: str
) -> None:
    bends: tuple[Bend, ...] = (unverified, phished, of_another_site, cloned, of_another_key, of_another_user)
    for bend in bends:
        phone = SoftwareAuthenticator(ORIGIN)
        await register(passkeys, ann, phone, browser)
        await passkeys.finish(browser, phone.get(await passkeys.begin(browser)))
        bend(phone)
        with pytest.raises(SignInRefused) as caught:
            await passkeys.finish(browser, phone.get(await passkeys.begin(browser)))
        assert caught.value.code == "passkey_not_valid", bend


async def test_a_challenge_is_used_once_for_what_it_was_made_and_in_its_browser(
    passkeys: Passkeys, ann: Actor, browser: str, workspace: Workspace
) -> None:
    phone = SoftwareAuthenticator(ORIGIN)
    await register(passkeys, ann, phone, browser)
    answer = phone.get(await passkeys.begin(browser))
    await passkeys.finish(browser, answer)
    second = await passkeys.begin(browser, user_id=ann.user_id)
    bob = await make_actor(workspace, "bob")
    of_bob = await passkeys.begin(browser, user_id=bob.user_id)
    attempts: list[tuple[dict[str, Any], str | None]] = [
        (answer, None),
        (phone.get(second), None),
        (phone.get(of_bob), ann.user_id),
        (phone.get({"challenge": new_value()}), None),
    ]
    for said, user_id in attempts:
        with pytest.raises(SignInRefused):
            await passkeys.finish(browser, said, user_id=user_id)
    with pytest.raises(SignInRefused, match="another browser"):
        await passkeys.finish(new_value(), phone.get(await passkeys.begin(browser)))
    options = await passkeys.begin_registration(ann, browser)
    with pytest.raises(SignInRefused):
        await passkeys.finish_registration(bob, browser, SoftwareAuthenticator(ORIGIN).create(options), name="mine")
    # A passkey of somebody else is no second step of Bob's.
    of_bob = await passkeys.begin(browser, user_id=bob.user_id)
    with pytest.raises(SignInRefused, match="not known"):
        await passkeys.finish(browser, phone.get(of_bob), user_id=bob.user_id)


async def test_rubbish_is_refused_in_words(passkeys: Passkeys, ann: Actor, browser: str) -> None:
    phone = SoftwareAuthenticator(ORIGIN)
    await register(passkeys, ann, phone, browser)
    rubbish: list[dict[str, Any]] = [
        {},
        {"response": 7},
        {"response": {"clientDataJSON": "%%%"}},
        {"response": {"clientDataJSON": b64(b"[]")}},
        {"response": {"clientDataJSON": b64(b"[" * 5000)}},
        {"response": {"clientDataJSON": b64(msgspec.json.encode({"challenge": 7}))}},
    ]
    for answer in rubbish:
        with pytest.raises(SignInRefused):
            await passkeys.finish(browser, answer)
    for path in ("signature", "authenticatorData", "clientDataJSON"):
        answer = phone.get(await passkeys.begin(browser))
        answer["response"][path] = answer["response"][path][:-8]
        with pytest.raises(SignInRefused):
            await passkeys.finish(browser, answer)
    for path in ("attestationObject", "clientDataJSON"):
        answer = SoftwareAuthenticator(ORIGIN).create(await passkeys.begin_registration(ann, browser))
        answer["response"][path] = answer["response"][path][:-8]
        with pytest.raises(SignInRefused):
            await passkeys.finish_registration(ann, browser, answer, name="broken")


async def test_one_names_and_removes_ones_own_and_an_administrator_those_of_others(
    passkeys: Passkeys, ann: Actor, browser: str, workspace: Workspace
) -> None:
    phone = SoftwareAuthenticator(ORIGIN)
    made = await register(passkeys, ann, phone, browser)
    with pytest.raises(AlreadyExists):
        await register(passkeys, ann, phone, browser)
    assert (await passkeys.rename(ann, made.id, "the old phone")).name == "the old phone"
    with pytest.raises(InvalidValue):
        await passkeys.rename(ann, made.id, " ")
    bob, boss = await make_actor(workspace, "bob"), await make_actor(workspace, "boss", Role.ORGANISATION_ADMIN)
    for stranger in (bob, msgspec.structs.replace(bob, scopes=frozenset())):
        with pytest.raises(NotFound):
            await passkeys.remove(stranger, made.id)
    with pytest.raises(NotAllowed):
        await passkeys.registered(msgspec.structs.replace(ann, scopes=frozenset()), str(ann.user_id))
    assert [each.id for each in await passkeys.registered(boss, str(ann.user_id))] == [made.id]
    await passkeys.remove(boss, made.id)
    with pytest.raises(SignInRefused, match="not known"):
        await passkeys.finish(browser, phone.get(await passkeys.begin(browser)))
    for _ in range(MAX_PASSKEYS):
        await register(passkeys, ann, SoftwareAuthenticator(ORIGIN), browser)
    with pytest.raises(InvalidValue, match="Remove one"):
        await passkeys.begin_registration(ann, browser)


async def test_whoever_is_off_or_gone_is_not_let_in(
    passkeys: Passkeys, ann: Actor, browser: str, workspace: Workspace
) -> None:
    phone = SoftwareAuthenticator(ORIGIN, counts=False)
    await register(passkeys, ann, phone, browser)
    users = Users(workspace.registry)
    await users.change(SYSTEM, str(ann.user_id), {"is_active": False})
    with pytest.raises(SignInRefused, match="switched off"):
        await passkeys.finish(browser, phone.get(await passkeys.begin(browser)))
    await users.delete(SYSTEM, str(ann.user_id))
    with pytest.raises(SignInRefused, match="not known"):
        await passkeys.finish(browser, phone.get(await passkeys.begin(browser)))
