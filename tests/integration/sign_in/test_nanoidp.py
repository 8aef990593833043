"""The whole way there and back, at an identity provider that somebody else wrote."""

import httpx2
import pytest
from tests.integration.sign_in.conftest import PLAIN_SECRET, RULES, Door, NanoIdp
from tests.scripted_issuer import CLIENT_ID

from aqueduct.control.oidc.sign_in import Arrival
from aqueduct.control.workspace import Workspace
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.errors import SignInRefused
from aqueduct.upstream.transport import Transport


@pytest.fixture
def door(workspace: Workspace, transport: Transport, nanoidp: NanoIdp) -> Door:
    config = {
        "name": "nano",
        "issuer": nanoidp.url,
        "client_id": CLIENT_ID,
        "client_secret": PLAIN_SECRET,
        "networks": ["127.0.0.0/8"],
        "rules": RULES,
        "email_verified": True,
    }
    return Door(workspace, transport, config)


async def arrive(door: Door, nanoidp: NanoIdp, browser: str) -> Arrival:
    url = await door.oidc.begin("nano", browser, return_path="/tokens?page=2")
    answer = nanoidp.authorize(url, "ann", "anns")
    return await door.oidc.finish("nano", answer, browser)


async def test_somebody_new_becomes_a_user_gets_what_his_groups_say_and_loses_it_with_them(
    door: Door, nanoidp: NanoIdp, browser: str
) -> None:
    nanoidp.tell(ann={"password": "anns", "email": "ann@example.org", "groups": ["ai-staff"]})
    first = await arrive(door, nanoidp, browser)
    assert (first.user.name, first.user.role, first.return_path) == ("ann", Role.MEMBER, "/tokens?page=2")
    assert {name: each.role for name, each in (await door.teams_of(first)).items()} == {"physics": TeamRole.MEMBER}

    nanoidp.tell(ann={"password": "anns", "email": "ann@example.org", "groups": ["ai-leads", "ai-admins"]})
    second = await arrive(door, nanoidp, browser)
    assert second.user.id == first.user.id
    assert second.user.role is Role.ORGANISATION_ADMIN
    roles = {name: each.role for name, each in (await door.teams_of(second)).items()}
    assert roles == {"physics": TeamRole.ADMIN, "chemistry": TeamRole.MEMBER}

    nanoidp.tell(ann={"password": "anns", "email": "ann@example.org", "groups": []})
    third = await arrive(door, nanoidp, browser)
    assert third.user.role is Role.MEMBER
    assert await door.teams_of(third) == {}


async def test_keys_that_the_provider_has_changed_meanwhile_are_found(
    door: Door, nanoidp: NanoIdp, browser: str
) -> None:
    await arrive(door, nanoidp, browser)
    httpx2.post(f"{nanoidp.url}/api/keys/rotate").raise_for_status()
    await arrive(door, nanoidp, browser)


async def test_a_code_is_not_taken_twice(door: Door, nanoidp: NanoIdp, browser: str) -> None:
    answer = nanoidp.authorize(await door.oidc.begin("nano", browser), "ann", "anns")
    await door.oidc.finish("nano", answer, browser)
    url = await door.oidc.begin("nano", browser)
    state = dict(httpx2.URL(url).params)["state"]
    with pytest.raises(SignInRefused) as caught:
        await door.oidc.finish("nano", answer | {"state": state}, browser)
    assert caught.value.code == "code_refused"
