"""Who somebody becomes that an issuer vouches for, what the rules give him, and what they take back."""

import time
from typing import Any

import pytest
from joserfc import jwt
from tests.integration.sign_in.conftest import Door
from tests.integration.sign_in.test_refusals import arrive
from tests.scripted_issuer import ALGORITHMS, CLIENT_ID, ScriptedIssuer

from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.audit import AuditLog
from aqueduct.control.oidc.assertions import LOGOUT_EVENT
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.teams import Memberships
from aqueduct.control.users import NewUser, Users
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.errors import SignInRefused

ANN = {"preferred_username": "Ann", "email": "ann@example.org", "email_verified": True}


async def refused(door: Door, issuer: ScriptedIssuer, browser: str) -> str | None:
    with pytest.raises(SignInRefused) as caught:
        await arrive(door, issuer, browser)
    return caught.value.code


@pytest.mark.usefixtures("database_url")
async def test_what_rules_gave_goes_with_the_claim_and_what_was_given_by_hand_stays(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    memberships = Memberships(door.workspace.registry)
    issuer.claims = {**ANN, "groups": ["ai-leads"]}
    first = await arrive(door, issuer, browser)
    held = await door.teams_of(first)
    assert {name: each.role for name, each in held.items()} == {"physics": "admin", "chemistry": "member"}
    assert {each.given_by for each in held.values()} == {first.identity_id}
    token = NewApiToken(name="of physics", user=first.user.id, team=held["physics"].team_id)
    await ApiTokens(door.workspace.registry).issue(SYSTEM, token)

    # Somebody makes him an administrator of chemistry by hand: from then on it is his.
    await memberships.change(SYSTEM, f"{held['chemistry'].team_id}/{first.user.id}", {"role": "admin"})
    issuer.claims = {**ANN, "groups": []}
    second = await arrive(door, issuer, browser)
    held = await door.teams_of(second)
    assert {name: (each.role, each.given_by) for name, each in held.items()} == {"chemistry": (TeamRole.ADMIN, None)}
    revoked = await ApiTokens(door.workspace.registry).everything(SYSTEM)
    assert [each.name for each in revoked if each.revoked_at is None] == []


async def test_a_role_that_rules_gave_is_taken_back_and_one_that_was_given_by_hand_is_not(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    users = Users(door.workspace.registry)
    for by_hand in (Role.MEMBER, Role.ADMIN):
        issuer.claims = {**ANN, "groups": ["ai-admin"]}
        arrival = await arrive(door, issuer, browser)
        await users.change(SYSTEM, arrival.user.id, {"role": by_hand.value})
        arrival = await arrive(door, issuer, browser)
        assert arrival.user.role is max(by_hand, Role.ORGANISATION_ADMIN, key=list(reversed(Role)).index)
        issuer.claims = {**ANN, "groups": []}
        assert (await arrive(door, issuer, browser)).user.role is by_hand


async def test_whoever_no_rule_knows_any_more_is_refused_and_keeps_nothing(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    door.config["require_rule"] = True
    assert await refused(door, issuer, browser) == "not_entitled"
    issuer.claims = {"groups": ["ai-staff"]}
    arrival = await arrive(door, issuer, browser)
    issuer.claims = {"groups": []}
    assert await refused(door, issuer, browser) == "not_entitled"
    assert await door.teams_of(arrival) == {}


async def test_an_account_with_the_same_address_is_his_only_where_the_config_says_so(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    users = Users(door.workspace.registry)
    local = await users.create(SYSTEM, NewUser(name="a. n.", email="Ann@example.org"), organisation="university")
    issuer.claims = ANN
    assert await refused(door, issuer, browser) == "email_taken"
    door.config |= {"link_by_email": True, "allowed_domains": ["Example.org"]}
    issuer.claims = {**ANN, "email_verified": False}
    assert await refused(door, issuer, browser) == "domain_not_allowed"
    issuer.claims = ANN
    assert (await arrive(door, issuer, browser)).user.id == local.id


async def test_an_issuer_of_one_organisation_takes_over_nobody_of_another(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    registry = door.workspace.registry
    await Organisations(registry).create(SYSTEM, "elsewhere")
    theirs = await Users(registry).create(
        SYSTEM, NewUser(name="ann", email="ann@example.org", role=Role.ADMIN), organisation="elsewhere"
    )
    door.config |= {"link_by_email": True, "allowed_domains": ["example.org"]}
    issuer.claims = ANN
    arrival = await arrive(door, issuer, browser)
    assert arrival.user.id != theirs.id
    assert arrival.user.role is Role.MEMBER
    # Nor do rules that name another organisation lift him there once he is a user of this one.
    door.config["rules"] = [{"when": {"groups": "x"}, "organisation": "elsewhere", "role": "admin"}]
    issuer.claims = {**ANN, "groups": "x"}
    assert (await arrive(door, issuer, browser)).user.role is Role.MEMBER


async def test_a_user_who_is_signed_in_adds_an_account_that_then_lets_him_in(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    users = Users(door.workspace.registry)
    door.config["create_users"] = False
    assert await refused(door, issuer, browser) == "user_unknown"
    first, second = [
        await users.create(SYSTEM, NewUser(name=name), organisation="university") for name in ("one", "two")
    ]
    said = issuer.authorize(await door.oidc.begin("lab", browser, link_to=first.id))
    assert (await door.oidc.finish("lab", said, browser)).is_link
    assert (await arrive(door, issuer, browser)).user.id == first.id
    said = issuer.authorize(await door.oidc.begin("lab", browser, link_to=second.id))
    with pytest.raises(SignInRefused, match="belongs to another user"):
        await door.oidc.finish("lab", said, browser)
    log = await AuditLog(door.workspace.registry).page(SYSTEM)
    linked = next(each for each in log.items if each.action == "link_identity")
    assert (linked.actor_kind, linked.actor_name, linked.object_id) == ("issuer", "lab", first.id)


async def test_a_user_who_is_off_stays_out_and_one_who_was_deleted_comes_as_somebody_new(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    users = Users(door.workspace.registry)
    first = await arrive(door, issuer, browser)
    await users.change(SYSTEM, first.user.id, {"is_active": False})
    assert await refused(door, issuer, browser) == "user_inactive"
    await users.delete(SYSTEM, first.user.id)
    assert (await arrive(door, issuer, browser)).user.id != first.user.id


async def test_namesakes_get_numbers_and_what_cannot_be_a_name_is_made_one(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    names = []
    for subject, said in (("a", "Ann"), ("b", "Ann"), ("c", "usr_\x00x"), ("d", " \n"), ("e", "n" * 300)):
        issuer.claims = {"sub": subject, "preferred_username": said}
        names.append((await arrive(door, issuer, browser)).user.name)
    assert names == ["Ann", "Ann 2", "x", "d", "n" * 95]


async def test_groups_that_only_userinfo_knows_are_asked_for(door: Door, issuer: ScriptedIssuer, browser: str) -> None:
    issuer.userinfo = {"sub": "ann", "groups": ["ai-staff"], "preferred_username": "Ann"}
    arrival = await arrive(door, issuer, browser)
    assert arrival.user.name == "Ann"
    assert set(await door.teams_of(arrival)) == {"physics"}


async def test_signing_out_leads_to_the_issuer_and_back(door: Door, issuer: ScriptedIssuer, browser: str) -> None:
    arrival = await arrive(door, issuer, browser)
    await door.logout.remember("ses_1", arrival, expires_at=time.time() + 60)
    url = await door.logout.leave("ses_1")
    assert url is not None
    assert url.startswith(
        f"{issuer.url}/logout?client_id=aqueduct&post_logout_redirect_uri=https%3A%2F%2Fai.example.org"
    )
    assert arrival.id_token in url
    assert await door.logout.leave("ses_1") is None


def logout_token(issuer: ScriptedIssuer, **claims: Any) -> str:
    now = int(time.time())
    honest = {
        "iss": issuer.url,
        "aud": CLIENT_ID,
        "iat": now,
        "exp": now + 60,
        "jti": "1",
        "events": {LOGOUT_EVENT: {}},
    }
    said = {name: value for name, value in {**honest, **claims}.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": "first"}, said, issuer.key, algorithms=ALGORITHMS)


@pytest.mark.usefixtures("database_url")
async def test_the_issuer_ends_sessions_by_their_id_or_all_of_a_person_and_is_heard_once(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    for number, (subject, sid) in enumerate([("ann", "s1"), ("ann", "s2"), ("bob", "s3"), ("bob", "s4")]):
        issuer.claims = {"sub": subject, "sid": sid}
        arrival = await arrive(door, issuer, browser)
        await door.logout.remember(f"ses_{number}", arrival, expires_at=time.time() + 60)
    said = logout_token(issuer, sid="s2")
    assert await door.logout.end_for("lab", said) == ["ses_1"]
    with pytest.raises(SignInRefused, match="said before"):
        await door.logout.end_for("lab", said)
    assert sorted(await door.logout.end_for("lab", logout_token(issuer, jti="2", sub="bob"))) == ["ses_2", "ses_3"]
    wrong: list[dict[str, Any]] = [{"aud": "x"}, {"nonce": "n"}, {"events": {}}, {"iat": 7}, {"jti": None}, {"sub": 3}]
    for number, claims in enumerate([*wrong, {}]):
        whom = {} if number == len(wrong) else {"sub": "ann"}
        with pytest.raises(SignInRefused) as caught:
            await door.logout.end_for("lab", logout_token(issuer, **{"jti": f"w{number}", **whom, **claims}))
        assert caught.value.code == "assertion_not_valid", claims
