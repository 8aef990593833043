"""Many users and tokens from one file: all or none."""

import pytest
from tests.integration.control.conftest import World

from aqueduct.control.bulk import InvalidRows, create_api_tokens, create_users
from aqueduct.control.users import Users
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Role
from aqueduct.storage.pages import Listing


async def names(world: World) -> set[str]:
    listing = Listing(filters={"organisation_id": world.ours.organisation.id})
    return {user.name for user in await Users(world.registry).everything(SYSTEM, listing)}


async def test_users_come_with_their_roles_and_teams(world: World) -> None:
    text = '\ufeffname,email,role,teams\r\nann,ann@example.com,,core\r\n"bob, jr",,organisation_admin,\r\n'
    made = await create_users(world.registry, SYSTEM, text, organisation="ours")
    assert [(user.name, user.email, user.role) for user in made] == [
        ("ann", "ann@example.com", Role.MEMBER),
        ("bob, jr", None, Role.ORGANISATION_ADMIN),
    ]
    found = await world.look_up((await world.issue(name="x", user="ann", team=world.ours.team.id)).value)
    assert found.team_ids == {world.ours.team.id}


async def test_one_bad_row_leaves_none_and_all_bad_ones_are_named(world: World) -> None:
    before = await names(world)
    text = "name,role,teams\nann,,\nboss,,\nann,,\ncid,emperor,\ndan,,nowhere\n,,\n"
    with pytest.raises(InvalidRows) as caught:
        await create_users(world.registry, SYSTEM, text, organisation="ours")
    assert [line for line, _ in caught.value.errors] == [3, 4, 5, 6, 7]
    assert "line 5: `emperor` is not a role" in str(caught.value)
    assert await names(world) == before


@pytest.mark.parametrize(
    "text", ["", "email\nx", "name,secret\nx,y", "name,name\nx,y", "name\nx,y", 'name\n"x', "name\na\x00b"]
)
async def test_a_file_that_is_something_else_is_refused(world: World, text: str) -> None:
    before = await names(world)
    with pytest.raises(InvalidRows):
        await create_users(world.registry, SYSTEM, text, organisation="ours")
    assert await names(world) == before


async def test_tokens_come_with_all_that_a_row_says(world: World) -> None:
    text = (
        "name,user,service_account,team,expires,models,networks\n"
        f"one,{world.ours.member.id},,{world.ours.team.id},30d,gpt-*;claude,192.0.2.0/24\n"
        f"two,,{world.ours.account.id},,,,\n"
    )
    one, two = await create_api_tokens(world.registry, SYSTEM, text)
    assert one.api_token.allowed_models == ("gpt-*", "claude")
    assert one.api_token.ip_allow_list == ("192.0.2.0/24",)
    assert one.api_token.expires_at is not None
    assert (await world.look_up(two.value)).service_account_id == world.ours.account.id


async def test_a_quota_holds_for_a_file_too(world: World) -> None:
    await Users(world.registry).change(SYSTEM, world.ours.member.id, {"max_api_tokens": 2})
    text = "name,user\n" + "".join(f"t{number},{world.ours.member.id}\n" for number in range(4))
    with pytest.raises(InvalidRows) as caught:
        await create_api_tokens(world.registry, SYSTEM, text)
    assert [line for line, _ in caught.value.errors] == [4, 5]
    assert await world.workspace.api_tokens.list(SYSTEM) == []


async def test_a_file_gives_nobody_more_rights(world: World) -> None:
    member = await world.act_as(world.ours.member)
    with pytest.raises(InvalidRows, match="may not create"):
        await create_users(world.registry, member, "name\nx\n")
    boss = await world.act_as(world.ours.boss)
    with pytest.raises(InvalidRows, match="may not create"):
        await create_users(world.registry, boss, "name,role\nx,admin\n")
